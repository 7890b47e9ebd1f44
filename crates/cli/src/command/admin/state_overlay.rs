//! `admin state-overlay`: a writable layer in /var over a directory of the tree.

use std::path::PathBuf;

use ostler_deploy::state_overlay::{self, Mounted};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin state-overlay`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StateOverlay {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Directory of the layer in /var/ostree/state-overlays
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Directory that becomes writable
    #[arg(value_name = "MOUNTPATH", required = true)]
    pub(crate) mount_path: PathBuf,
}

impl Verb for StateOverlay {
    const NAME: &'static str = "state-overlay";
    const ABOUT: &'static str =
        "Make a directory of the running tree writable; a new version takes its own names back";
    const OPERANDS: &'static str = "NAME MOUNTPATH";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin state-overlay opt /opt",
        says: "what the unit ostree-state-overlay@opt calls: programs in /opt may write beside their files",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        // Not locked: that may enter a mount namespace, in which nobody else would see the layer.
        let sysroot = system::open(&self.sysroot)?;
        match state_overlay::mount(&sysroot, &self.name, &self.mount_path)? {
            Mounted::Now { dropped: 0 } => {}
            Mounted::Now { dropped } => context.printer.note(format_args!(
                "{dropped} names in the layer gave way to the new version's"
            )),
            Mounted::Already => context.printer.note("it is mounted already"),
        }
        Ok(Exit::Done)
    }
}
