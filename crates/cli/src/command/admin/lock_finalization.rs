//! `admin lock-finalization`: keep the staged deployment from being finished.

use ostler_deploy::finalization;
use ostler_deploy::staged::Finalization;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin lock-finalization`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LockFinalization {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Let the next shutdown finish it again
    #[arg(short, long)]
    pub(crate) unlock: bool,
}

impl Verb for LockFinalization {
    const NAME: &'static str = "lock-finalization";
    const ABOUT: &'static str = "Keep the staged deployment from being finished at shutdown";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin lock-finalization",
            says: "boot the old deployment again, whatever is staged",
        },
        Example {
            call: "admin lock-finalization --unlock",
            says: "let the next shutdown finish what is staged",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        lock.require_booted()?;
        let (wanted, state) = match self.unlock {
            true => (Finalization::AtShutdown, "prepared for finalization"),
            false => (Finalization::Locked, "finalization locked"),
        };
        let when = match finalization::set(&mut lock, wanted)? {
            true => "now",
            false => "already",
        };
        context
            .printer
            .line(format_args!("Staged deployment is {when} {state}"))?;
        Ok(Exit::Done)
    }
}
