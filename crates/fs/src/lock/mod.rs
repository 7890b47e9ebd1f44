//! Locks between processes: open-file-description locks, the kind that libostree takes on a repository's `.lock`.
//!
//! `flock(2)`, which most Rust crates use, is another kind that libostree does not see. The lock belongs to the open file: it goes away when the
//! last descriptor of it is closed, so that a killed process leaves none behind.

mod holders;
mod stack;

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::dir::shown_path;
use crate::error::FsError;

pub use holders::{End, Holder, end, holders, is_locked};
pub use stack::{LockGuard, LockStack};

/// How much a lock keeps others out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockMode {
    /// Others may hold it shared.
    Shared,
    /// Nobody else holds it.
    Exclusive,
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LockMode::Shared => "shared",
            LockMode::Exclusive => "exclusive",
        })
    }
}

/// How long to wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Not at all.
    Now,
    /// This long.
    After(Duration),
    /// Until it is free.
    Never,
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Others held it all the time.
    #[error("no {mode} lock on `{}` after {waited:.1?}{}", path.display(), held_by(holders))]
    TimedOut {
        /// The lock file.
        path: PathBuf,
        /// What was wanted.
        mode: LockMode,
        /// How long it was tried.
        waited: Duration,
        /// Who holds it, as far as this user may know.
        holders: Vec<Holder>,
    },
    /// The system refused.
    #[error("{0}")]
    System(#[from] FsError),
}

impl LockError {
    /// Whether somebody else has the lock.
    pub fn is_timed_out(&self) -> bool {
        matches!(self, LockError::TimedOut { .. })
    }
}

fn held_by(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    format!(": held by {}", names.join(", "))
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    mode: LockMode,
}

impl FileLock {
    /// Locks an open file as a whole. `file` must be open for writing for an exclusive lock, for reading for a shared one, and never be duplicated:
    /// the lock stays while any duplicate is open.
    ///
    /// Waits by asking again, first after a millisecond and then more and more rarely up to ten times a second.
    pub fn acquire(file: File, mode: LockMode, timeout: Timeout) -> Result<Self, LockError> {
        let mut lock = FileLock { file, mode };
        lock.change(mode, timeout)?;
        Ok(lock)
    }

    /// Returns what is held.
    pub fn mode(&self) -> LockMode {
        self.mode
    }

    /// Returns the locked file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes a shared lock exclusive, or an exclusive one shared; keeps the old mode on failure.
    ///
    /// Two holders of a shared lock that both wait to make it exclusive wait for each other: use a timeout.
    pub fn change(&mut self, mode: LockMode, timeout: Timeout) -> Result<(), LockError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !try_lock(&self.file, mode)? {
            let waited = start.elapsed();
            let left = match timeout {
                Timeout::Now => Duration::ZERO,
                Timeout::After(limit) => limit.saturating_sub(waited),
                Timeout::Never => Duration::MAX,
            };
            if left.is_zero() {
                let (path, holders) = (shown_path(self.file.as_fd()), holders(&self.file));
                return Err(LockError::TimedOut {
                    path,
                    mode,
                    waited,
                    holders,
                });
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        self.mode = mode;
        Ok(())
    }
}

/// Asks once; the descriptor's present lock, if it has one, is converted.
fn try_lock(file: &File, mode: LockMode) -> Result<bool, FsError> {
    let lock_type = match mode {
        LockMode::Shared => libc::F_RDLCK,
        LockMode::Exclusive => libc::F_WRLCK,
    };
    set_lock(file, lock_type)
}

fn set_lock(file: &File, lock_type: libc::c_int) -> Result<bool, FsError> {
    let request = libc::flock {
        l_type: lock_type as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&request)) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(errno) => Err(FsError::new(
            "lock",
            shown_path(file.as_fd()),
            std::io::Error::from(errno),
        )),
    }
}
