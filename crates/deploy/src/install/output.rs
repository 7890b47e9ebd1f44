//! Where a disk is written to: an image that appears whole, or a device whose partition table is written last.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use ostler_fs::lock::{FileLock, LockError, LockMode, Timeout};
use ostler_fs::{Dir, FsError, disk, unique_name};

const PARTIAL: &str = ".partial";
const PARTS: &str = ".partial.d";
/// Where the parts of a device are made.
const DEVICE_PARTS: &str = "/var/tmp";
/// So much of a device must be zeros at either end for it to count as empty.
const PROBED_BYTES: u64 = 1 << 20;

/// A disk can't be written to.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// Another process makes the same image.
    #[error("another process writes `{}`: {cause}", path.display())]
    Busy {
        /// The image.
        path: PathBuf,
        /// Who has the lock.
        cause: LockError,
    },
    /// There is something.
    #[error("`{}` is not empty", path.display())]
    NotEmpty {
        /// The image or device.
        path: PathBuf,
    },
    /// Neither file nor device.
    #[error("`{}` is neither a file nor a block device", path.display())]
    Kind {
        /// What was named.
        path: PathBuf,
    },
    /// It has no name of its own.
    #[error("`{}` is no name for an image", path.display())]
    NoName {
        /// What was named.
        path: PathBuf,
    },
    /// A size for something that has one.
    #[error("`{}` is a device of {bytes} bytes: its size can't be chosen", path.display())]
    FixedSize {
        /// The device.
        path: PathBuf,
        /// What it has.
        bytes: u64,
    },
}

/// Whether what is there may be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wipe {
    /// Only an empty file or device is written to.
    #[default]
    Refuse,
    /// All that is there is lost.
    Everything,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file, there or not yet.
    Image,
    /// A block device of so many bytes.
    Device { bytes: u64 },
}

impl Target {
    /// Looks at a path, and changes nothing.
    pub(super) fn of(path: &Path, wipe: Wipe) -> Result<Self, OutputError> {
        let not_empty = || OutputError::NotEmpty {
            path: path.to_owned(),
        };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Image),
            Err(error) => return Err(FsError::new("stat", path, error).into()),
        };
        if metadata.file_type().is_block_device() {
            let device = disk::open_device(path)?;
            let bytes = disk::size(&device)?;
            let probed = PROBED_BYTES.min(bytes);
            let is_empty = disk::is_zero(&device, 0..probed)?
                && disk::is_zero(&device, bytes - probed..bytes)?;
            return match is_empty || wipe == Wipe::Everything {
                true => Ok(Self::Device { bytes }),
                false => Err(not_empty()),
            };
        }
        match metadata.is_file() {
            false => Err(OutputError::Kind {
                path: path.to_owned(),
            }),
            true if metadata.len() > 0 && wipe == Wipe::Refuse => Err(not_empty()),
            true => Ok(Self::Image),
        }
    }
}

/// A disk that is being written.
#[derive(Debug)]
pub(super) struct Output {
    kind: Kind,
    /// The directory for what the disk is made of, and where that is.
    parts: Dir,
    parts_in: (Dir, String),
    finished: bool,
}

#[derive(Debug)]
enum Kind {
    Image { lock: FileLock, name: String },
    Device(File),
}

impl Output {
    /// Begins: what earlier, interrupted runs left is removed.
    pub(super) fn begin(path: &Path, target: &Target, bytes: u64) -> Result<Self, OutputError> {
        match target {
            Target::Image => Self::begin_image(path, bytes),
            Target::Device { .. } => {
                let device = disk::open_device(path)?;
                let parent = Dir::open_ambient(DEVICE_PARTS)?;
                let name = unique_name(&parent, |name| match parent.create_dir(name, 0o700) {
                    Ok(()) => Ok(true),
                    Err(error) if error.is_already_exists() => Ok(false),
                    Err(error) => Err(error),
                })?;
                Ok(Self {
                    kind: Kind::Device(device),
                    parts: parent.open_dir(name.as_str())?,
                    parts_in: (parent, name),
                    finished: false,
                })
            }
        }
    }

    fn begin_image(path: &Path, bytes: u64) -> Result<Self, OutputError> {
        let no_name = || OutputError::NoName {
            path: path.to_owned(),
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(no_name)?.to_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => Dir::open_ambient(parent)?,
            _ => Dir::open_ambient(".")?,
        };
        let partial = format!("{name}{PARTIAL}");
        let file = parent.open_or_create_file(partial.as_str(), 0o600)?;
        let lock = FileLock::acquire(file, LockMode::Exclusive, Timeout::Now).map_err(|cause| {
            OutputError::Busy {
                path: path.to_owned(),
                cause,
            }
        })?;
        let failed = |error| FsError::new("enlarge", path.with_file_name(&partial), error);
        lock.file().set_len(0).map_err(failed)?;
        lock.file().set_len(bytes).map_err(failed)?;
        let parts = format!("{name}{PARTS}");
        parent.remove_all_immutable(parts.as_str())?;
        parent.create_dir(parts.as_str(), 0o700)?;
        Ok(Self {
            kind: Kind::Image { lock, name },
            parts: parent.open_dir(parts.as_str())?,
            parts_in: (parent, parts),
            finished: false,
        })
    }

    /// The directory for what the disk is made of.
    pub(super) fn parts(&self) -> &Dir {
        &self.parts
    }

    /// The disk; nobody takes it for one yet.
    pub(super) fn file(&self) -> &File {
        match &self.kind {
            Kind::Image { lock, .. } => lock.file(),
            Kind::Device(file) => file,
        }
    }

    /// Makes a range read as zeros, where it does not yet.
    pub(super) fn clear(&self, range: std::ops::Range<u64>) -> Result<(), FsError> {
        match &self.kind {
            Kind::Image { .. } => Ok(()),
            Kind::Device(device) => disk::zero(device, range),
        }
    }

    /// Gives the image its name; returns once it is durable.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        ostler_fs::file::sync(self.file())?;
        if let Kind::Image { name, .. } = &self.kind {
            let dir = &self.parts_in.0;
            let partial = format!("{name}{PARTIAL}");
            ostler_fs::file::set_mode(self.file(), 0o644)?;
            dir.rename(partial.as_str(), dir, name.as_str())?;
            dir.sync()?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let (dir, parts) = &self.parts_in;
        // What stays is removed by the next run.
        let _ = dir.remove_all_immutable(parts.as_str());
        if let (Kind::Image { name, .. }, false) = (&self.kind, self.finished) {
            let _ = dir.unlink_optional(format!("{name}{PARTIAL}").as_str());
        }
    }
}
