//! Removing a tree without ever following a symlink or leaving the file system.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, ResolveFlags};
use rustix::io::Errno;

use super::entries::Entries;
use super::open::{DIRECTORY, confined};
use super::{Dir, shown_path};
use crate::error::{FsError, Result};
use crate::inode_flags::{Immutable, set_immutable};
use crate::name::Name;

/// Levels whose descriptors stay open; deeper ones are found again through `..`, so that no depth runs out of descriptors.
const OPEN_LEVELS: usize = 64;

impl Dir {
    /// Removes an entry and all that is below it; nothing there is fine. Returns whether something was.
    ///
    /// Mount points below it are refused (`EXDEV`), as their content is not this tree's. On an error the rest is still there, and a second call goes on.
    pub fn remove_all(&self, name: impl Name) -> Result<bool> {
        self.remove_tree(&name, Immutable::Keep)
    }

    /// As [`Dir::remove_all`], for a directory that carries the immutable flag itself, as deployments do.
    pub fn remove_all_immutable(&self, name: impl Name) -> Result<bool> {
        self.remove_tree(&name, Immutable::Clear)
    }

    /// Removes everything in this directory, which itself stays.
    pub fn remove_contents(&self) -> Result<()> {
        let top = self.open_dir_beneath(".")?;
        Removal::default().run(top.into())
    }

    fn remove_tree(&self, name: &impl Name, immutable: Immutable) -> Result<bool> {
        let as_file = self.at("remove", name, |dir, name| {
            match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) => Ok(Some(true)),
                Err(Errno::NOENT) => Ok(Some(false)),
                // EPERM: an immutable directory, or POSIX's answer for any directory.
                Err(Errno::ISDIR | Errno::PERM) => Ok(None),
                Err(errno) => Err(errno),
            }
        })?;
        if let Some(removed) = as_file {
            return Ok(removed);
        }
        let top = self.at("remove", name, |dir, name| {
            confined(dir, name, DIRECTORY, STAY)
        })?;
        if immutable == Immutable::Clear {
            set_immutable(&top, Immutable::Clear)?;
        }
        Removal::default().run(top)?;
        self.remove_dir(name)?;
        Ok(true)
    }
}

const STAY: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A directory on the way down.
struct Level {
    /// `None` beyond [`OPEN_LEVELS`].
    fd: Option<OwnedFd>,
    dev_ino: (u64, u64),
    /// Subdirectories still to be removed.
    pending: Vec<CString>,
}

#[derive(Default)]
struct Removal {
    entries: Entries,
    buffer: Vec<u8>,
}

impl Removal {
    /// Empties `top`, depth first, with memory by the number of subdirectories on the way and a bounded number of descriptors.
    fn run(&mut self, top: OwnedFd) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        let mut pending = self.clear_files(&top)?;
        let mut current = top;
        loop {
            if let Some(name) = pending.last() {
                let child = confined(current.as_fd(), name, DIRECTORY, STAY)
                    .map_err(|errno| failed("remove", &current, name, errno))?;
                let dev_ino = crate::file::metadata(&current)?.dev_ino();
                let below = self.clear_files(&child)?;
                let parent = std::mem::replace(&mut current, child);
                let fd = (levels.len() < OPEN_LEVELS).then_some(parent);
                levels.push(Level {
                    fd,
                    dev_ino,
                    pending: std::mem::replace(&mut pending, below),
                });
                continue;
            }
            let Some(level) = levels.pop() else {
                return Ok(());
            };
            let parent = match level.fd {
                Some(fd) => fd,
                None => parent_of(&current, level.dev_ino)?,
            };
            current = parent;
            pending = level.pending;
            let name = pending
                .pop()
                .expect("the level was left to remove its last pending directory");
            unlink_writable(&current, &name, AtFlags::REMOVEDIR)?;
        }
    }

    /// Removes what is no directory and returns the directories.
    fn clear_files(&mut self, dir: &OwnedFd) -> Result<Vec<CString>> {
        let listed = self.entries.fill(dir.as_fd(), &mut self.buffer);
        listed.map_err(|errno| FsError::new("list", shown_path(dir.as_fd()), errno))?;
        let mut directories = Vec::new();
        for entry in self.entries.iter() {
            if entry.file_type.is_dir() {
                directories.push(entry.c_name().to_owned());
            } else {
                unlink_writable(dir, entry.c_name(), AtFlags::empty())?;
            }
        }
        Ok(directories)
    }
}

/// Unlinks; a directory of one's own without the write bit, as trees of unprivileged checkouts have them, is made writable first.
fn unlink_writable(dir: &OwnedFd, name: &std::ffi::CStr, flags: AtFlags) -> Result<()> {
    let result = match rustix::fs::unlinkat(dir, name, flags) {
        Err(Errno::ACCESS) if rustix::fs::fchmod(dir, Mode::RWXU).is_ok() => {
            rustix::fs::unlinkat(dir, name, flags)
        }
        result => result,
    };
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("remove", dir, name, errno)),
    }
}

/// Goes up, and makes sure that it is where it came from: someone may have moved the directory meanwhile.
fn parent_of(dir: &OwnedFd, expected: (u64, u64)) -> Result<OwnedFd> {
    let parent = rustix::fs::openat(dir, c"..", DIRECTORY, Mode::empty())
        .map_err(|errno| FsError::new("open the parent of", shown_path(dir.as_fd()), errno))?;
    if crate::file::metadata(&parent)?.dev_ino() != expected {
        let moved = FsError::new("remove", shown_path(dir.as_fd()), Errno::STALE);
        return Err(moved.because("the directory was moved while it was removed"));
    }
    Ok(parent)
}

#[cold]
fn failed(op: &'static str, dir: &OwnedFd, name: &std::ffi::CStr, errno: Errno) -> FsError {
    use std::os::unix::ffi::OsStrExt;
    let path = shown_path(dir.as_fd()).join(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let error = FsError::new(op, path, errno);
    if errno == Errno::XDEV {
        error.because("something is mounted there")
    } else {
        error
    }
}
