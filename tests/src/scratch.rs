//! Folders for one test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{XattrFlags, removexattr, setxattr};
use tempfile::TempDir;

/// A folder that goes away with this value, on a file system that keeps user xattrs, which `/tmp` often does not.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a folder below `$OSTLER_TEST_DIR`, or `/var/tmp`.
    ///
    /// # Panics
    /// If the file system refuses user xattrs.
    pub fn new() -> Self {
        let parent =
            env::var_os("OSTLER_TEST_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        let folder = tempfile::Builder::new()
            .prefix("ostler-test-")
            .tempdir_in(&parent)
            .unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
        let probe = setxattr(folder.path(), "user.ostler.probe", b"", XattrFlags::empty());
        assert!(
            probe.is_ok(),
            "{} has no user xattrs; set OSTLER_TEST_DIR to a folder on ext4, xfs or btrfs",
            parent.display()
        );
        removexattr(folder.path(), "user.ostler.probe").unwrap();
        Self { folder }
    }

    /// Makes a folder in memory if the kernel keeps user xattrs there, or else as [`Scratch::new`] does.
    ///
    /// For suites that run a program hundreds of times and do not measure what a disk costs.
    pub fn in_memory() -> Self {
        let made = tempfile::Builder::new()
            .prefix("ostler-test-")
            .tempdir_in("/dev/shm");
        let probe = |folder: &TempDir| {
            setxattr(folder.path(), "user.ostler.probe", b"", XattrFlags::empty()).is_ok()
                && removexattr(folder.path(), "user.ostler.probe").is_ok()
        };
        match made {
            Ok(folder) if probe(&folder) => Self { folder },
            _ => Self::new(),
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns `name` in the folder.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Deployments are immutable, and a failed test may have left one.
        if std::fs::remove_dir_all(self.folder.path()).is_err() {
            let _ = Command::new("chattr")
                .args(["-R", "-f", "-i"])
                .arg(self.folder.path())
                .status();
        }
    }
}
