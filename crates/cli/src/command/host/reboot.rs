//! What follows a change of the next boot.

use std::process::Command;

use anyhow::Context as _;
use ostler_deploy::SysrootLock;
use ostler_deploy::kexec;
use ostler_deploy::layout::DeploymentId;

use crate::context::Context;

/// Reboots if it was asked for; else, on the running system, says that a reboot is what is left to do.
pub(crate) fn after_change(
    context: &Context,
    lock: &SysrootLock,
    reboot: bool,
) -> anyhow::Result<()> {
    if lock.booted().is_none() {
        return Ok(());
    }
    if !reboot {
        context
            .printer
            .note("Run \"systemctl reboot\" to start a reboot");
        return Ok(());
    }
    systemctl(&["reboot"])
}

/// Which restart follows a new deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// None.
    No,
    /// By firmware and boot loader.
    Reboot,
    /// Straight into its kernel.
    Kexec,
}

impl Restart {
    /// What the options of a verb ask for.
    pub(crate) fn asked(reboot: bool, kexec: bool) -> Self {
        match (reboot, kexec) {
            (_, true) => Self::Kexec,
            (true, false) => Self::Reboot,
            (false, false) => Self::No,
        }
    }
}

/// As [`after_change`], for a deployment that was made.
pub(crate) fn after_deployment(
    context: &Context,
    lock: &SysrootLock,
    made: &DeploymentId,
    restart: Restart,
) -> anyhow::Result<()> {
    if restart != Restart::Kexec || lock.booted().is_none() {
        return after_change(context, lock, restart != Restart::No);
    }
    kexec::load(lock, made).context("loading the kernel of the new deployment")?;
    systemctl(&["kexec"])
}

/// Runs `systemctl` to its end.
///
/// # Errors
/// It cannot be run, or failed.
pub(crate) fn systemctl(words: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("systemctl")
        .args(words)
        .status()
        .context("running systemctl")?;
    let shown = words.join(" ");
    anyhow::ensure!(status.success(), "`systemctl {shown}` failed: {status}");
    Ok(())
}
