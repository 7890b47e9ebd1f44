//! Disk images.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::Scratch;

use crate::run;

/// A raw image that is one ext4, with fs-verity, without partitions.
pub(crate) struct Disk {
    scratch: Scratch,
}

impl Disk {
    pub(crate) fn new(size_mib: u64) -> Self {
        let scratch = Scratch::new();
        let disk = Self { scratch };
        let image = fs::File::create(disk.image()).unwrap();
        image.set_len(size_mib << 20).unwrap();
        let mut mkfs = Command::new("/sbin/mkfs.ext4");
        run(mkfs
            .args(["-q", "-b4096", "-O", "verity", "-L", "root"])
            .arg(disk.image()));
        disk
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.scratch.join("image")
    }

    /// A folder that goes away with the disk.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Mounts the file system until what is returned is dropped.
    pub(crate) fn mount(&self) -> Mounted {
        let at = self.scratch.join("at");
        fs::create_dir_all(&at).unwrap();
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(self.image())
            .arg(&at));
        Mounted { at }
    }

    /// Copies a file of the mounted file system, also one that is sealed, which a kernel without fs-verity does not open.
    pub(crate) fn copy_out(&self, mounted: &Mounted, path: &str, to: &Path) {
        match fs::copy(mounted.path().join(path), to) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let request = format!("dump \"/{path}\" \"{}\"", to.display());
                run(Command::new("/sbin/debugfs")
                    .args(["-R", &request])
                    .arg(self.image()));
            }
            result => {
                result.unwrap();
            }
        }
    }
}

/// A mounted disk.
pub(crate) struct Mounted {
    at: PathBuf,
}

impl Mounted {
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(&self.at).status().unwrap();
        assert!(status.success() || std::thread::panicking());
    }
}
