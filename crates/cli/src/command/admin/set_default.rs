//! `admin set-default`: boot this deployment next.

use ostler_deploy::order;
use ostler_deploy::plan::Wish;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin set-default`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetDefault {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Index in the list of deployments, from 0
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) index: usize,
}

impl Verb for SetDefault {
    const NAME: &'static str = "set-default";
    const ABOUT: &'static str = "Make deployment INDEX the one that boots next";
    const OPERANDS: &'static str = "INDEX";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin set-default 1",
        says: "boot the second deployment next",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let change = order::change(&mut lock, &Wish::MakeDefault(self.index))?;
        system::tell_published(context, change.published.as_ref())?;
        system::tell_freed(context, change.bytes_freed)?;
        Ok(Exit::Done)
    }
}
