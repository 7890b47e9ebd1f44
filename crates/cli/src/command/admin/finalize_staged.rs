//! `admin finalize-staged`: finish a staged deployment at shutdown.

use ostler_deploy::staged;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin finalize-staged`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FinalizeStaged {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Keep /boot open until this process is ended, and finish nothing
    #[arg(long)]
    pub(crate) hold: bool,
}

impl Verb for FinalizeStaged {
    const NAME: &'static str = "finalize-staged";
    const ABOUT: &'static str = "Finish the staged deployment; run by the system as it stops";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin finalize-staged",
        says: "what the unit of the shutdown calls: the staged deployment becomes the next boot",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.hold {
            let sysroot = system::open(&self.sysroot)?;
            sysroot.require_booted()?;
            // Its handle of /boot keeps an automounter from unmounting it; the unit's end is a signal.
            loop {
                std::thread::park();
            }
        }
        let mut lock = system::lock(context, &self.sysroot)?;
        lock.require_booted()?;
        match staged::finalize(&mut lock)? {
            Some(deployed) => system::tell_deployed(context, &deployed)?,
            None => context.printer.note("no deployment is staged and unlocked"),
        }
        Ok(Exit::Done)
    }
}
