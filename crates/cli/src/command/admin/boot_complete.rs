//! `admin boot-complete`: tell of a staged deployment that could not be finished.

use ostler_deploy::finalization;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin boot-complete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct BootComplete {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for BootComplete {
    const NAME: &'static str = "boot-complete";
    const ABOUT: &'static str =
        "Fail if the last staged deployment could not be finished; run once a boot";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin boot-complete",
        says: "what the unit of the boot calls: say why, once; `status` goes on telling of it",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let lock = system::lock(context, &self.sysroot)?;
        lock.require_booted()?;
        finalization::boot_complete(&lock)?;
        Ok(Exit::Done)
    }
}
