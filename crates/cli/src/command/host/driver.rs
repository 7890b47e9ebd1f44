//! Who drives updates: registered once a boot, and asked about before a person upgrades.

use std::process::Command;

use anyhow::Context as _;
use ostler_deploy::SysrootLock;
use ostler_deploy::update_driver::{self, UpdateDriver};

use crate::context::Context;
use crate::report::hinted;

/// Registers the unit that this process runs in.
pub(crate) fn register(lock: &SysrootLock, name: &str) -> anyhow::Result<()> {
    let cgroup =
        std::fs::read_to_string("/proc/self/cgroup").context("reading /proc/self/cgroup")?;
    let unit = update_driver::unit_of(&cgroup).ok_or_else(|| {
        hinted(
            "this process runs in no systemd unit, by which a driver is known".to_owned(),
            "call it in the driver's service",
        )
    })?;
    let driver = UpdateDriver {
        name: name.to_owned(),
        unit,
    };
    Ok(driver.register(lock)?)
}

/// Refuses a change behind the back of a driver that runs; one that does not is told of, and no more.
pub(crate) fn require_none(context: &Context, lock: &SysrootLock) -> anyhow::Result<()> {
    if lock.booted().is_none() {
        return Ok(());
    }
    let Some(driver) = UpdateDriver::read(lock.host())? else {
        return Ok(());
    };
    let UpdateDriver { name, unit } = &driver;
    let active = Command::new("systemctl")
        .args(["is-active", "--quiet", unit])
        .status();
    if active.is_ok_and(|status| status.success()) {
        return Err(hinted(
            format!("updates are driven by `{name}` ({unit})"),
            "see its documentation; use --bypass-driver to do it all the same",
        ));
    }
    context.printer.warning(format_args!(
        "updates are driven by `{name}` ({unit}), which does not run"
    ));
    Ok(())
}
