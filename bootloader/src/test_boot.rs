//! A `/boot` in a temporary directory, for the tests of all backends.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ostler_format::{BootEntry, Turn};
use ostler_fs::Dir;

use crate::backend::{Backend, BootloaderError, NextBoot, Written};

pub(crate) struct TestBoot {
    temp: tempfile::TempDir,
    pub(crate) booted: bool,
    pub(crate) grub_mkconfig: Option<PathBuf>,
}

pub(crate) fn entry(text: &str) -> BootEntry {
    BootEntry::parse(text.as_bytes()).unwrap()
}

impl TestBoot {
    pub(crate) fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
            booted: false,
            grub_mkconfig: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.temp.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn dir(&self) -> Dir {
        Dir::open_ambient(self.temp.path()).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn symlink(&self, target: &str, name: &str) {
        symlink(target, self.path(name)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.temp.path().join(name).symlink_metadata().is_ok()
    }

    /// Writes boot version 1 by a backend; `tree` is the default deployment's root.
    pub(crate) fn write_with(
        &self,
        backend: &dyn Backend,
        entries: &[BootEntry],
    ) -> Result<Written, BootloaderError> {
        let boot = self.dir();
        let tree = boot.open_dir_optional("tree").unwrap();
        backend.write(&NextBoot {
            boot: &boot,
            boot_path: self.temp.path(),
            boot_version: Turn::One,
            entries,
            default_tree: tree.as_ref(),
            booted: self.booted,
            grub_mkconfig: self.grub_mkconfig.clone(),
        })
    }
}
