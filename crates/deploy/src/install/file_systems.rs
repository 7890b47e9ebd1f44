//! File systems as image files: made of a directory without any device where that keeps everything, else mounted while they are filled.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use ostler_fs::loop_device::{self, LoopDevice};
use ostler_fs::{Access, Dir, Durability, FsError, mount};

use super::partitions::{FileSystem, Role};
use super::programs::{self, ProgramError};

/// A file system could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FileSystemError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The program that makes it.
    #[error("{0}")]
    Program(#[from] ProgramError),
    /// A directory of the image is not as the program should have made it.
    #[error("`{path}` in the image has the flags {found}, so that it can't be made immutable")]
    Flags {
        /// The directory.
        path: String,
        /// What it has, as `debugfs` tells it.
        found: String,
    },
}

/// How a file system is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Its maker takes a directory, and keeps owners, extended attributes and hard links; no loop device is needed.
    FromDirectory,
    /// It is mounted from a loop device, in a mount namespace of this process's own.
    Mounted,
}

impl Filled {
    /// The makers of XFS know no hard links, and that of Btrfs counts those wrong that lead out of the directory.
    #[must_use]
    pub fn of(kind: FileSystem) -> Self {
        match kind {
            FileSystem::Ext4 => Self::FromDirectory,
            FileSystem::Xfs | FileSystem::Btrfs => Self::Mounted,
        }
    }
}

/// A file that becomes a file system.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    file: File,
}

impl Image {
    /// Makes a file of zeros.
    pub(super) fn new(dir: &Dir, name: &str, bytes: u64) -> Result<Self, FsError> {
        let path = dir.shown_path().join(name);
        let file = dir.create_file(name, 0o600)?;
        file.set_len(bytes)
            .map_err(|error| FsError::new("enlarge", &path, error))?;
        drop(file);
        let file = dir.open_file(name, Access::ReadWrite)?;
        Ok(Self { path, file })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Makes an empty file system, or one with the content of a directory.
    pub(super) fn make(
        &self,
        kind: FileSystem,
        role: Role,
        uuid: &str,
        content: Option<&Path>,
    ) -> Result<(), ProgramError> {
        let label = role.label();
        let (name, mut arguments): (_, Vec<OsString>) = match kind {
            FileSystem::Ext4 => (
                "mkfs.ext4",
                // No feature that keeps GRUB 2.06 from reading it.
                words(&[
                    "-q",
                    "-F",
                    "-b",
                    "4096",
                    "-O",
                    "verity,^metadata_csum_seed",
                    "-L",
                    label,
                    "-U",
                    uuid,
                ]),
            ),
            FileSystem::Xfs => ("mkfs.xfs", words(&["-q", "-L", label, "-m"])),
            FileSystem::Btrfs => ("mkfs.btrfs", words(&["-q", "-L", label, "-U", uuid])),
        };
        if kind == FileSystem::Xfs {
            arguments.push(format!("uuid={uuid}").into());
        }
        if let Some(content) = content {
            arguments.extend([OsString::from("-d"), content.into()]);
        }
        arguments.push(self.path.clone().into());
        programs::run(name, arguments).map(|_| ())
    }

    /// Makes a FAT with the content of a directory.
    pub(super) fn make_fat(
        &self,
        role: Role,
        id: &str,
        content: &Path,
    ) -> Result<(), FileSystemError> {
        let mut arguments = words(&["-F", "32", "-n", role.label(), "-i", id]);
        arguments.push(self.path.clone().into());
        programs::run("mkfs.vfat", arguments)?;
        let mut names = Vec::new();
        for entry in Dir::open_ambient(content)?.entries()?.iter() {
            names.push(content.join(entry.os_name()).into_os_string());
        }
        if names.is_empty() {
            return Ok(());
        }
        let mut arguments = words(&["-s", "-Q", "-i"]);
        arguments.push(self.path.clone().into());
        arguments.extend(names);
        arguments.push("::/".into());
        programs::run("mcopy", arguments)?;
        Ok(())
    }

    /// Makes a directory of an ext4 immutable, as it is on a system that runs.
    pub(super) fn set_immutable(&self, scratch: &Dir, path: &str) -> Result<(), FileSystemError> {
        /// `EXT4_EXTENTS_FL`, all that `mkfs.ext4 -d` gives a directory.
        const FOUND: &str = "0x80000";
        /// With `EXT4_IMMUTABLE_FL`.
        const WANTED: &str = "0x80010";
        let image = self.path.as_os_str();
        let stat = programs::run(
            "debugfs",
            ["-R".as_ref(), format!("stat /{path}").as_ref(), image],
        )?;
        let flags = stat.split_once("Flags: ").map_or("", |(_, rest)| rest);
        let found = flags.split_whitespace().next().unwrap_or("none");
        if found != FOUND {
            return Err(FileSystemError::Flags {
                path: path.to_owned(),
                found: found.to_owned(),
            });
        }
        let commands = format!("set_inode_field /{path} flags {WANTED}\n");
        scratch.write_atomic("debugfs-commands", commands, 0o600, Durability::Cached)?;
        let file = scratch.shown_path().join("debugfs-commands");
        programs::run(
            "debugfs",
            ["-w".as_ref(), "-f".as_ref(), file.as_os_str(), image],
        )?;
        Ok(())
    }

    /// Mounts it on a directory, until what is returned is dropped.
    pub(super) fn mount(&self, fs_type: &str, at: &Path) -> Result<Mounted, FsError> {
        let device = loop_device::attach_writable(&self.file)?;
        mount::mount(fs_type, device.path(), at, "")?;
        Ok(Mounted {
            at: at.to_owned(),
            _device: device,
        })
    }
}

/// A mounted file system.
#[derive(Debug)]
pub(super) struct Mounted {
    at: PathBuf,
    /// Dropped after the mount is gone.
    _device: LoopDevice,
}

impl Mounted {
    /// Writes everything into the image and unmounts.
    pub(super) fn finish(self) -> Result<(), FsError> {
        Dir::open_ambient(&self.at)?.sync_file_system()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The namespace ends with the process, and all that is mounted in it.
        let _ = mount::unmount(&self.at);
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
