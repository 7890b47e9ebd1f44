//! `admin unlock`: a writable layer over `/usr`.

use ostler_deploy::unlock::{self, Layer, Outside, Places};

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
    /// Keep what is changed at the next boots, and make a deployment to go back to
    #[arg(long, conflicts_with = "transient")]
    pub(crate) hotfix: bool,
}

impl Verb for Unlock {
    const NAME: &'static str = "unlock";
    const ABOUT: &'static str =
        "Make /usr of the running deployment writable, until the next boot or for good";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin unlock",
            says: "try something in /usr; a reboot forgets it",
        },
        Example {
            call: "admin unlock --transient",
            says: "prepare it for `unshare -m`, then `mount -o remount,rw /usr` in there",
        },
        Example {
            call: "admin unlock --hotfix",
            says: "repair something in /usr that can't wait; the next upgrade starts from a whole tree again",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.hotfix {
            return hotfix(context, &self.sysroot);
        }
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

fn hotfix(context: &Context, option: &SysrootOption) -> anyhow::Result<Exit> {
    let outside = Outside::stay(Places::default());
    let mut lock = system::lock(context, option)?;
    let back = unlock::hotfix(&mut lock, outside, &*context.sink())?;
    let printer = &context.printer;
    printer.line("Hotfix mode enabled.  A writable overlayfs is now mounted on /usr, and will be at each boot of this deployment.")?;
    if let Some(back) = back {
        printer.line(format_args!(
            "Deployment `{back}` is the same without it, to go back to."
        ))?;
    }
    Ok(Exit::Done)
}
