//! `admin unlock`: a writable layer over `/usr`.

use ostler_deploy::unlock::{self, Layer, Places};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin unlock`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Mount the layer read-only: a process makes it writable in a mount namespace of its own
    #[arg(long)]
    pub(crate) transient: bool,
}

impl Verb for Unlock {
    const NAME: &'static str = "unlock";
    const ABOUT: &'static str = "Make /usr of the running deployment writable until the next boot";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin unlock",
            says: "try something in /usr; a reboot forgets it",
        },
        Example {
            call: "admin unlock --transient",
            says: "prepare it for `unshare -m`, then `mount -o remount,rw /usr` in there",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let layer = match self.transient {
            true => Layer::Transient,
            false => Layer::Development,
        };
        run(context, &self.sysroot, layer)
    }
}

/// Mounts the layer and says what it means.
pub(crate) fn run(context: &Context, option: &SysrootOption, layer: Layer) -> anyhow::Result<Exit> {
    // Not locked: that may enter a mount namespace, in which nobody else would see the layer.
    let sysroot = system::open(option)?;
    unlock::unlock(&sysroot, layer, &Places::default())?;
    let printer = &context.printer;
    printer.line(match layer {
        Layer::Development => {
            "Development mode enabled.  A writable overlayfs is now mounted on /usr."
        }
        Layer::Transient => {
            "A writable overlayfs is prepared for /usr, but is mounted read-only by default."
        }
    })?;
    printer.line("The next boot forgets what is changed there.")?;
    Ok(Exit::Done)
}
