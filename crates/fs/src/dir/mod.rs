//! [`Dir`]: an open directory, beneath which everything else happens.
//!
//! Calls that take a [`Name`] act on one entry and never follow a symlink in its place. Calls whose name ends in `_beneath` take a path of
//! several components and refuse every symlink and every way out; those that end in `_in_root` follow symlinks as a process
//! chrooted there would. Modes given to a create call pass the umask; the `set_*` calls are exact.

mod change;
mod content;
mod entries;
mod open;
mod remove;

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::error::{FsError, Result};
use crate::name::{self, Name};

pub use change::HardLink;
pub use content::Durability;
pub use entries::{Entries, EntryRef};
pub use open::Access;
pub(crate) use open::open_dir_at;

/// A handle of an open directory.
///
/// It is a real descriptor, not an `O_PATH` one, so that it can be synced, locked and listed. It knows no path: messages ask the kernel for
/// one when a call has failed.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Takes over a descriptor that was opened as a directory.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Dir(fd)
    }

    /// Duplicates the handle; both share one open directory.
    pub fn try_clone(&self) -> Result<Self> {
        match self.0.try_clone() {
            Ok(fd) => Ok(Dir(fd)),
            Err(error) => Err(FsError::new(
                "duplicate the handle of",
                self.shown_path(),
                error,
            )),
        }
    }

    /// Asks the kernel where the directory is now; for messages only.
    pub fn shown_path(&self) -> PathBuf {
        shown_path(self.0.as_fd())
    }

    /// Runs a call on a checked name; an error carries `op` and the full path.
    #[inline]
    pub(crate) fn at<T>(
        &self,
        op: &'static str,
        name: impl Name,
        call: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<T, Errno>,
    ) -> Result<T> {
        match name::with_name(&name, |name| call(self.0.as_fd(), name)) {
            Ok(value) => Ok(value),
            Err(errno) => Err(self.failed(op, &name, errno)),
        }
    }

    /// Runs a call on an unchecked path, which the call itself must confine.
    #[inline]
    pub(crate) fn at_path<T>(
        &self,
        op: &'static str,
        path: impl Name,
        call: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<T, Errno>,
    ) -> Result<T> {
        match name::with_c_str(path.as_name_bytes(), |path| call(self.0.as_fd(), path)) {
            Ok(value) => Ok(value),
            Err(errno) => Err(self.failed_path(op, path.as_name_bytes(), errno)),
        }
    }

    /// Runs a call on the directory itself.
    #[inline]
    pub(crate) fn on_self<T>(
        &self,
        op: &'static str,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T> {
        call(self.0.as_fd()).map_err(|errno| FsError::new(op, self.shown_path(), errno))
    }

    /// The error of a call on a name.
    #[cold]
    pub(crate) fn failed(&self, op: &'static str, name: &impl Name, errno: Errno) -> FsError {
        let error = FsError::new(op, self.path_of(name.as_name_bytes()), errno);
        let reason = match errno {
            Errno::INVAL => name::objection(name.as_name_bytes(), name.is_trusted_path()),
            Errno::LOOP => Some("it is a symlink"),
            _ => None,
        };
        reason.into_iter().fold(error, FsError::because)
    }

    /// The error of a call on a path that the kernel confined.
    #[cold]
    fn failed_path(&self, op: &'static str, path: &[u8], errno: Errno) -> FsError {
        let error = FsError::new(op, self.path_of(path), errno);
        let reason = match errno {
            Errno::INVAL if path.contains(&0) => Some("the path holds a NUL"),
            Errno::LOOP => Some("a symlink is in the path"),
            Errno::XDEV => Some("the path leads out of the directory"),
            _ => None,
        };
        reason.into_iter().fold(error, FsError::because)
    }

    /// The full path of an entry, for messages.
    pub(crate) fn path_of(&self, bytes: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.shown_path().join(std::ffi::OsStr::from_bytes(bytes))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> Self {
        dir.0
    }
}

impl From<Dir> for File {
    fn from(dir: Dir) -> Self {
        dir.0.into()
    }
}

/// Asks the kernel which path a descriptor has now; `/proc/self/fd/N` if it doesn't say.
#[cold]
pub(crate) fn shown_path(fd: BorrowedFd<'_>) -> PathBuf {
    let link = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    std::fs::read_link(&link).unwrap_or(link)
}

pub(crate) fn mode_bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}
