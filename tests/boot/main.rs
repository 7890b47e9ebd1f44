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
mod install;
mod machine;
mod power_cut;
mod tiny;
mod trial;

use std::path::Path;
use std::process::Command;

use ostler_tests::Program;

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

/// Runs the program on a disk's system root; deployments are immutable, as they are on a real one.
#[track_caller]
fn ostler(arguments: &[&str]) -> String {
    let mut command = Program::ostler().command(arguments);
    run(command.env_remove("OSTREE_SYSROOT_DEBUG"))
}

/// Copies the program without what debuggers read, which makes it a tenth as large.
fn copy_program(to: &Path) {
    let mut strip = Command::new("strip");
    run(strip.arg("-o").arg(to).arg(Program::ostler().path()));
}
