//! What follows a change of the next boot.

use std::process::Command;

use anyhow::Context as _;
use ostler_deploy::SysrootLock;

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
    let status = Command::new("systemctl")
        .arg("reboot")
        .status()
        .context("running systemctl")?;
    anyhow::ensure!(status.success(), "`systemctl reboot` failed: {status}");
    Ok(())
}
