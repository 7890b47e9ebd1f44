//! What the checks of a deployment have said in its last boot, kept beside its origin: `status` tells of it, also when another one runs.

use ostler_fs::{Durability, FsError, Trusted};
use serde::{Deserialize, Serialize};

use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::sysroot::Sysroot;

/// The most that is read of a report.
const MAX_BYTES: u64 = 4 << 20;

/// A check that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The program, or what was looked at.
    pub name: String,
    /// Whether the deployment is bad without it.
    pub required: bool,
    /// Whether it passed.
    pub passed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The last that it said.
    pub output: String,
    /// How long it took.
    pub seconds: u64,
}

impl Checked {
    /// What failed and why, in a line, and then the last that it said.
    #[must_use]
    pub fn complaint(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("it passed");
        let text = format!("{}: {reason}\n{}", self.name, self.output);
        text.trim_end().to_owned()
    }
}

/// All checks of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In the order in which they were made.
    pub checks: Vec<Checked>,
}

impl Report {
    /// The first check that was required and failed; `None` if the system works.
    #[must_use]
    pub fn failure(&self) -> Option<&Checked> {
        let mut checks = self.checks.iter();
        checks.find(|check| check.required && !check.passed)
    }

    /// The checks that failed, required or not.
    pub fn failures(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|check| !check.passed)
    }
}

/// Keeps the report of the running deployment.
///
/// # Errors
/// [`FsError`].
pub fn write(lock: &SysrootLock, report: &Report) -> Result<(), FsError> {
    let Some(booted) = lock.booted() else {
        return Ok(());
    };
    let mut text = serde_json::to_vec_pretty(report).expect("a report has text keys alone");
    text.push(b'\n');
    let path = booted.id.health_report_path();
    lock.ostree
        .write_atomic(Trusted(path), text, 0o644, Durability::Cached)
}

/// Reads the report of a deployment; `None` if there is none, or it cannot be read: it is there for people, and for nothing else.
#[must_use]
pub fn read(sysroot: &Sysroot, id: &DeploymentId) -> Option<Report> {
    let path = id.health_report_path();
    let text = sysroot.ostree.read_optional(Trusted(path), MAX_BYTES);
    serde_json::from_slice(&text.ok()??).ok()
}
