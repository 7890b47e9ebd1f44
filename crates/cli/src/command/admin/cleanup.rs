//! `admin cleanup`: delete what no deployment refers to.

use ostler_deploy::cleanup;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin cleanup`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Cleanup {
    const NAME: &'static str = "cleanup";
    const ABOUT: &'static str = "Delete what no deployment and no ref needs";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin cleanup",
        says: "remove trees and kernels that no deployment needs, and objects that no ref needs",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let lock = system::lock(context, &self.sysroot)?;
        let cleaned = cleanup::full(&lock)?;
        for id in &cleaned.deployments {
            context
                .printer
                .note(format_args!("deleted the unfinished deployment {id}"));
        }
        system::tell_freed(context, cleaned.bytes_freed)?;
        Ok(Exit::Done)
    }
}
