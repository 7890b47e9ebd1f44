//! Machines: QEMU, by software emulation, boots Debian's kernel from disks with deployments of the program's own.
//!
//! The kernel is that of the Debian tree that the other suites work on. Most cases boot a tiny tree, in seconds: busybox, the program, and a first
//! program that runs what the case asks for and turns the machine off.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

mod debian;
mod disk;
mod first_root;
mod initramfs;
mod machine;
mod power_cut;
mod tiny;

use std::process::Command;

/// Runs a command to the end; it must succeed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}
