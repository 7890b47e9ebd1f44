//! `rollback`: boot the other deployment next.

use ostler_deploy::order;
use ostler_deploy::plan::Wish;

use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `rollback`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Reboot once it is done
    #[arg(short, long)]
    pub(crate) reboot: bool,
}

impl Verb for Rollback {
    const NAME: &'static str = "rollback";
    const ABOUT: &'static str = "Boot the previous deployment next";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "rollback --reboot",
        says: "go back to the previous deployment now",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let change = order::change(&mut lock, &Wish::Rollback { stateroot: None })?;
        system::tell_published(context, change.published.as_ref())?;
        system::tell_freed(context, change.bytes_freed)?;
        if let Some(next) = lock.deployments.first() {
            context
                .printer
                .line(format_args!("Next boot: {}", next.id))?;
        }
        reboot::after_change(context, &lock, self.reboot)?;
        Ok(Exit::Done)
    }
}
