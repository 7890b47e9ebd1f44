//! The smallest tree that can be deployed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The version of the kernel in [`write()`]'s trees.
pub const KERNEL_VERSION: &str = "6.1.0-test";

/// What differs between two trees of [`write()`].
#[derive(Clone, Copy, Debug)]
pub struct Os<'a> {
    /// In its os-release, its program and its default configuration.
    pub version: &'a str,
    /// The content of its kernel and initramfs.
    pub kernel: &'a str,
}

/// Writes an OS tree with a kernel, an `/etc` to merge and what a sysroot needs around them.
///
/// In `/usr/etc`, `default` changes with the version; `edited`, `removed` and `nested/constant` do not.
pub fn write(path: &Path, os: Os<'_>) {
    let Os { version, kernel } = os;
    let modules = format!("usr/lib/modules/{KERNEL_VERSION}");
    for folder in [
        "usr/bin",
        "usr/etc/nested",
        &modules,
        "sysroot",
        "boot",
        "dev",
        // Where a test shows the libraries of its own program.
        "lib",
        "lib64",
        "proc",
        "sys",
        "run",
        "var",
        "tmp",
    ] {
        fs::create_dir_all(path.join(folder)).unwrap();
    }
    symlink("sysroot/ostree", path.join("ostree")).unwrap();
    let release =
        format!("NAME=Test\nID=test\nVERSION_ID={version}\nPRETTY_NAME=\"Test OS {version}\"\n");
    let files = [
        ("usr/bin/program", format!("program {version}")),
        ("usr/etc/default", format!("default {version}")),
        ("usr/etc/nested/constant", "constant".to_owned()),
        ("usr/etc/edited", "as delivered".to_owned()),
        ("usr/etc/removed", "as delivered".to_owned()),
        ("usr/lib/os-release", release),
        (&format!("{modules}/vmlinuz"), format!("kernel {kernel}")),
        (
            &format!("{modules}/initramfs.img"),
            format!("initramfs {kernel}"),
        ),
    ];
    for (name, content) in files {
        fs::write(path.join(name), content).unwrap();
    }
    symlink("../usr/lib/os-release", path.join("usr/etc/os-release")).unwrap();
}
