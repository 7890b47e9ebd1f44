//! `reset-layers`, which rpm-ostree calls `reset`: the tree alone, without what was layered on it.
//!
//! `ostler reset` is ostree's verb for refs.

use ostler_deploy::deploy::{DeployOptions, MergeFrom};
use ostler_deploy::reset;
use ostler_format::origin::Layers;

use super::options::HostOptions;
use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `reset`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reset {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Drop layered packages alone
    #[arg(short = 'l', long)]
    pub(crate) overlays: bool,
    /// Drop overrides of packages alone
    #[arg(short = 'o', long)]
    pub(crate) overrides: bool,
    /// Drop changes of the initramfs alone: its own arguments, files of /etc in it
    #[arg(short = 'i', long)]
    pub(crate) initramfs: bool,
}

impl Verb for Reset {
    const NAME: &'static str = "reset";
    const ABOUT: &'static str =
        "Deploy the tree without what this program or rpm-ostree has put on top of it";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "reset --initramfs",
        says: "drop what was done to the initramfs alone",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.show_progress(&self.host.progress)?;
        let stateroot = system::stateroot(self.host.stateroot.as_deref())?;
        let all = !(self.overlays || self.overrides || self.initramfs);
        let what = Layers {
            packages: all || self.overlays,
            overrides: all || self.overrides,
            initramfs: all || self.initramfs,
        };
        let mut lock = system::lock(context, &self.host.sysroot)?;
        let next = system::next_of(&lock, stateroot.as_ref())?;
        let Some(plain) = reset::plain(&lock, &next, what)? else {
            context.printer.line("No changes.")?;
            return Ok(Exit::Done);
        };
        let options = DeployOptions {
            stateroot: Some(next.id.stateroot.clone()),
            origin: Some(plain.origin),
            merge: MergeFrom::Next,
            ..DeployOptions::default()
        };
        let lock_finalization = self.host.lock_finalization;
        system::deploy(
            context,
            &mut lock,
            plain.commit,
            &options,
            lock_finalization,
        )?;
        reboot::after_change(context, &lock, self.host.reboot)?;
        Ok(Exit::Done)
    }
}

/// Options of `reset-layers`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ResetLayers {
    #[command(flatten)]
    pub(crate) reset: Reset,
}

impl Verb for ResetLayers {
    const NAME: &'static str = "reset-layers";
    const ABOUT: &'static str = Reset::ABOUT;
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "reset-layers",
            says: "drop packages that rpm-ostree has layered, overrides, and files of /etc in the initramfs",
        },
        Example {
            call: "reset-layers --initramfs",
            says: "drop what was done to the initramfs alone",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.reset.run(context)
    }
}
