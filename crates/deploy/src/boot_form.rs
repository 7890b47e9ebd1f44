//! How `/boot` holds two boot orders at once: by links, or, on FAT, in one directory and with one byte that tells them apart.
//!
//! ```text
//! linked: /boot/loader -> loader.<B>      /boot/loader.<B>/entries/ostree-<N>.conf
//! flat:   /boot/loader/loader.conf        /boot/loader/entries/ostree-b<B>-<N>.conf      ostler_bootloader::systemd_boot
//! ```
//! FAT keeps no promise about the order of writes between two syncs, so nothing flat ever counts on one:
//! - What is new gets its own name at once, never another one first: a rename that is half on disk leaves two names for the same clusters,
//!   and whoever removes the one spoils the other. What a crash leaves incomplete is known by its content, and written again.
//! - What is removed loses its names first, and its clusters only after those are off the disk: they are free for others only then.
//! - Between the two lies a sync of the file system each time.

use std::fs::File;
use std::io::{Read, Write};

use ostler_bootloader::{BootloaderError, Choice, ChoiceError, systemd_boot};
use ostler_format::keyfile::KeyFileError;
use ostler_format::{EntryName, KeyFile, Turn, bootlink};
use ostler_fs::{Access, Dir, FileSystemKind, FsError, Name, Trusted, copy, file};

use crate::layout;

/// Directories of device trees are not deeper.
const MAX_DEPTH: u32 = 16;
/// So many removed files are held at once.
const MAX_HELD: usize = 256;

/// A boot loader that can't be told of boot orders on this `/boot`.
#[derive(Debug, thiserror::Error)]
pub enum FlatBootError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// Its own configuration would change in another step than the entries.
    #[error(
        "/boot has no symbolic links, without which `{backend}` cannot change in one step with the boot entries"
    )]
    Unfit {
        /// The boot loader.
        backend: &'static str,
    },
    /// A setting.
    #[error("the repository's config: {0}")]
    Config(#[from] KeyFileError),
    /// The name of a boot loader in the settings.
    #[error("the repository's config: {0}")]
    Choice(#[from] ChoiceError),
    /// The boot loader's own configuration.
    #[error("{0}")]
    BootLoader(#[from] BootloaderError),
}

/// How a `/boot` holds boot orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootForm {
    /// `/boot/loader` is a link to the active one.
    Linked,
    /// `/boot/loader` is a directory for both.
    Flat,
}

impl BootForm {
    /// FAT is flat; so is a `/boot` whose `loader.conf` says which order is the default, wherever it lies.
    pub(crate) fn of(boot: &Dir) -> Result<Self, FsError> {
        let is_flat = boot.file_system_kind()? == FileSystemKind::Fat
            || systemd_boot::active(boot)?.is_some();
        Ok(if is_flat { Self::Flat } else { Self::Linked })
    }

    /// Within `/boot`: the directory of a boot order's entries.
    pub(crate) fn entries(self, version: Turn) -> String {
        match self {
            Self::Linked => layout::entries(version),
            Self::Flat => layout::FLAT_ENTRIES.to_owned(),
        }
    }

    /// Whether a file in that directory is an entry of the order.
    pub(crate) fn is_entry(self, name: &str, version: Turn) -> bool {
        match self {
            Self::Linked => name.starts_with("ostree-") && name.ends_with(".conf"),
            Self::Flat => {
                let parsed = EntryName::parse(name);
                parsed.and_then(|name| name.boot_version) == Some(version)
            }
        }
    }

    /// What names of entries say of the order that they are of.
    pub(crate) fn version_in_names(self, version: Turn) -> Option<Turn> {
        match self {
            Self::Linked => None,
            Self::Flat => Some(version),
        }
    }

    /// Makes an empty place for the entries of an order that is not active.
    pub(crate) fn start_entries(self, boot: &Dir, version: Turn) -> Result<Dir, FsError> {
        self.remove_entries(boot, version)?;
        boot.create_dir_all(Trusted(&self.entries(version)), 0o755)
    }

    /// Removes the entries of an order that is not active.
    pub(crate) fn remove_entries(self, boot: &Dir, version: Turn) -> Result<(), FsError> {
        if self == Self::Linked {
            return boot.remove_all(bootlink::loader_dir(version)).map(|_| ());
        }
        let Some(dir) = boot.open_dir_beneath_optional(Trusted(layout::FLAT_ENTRIES))? else {
            return Ok(());
        };
        let mut removal = Removal::default();
        for entry in dir.entries()?.iter() {
            if entry
                .str_name()
                .is_some_and(|name| self.is_entry(name, version))
            {
                removal.take(&dir, entry.name(), 0)?;
            }
        }
        removal.finish(&dir)
    }

    /// Removes a file or directory of `/boot` whole; it may be missing.
    pub(crate) fn remove(self, parent: &Dir, name: impl Name) -> Result<(), FsError> {
        if self == Self::Linked {
            return parent.remove_all(name).map(|_| ());
        }
        let mut removal = Removal::default();
        removal.take(parent, name.as_name_bytes(), 0)?;
        removal.finish(parent)
    }

    /// Writes a small file in place of what has its name, synced; on a flat `/boot` in two steps, with none of it between them.
    pub(crate) fn replace(self, dir: &Dir, name: &str, text: &[u8]) -> Result<(), FsError> {
        match self {
            Self::Linked => dir.write_atomic(name, text, 0o644, ostler_fs::Durability::Synced),
            Self::Flat => {
                self.remove(dir, name)?;
                let new = write_new(dir, name, text)?;
                file::sync(&new)?;
                dir.sync()
            }
        }
    }
}

/// Writes a file under its own name; a sync of the file system must follow.
pub(crate) fn write_new(dir: &Dir, name: &str, text: &[u8]) -> Result<File, FsError> {
    let mut new = dir.create_file(name, 0o644)?;
    new.write_all(text)
        .map_err(|error| FsError::new("write", dir.shown_path().join(name), error))?;
    Ok(new)
}

/// Copies a file, unless what has its name is the same; what a crash left of it is not.
pub(crate) fn copy_into(from: &File, dir: &Dir, name: &str) -> Result<(), FsError> {
    let failed = |error| FsError::new("copy to", dir.shown_path().join(name), error);
    if let Some(metadata) = dir.metadata_optional(name)? {
        let present = match metadata.is_file() {
            true => dir.open_file_optional(name, Access::Read)?,
            false => None,
        };
        if let Some(present) = present
            && metadata.size == file::metadata(from)?.size
            && equal(from, &present).map_err(failed)?
        {
            return Ok(());
        }
        BootForm::Flat.remove(dir, name)?;
    }
    let new = dir.create_file(name, 0o644)?;
    std::io::Seek::rewind(&mut &*from).map_err(failed)?;
    copy::copy_contents(from, &new)?;
    file::sync(&new)
}

fn equal(mut a: &File, mut b: &File) -> std::io::Result<bool> {
    let mut buffers = [vec![0; copy::CHUNK_BYTES], vec![0; copy::CHUNK_BYTES]];
    loop {
        let length = a.read(&mut buffers[0])?;
        if length == 0 {
            return Ok(b.read(&mut buffers[1])? == 0);
        }
        match b.read_exact(&mut buffers[1][..length]) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if buffers[0][..length] != buffers[1][..length] {
            return Ok(false);
        }
    }
}

/// Refuses a boot loader that a flat `/boot` can't serve.
pub(crate) fn require_fit(boot: &Dir, config: &KeyFile) -> Result<(), FlatBootError> {
    if BootForm::of(boot)? == BootForm::Linked {
        return Ok(());
    }
    let choice = match config.string("sysroot", "bootloader")? {
        Some(text) => text.parse::<Choice>()?,
        None => Choice::Auto,
    };
    match ostler_bootloader::select(choice, boot)?.name() {
        "none" => Ok(()),
        backend => Err(FlatBootError::Unfit { backend }),
    }
}

/// What has lost its names, and keeps its clusters until it is dropped.
#[derive(Default)]
struct Removal {
    files: Vec<File>,
    dirs: Vec<Dir>,
}

impl Removal {
    fn take(&mut self, parent: &Dir, name: &[u8], depth: u32) -> Result<(), FsError> {
        let Some(metadata) = parent.metadata_optional(name)? else {
            return Ok(());
        };
        if metadata.is_dir() && depth < MAX_DEPTH {
            let dir = parent.open_dir(name)?;
            for entry in dir.entries()?.iter() {
                self.take(&dir, entry.name(), depth + 1)?;
            }
            parent.remove_dir(name)?;
            self.dirs.push(dir);
        } else {
            if metadata.is_file() {
                self.files.push(parent.open_file(name, Access::Read)?);
            }
            parent.unlink(name)?;
        }
        if self.files.len() + self.dirs.len() > MAX_HELD {
            std::mem::take(self).finish(parent)?;
        }
        Ok(())
    }

    fn finish(self, somewhere: &Dir) -> Result<(), FsError> {
        if self.files.is_empty() && self.dirs.is_empty() {
            return Ok(());
        }
        somewhere.sync_file_system()?;
        drop(self);
        somewhere.sync_file_system()
    }
}
