//! Opening: directories and files, by name, beneath, and as in a chroot.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Dir, mode_bits};
use crate::error::{Context, FsError, Result, optional};
use crate::metadata::{FileType, Metadata};
use crate::name::{self, Name};

pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
// O_NONBLOCK: a FIFO in a hostile tree must not hang the open. It means nothing for a regular file.
const FILE: OFlags = OFlags::CLOEXEC
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// What an opened file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing, from the start and without truncation.
    Write,
    /// Both.
    ReadWrite,
    /// Writing at the end.
    Append,
}

impl Access {
    fn flags(self) -> OFlags {
        match self {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::WRONLY,
            Access::ReadWrite => OFlags::RDWR,
            Access::Append => OFlags::WRONLY.union(OFlags::APPEND),
        }
    }
}

impl Dir {
    /// Opens a directory by a path as the process sees it, following symlinks: for paths that a person gave or the system defines.
    pub fn open_ambient(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())
            .map(Dir)
            .context("open directory", path)
    }

    /// As [`Dir::open_ambient`]; `None` if nothing is there.
    pub fn open_ambient_optional(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let opened = optional(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()));
        Ok(opened.context("open directory", path)?.map(Dir))
    }

    /// Opens a subdirectory; a symlink is refused.
    pub fn open_dir(&self, name: impl Name) -> Result<Dir> {
        self.at("open directory", name, open_dir_at).map(Dir)
    }

    /// As [`Dir::open_dir`]; `None` if nothing is there.
    pub fn open_dir_optional(&self, name: impl Name) -> Result<Option<Dir>> {
        let opened = self.at("open directory", name, |dir, name| {
            optional(open_dir_at(dir, name))
        })?;
        Ok(opened.map(Dir))
    }

    /// Opens a directory by a relative path that neither leaves this one nor passes a symlink; `.` is this directory.
    pub fn open_dir_beneath(&self, path: impl Name) -> Result<Dir> {
        self.at_path("open directory", path, |dir, path| {
            confined(dir, path, DIRECTORY, BENEATH)
        })
        .map(Dir)
    }

    /// As [`Dir::open_dir_beneath`]; `None` if nothing is there.
    pub fn open_dir_beneath_optional(&self, path: impl Name) -> Result<Option<Dir>> {
        let opened = self.at_path("open directory", path, |dir, path| {
            optional(confined(dir, path, DIRECTORY, BENEATH))
        })?;
        Ok(opened.map(Dir))
    }

    /// Opens a directory as a process whose root is this directory would: absolute paths, `..` and symlinks stay inside.
    pub fn open_dir_in_root(&self, path: impl Name) -> Result<Dir> {
        self.at_path("open directory", path, |dir, path| {
            confined(dir, path, DIRECTORY, IN_ROOT)
        })
        .map(Dir)
    }

    /// As [`Dir::open_dir_in_root`]; `None` if nothing is there.
    pub fn open_dir_in_root_optional(&self, path: impl Name) -> Result<Option<Dir>> {
        let opened = self.at_path("open directory", path, |dir, path| {
            optional(confined(dir, path, DIRECTORY, IN_ROOT))
        })?;
        Ok(opened.map(Dir))
    }

    /// Opens a file; a symlink is refused with `ELOOP`.
    ///
    /// The type is not checked, but the call never waits for the other end of a FIFO: use [`Dir::open_regular`] where content of strangers is read.
    pub fn open_file(&self, name: impl Name, access: Access) -> Result<File> {
        self.at("open", name, |dir, name| {
            rustix::fs::openat(dir, name, FILE | access.flags(), Mode::empty())
        })
        .map(File::from)
    }

    /// As [`Dir::open_file`]; `None` if nothing is there.
    pub fn open_file_optional(&self, name: impl Name, access: Access) -> Result<Option<File>> {
        let flags = FILE | access.flags();
        let opened = self.at("open", name, |dir, name| {
            optional(rustix::fs::openat(dir, name, flags, Mode::empty()))
        })?;
        Ok(opened.map(File::from))
    }

    /// Opens a regular file for reading, with its metadata; any other type is refused.
    pub fn open_regular(&self, name: impl Name) -> Result<(File, Metadata)> {
        let file = self.open_file(&name, Access::Read)?;
        self.check_regular(&name, file)
    }

    /// As [`Dir::open_regular`]; `None` if nothing is there.
    pub fn open_regular_optional(&self, name: impl Name) -> Result<Option<(File, Metadata)>> {
        let Some(file) = self.open_file_optional(&name, Access::Read)? else {
            return Ok(None);
        };
        self.check_regular(&name, file).map(Some)
    }

    /// Opens a file for reading by a relative path that neither leaves this directory nor passes a symlink.
    pub fn open_file_beneath(&self, path: impl Name) -> Result<File> {
        self.at_path("open", path, |dir, path| confined(dir, path, FILE, BENEATH))
            .map(File::from)
    }

    /// As [`Dir::open_file_beneath`]; `None` if nothing is there.
    pub fn open_file_beneath_optional(&self, path: impl Name) -> Result<Option<File>> {
        let opened = self.at_path("open", path, |dir, path| {
            optional(confined(dir, path, FILE, BENEATH))
        })?;
        Ok(opened.map(File::from))
    }

    /// Opens a regular file for reading as a process whose root is this directory would, symlinks followed inside it.
    pub fn open_in_root(&self, path: impl Name) -> Result<File> {
        let file = self.at_path("open", &path, in_root_file).map(File::from)?;
        Ok(self.check_regular(&path, file)?.0)
    }

    /// As [`Dir::open_in_root`]; `None` if nothing is there.
    pub fn open_in_root_optional(&self, path: impl Name) -> Result<Option<File>> {
        let opened = self.at_path("open", &path, |dir, path| optional(in_root_file(dir, path)))?;
        let Some(file) = opened.map(File::from) else {
            return Ok(None);
        };
        Ok(Some(self.check_regular(&path, file)?.0))
    }

    /// Creates a new file for reading and writing; anything that is there already, a symlink too, is `AlreadyExists`.
    pub fn create_file(&self, name: impl Name, mode: u32) -> Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        self.at("create", name, |dir, name| {
            rustix::fs::openat(dir, name, flags, mode_bits(mode))
        })
        .map(File::from)
    }

    /// Opens a file for reading and writing and creates it if it is missing; for lock files and logs, never truncated.
    pub fn open_or_create_file(&self, name: impl Name, mode: u32) -> Result<File> {
        let flags = FILE | OFlags::RDWR | OFlags::CREATE;
        self.at("open or create", name, |dir, name| {
            rustix::fs::openat(dir, name, flags, mode_bits(mode))
        })
        .map(File::from)
    }

    fn check_regular(&self, name: &impl Name, file: File) -> Result<(File, Metadata)> {
        let stat = rustix::fs::statx(file.as_fd(), c"", Metadata::AT_FD, Metadata::MASK);
        let refuse =
            |error: std::io::Error| FsError::new("open", self.path_of(name.as_name_bytes()), error);
        let metadata = Metadata::from(stat.map_err(|errno| refuse(errno.into()))?);
        match metadata.file_type {
            FileType::Regular => Ok((file, metadata)),
            other => Err(refuse(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("it is a {other}, not a regular file"),
            ))),
        }
    }
}

pub(crate) fn open_dir_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

fn in_root_file(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    confined(dir, path, FILE.difference(OFlags::NOFOLLOW), IN_ROOT)
}

/// `openat2`; the kernel answers `EAGAIN` when a rename anywhere raced with the resolution of `..`.
pub(crate) fn confined(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    // Bounded: a lease on the file answers `EAGAIN` as well, and for as long as it is held.
    for _ in 0..1000 {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Splits a path into its components, dropping empty ones and `.`; `None` if a `..` is among them.
pub(crate) fn components(path: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let parts = || {
        path.split(|&byte| byte == b'/')
            .filter(|part| !matches!(*part, b"" | b"."))
    };
    if parts().any(|part| !name::is_acceptable(part, false)) {
        None
    } else {
        Some(parts())
    }
}
