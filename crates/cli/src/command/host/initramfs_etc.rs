//! `initramfs-etc`: files of `/etc` that the initramfs has, too.

use anyhow::Context as _;
use ostler_deploy::Deployment;
use ostler_deploy::deploy::{DeployOptions, MergeFrom};
use ostler_deploy::initramfs_etc::{self, Change};

use super::options::HostOptions;
use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::report::hinted;

/// Options of `initramfs-etc`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InitramfsEtc {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Track this file, or this directory with all below it (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) track: Vec<String>,
    /// Track this path no more (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) untrack: Vec<String>,
    /// Track none but those of --track
    #[arg(long, conflicts_with = "untrack")]
    pub(crate) untrack_all: bool,
    /// Deploy tracked files as they are now, even if the same ones are tracked
    #[arg(long)]
    pub(crate) force_sync: bool,
    /// Exit with 77 if nothing changes
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
}

impl Verb for InitramfsEtc {
    const NAME: &'static str = "initramfs-etc";
    const ABOUT: &'static str =
        "Show which files of /etc go along with the initramfs, or change that";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "initramfs-etc --track=/etc/crypttab",
            says: "load /etc/crypttab after the initramfs from the next boot on; each new deployment takes it as it is then",
        },
        Example {
            call: "initramfs-etc --force-sync",
            says: "deploy once more, after a tracked file was changed",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.show_progress(&self.host.progress)?;
        let stateroot = system::stateroot(self.host.stateroot.as_deref())?;
        let change = Change {
            track: self.track.clone(),
            untrack: self.untrack.clone(),
            untrack_all: self.untrack_all,
        };
        if change == Change::default() && !self.force_sync {
            let sysroot = system::open(&self.host.sysroot)?;
            let next = system::next_of(&sysroot, stateroot.as_ref())?;
            let origin = next.origin.unwrap_or_default();
            for path in origin.initramfs_etc()? {
                context.printer.line(path)?;
            }
            return Ok(Exit::Done);
        }
        let mut lock = system::lock(context, &self.host.sysroot)?;
        let next = system::next_of(&lock, stateroot.as_ref())?;
        let mut origin = next.origin.clone().unwrap_or_default();
        let changed = initramfs_etc::change(&mut origin, &change)?;
        let tracked = !origin.initramfs_etc()?.is_empty();
        if !(changed || self.force_sync && tracked) {
            context.printer.line("No changes.")?;
            return Ok(match self.unchanged_exit_77 {
                true => Exit::NothingToDo,
                false => Exit::Done,
            });
        }
        require_initramfs(&next, tracked)?;
        let options = DeployOptions {
            stateroot: Some(next.id.stateroot.clone()),
            origin: Some(origin),
            merge: MergeFrom::Next,
            ..DeployOptions::default()
        };
        let lock_finalization = self.host.lock_finalization;
        system::deploy(
            context,
            &mut lock,
            next.id.commit,
            &options,
            lock_finalization,
        )
        .context("deploying with other files in the initramfs")?;
        reboot::after_change(context, &lock, self.host.reboot)?;
        Ok(Exit::Done)
    }
}

/// Refuses what no boot loader would load: a published deployment says whether it has an initramfs.
fn require_initramfs(next: &Deployment, tracked: bool) -> anyhow::Result<()> {
    let without = next.staged.is_none() && next.entry.initrds.is_empty();
    if without && tracked {
        return Err(hinted(
            format!("deployment `{}` boots without an initramfs", next.id),
            "its kernel reads /etc when the root file system is mounted; nothing needs to be tracked",
        ));
    }
    Ok(())
}
