//! Who holds a lock: for the message of the one who waited in vain.

use std::fmt;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{major, minor};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::FsError;

/// A process that holds a lock on the file in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name, as `ps` shows it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {})", self.name, self.pid)
    }
}

/// Finds the processes that hold an open-file-description lock on a file, by `/proc`; without privilege, only those of the same user.
///
/// The kernel itself names no owner of such a lock, but says at each descriptor which locks it has.
pub fn holders(file: impl AsFd) -> Vec<Holder> {
    let Ok(metadata) = crate::file::metadata(&file) else {
        return Vec::new();
    };
    let inode = shown_inode(metadata.dev, metadata.ino);
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut holders: Vec<Holder> = processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|&pid: &u32| holds(pid, &inode))
        .map(|pid| Holder {
            pid,
            name: name_of(pid),
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

/// Whether anybody holds an open-file-description lock on a file that may not be opened, by its device and inode; anybody may ask.
pub fn is_locked((dev, ino): (u64, u64)) -> bool {
    let inode = shown_inode(dev, ino);
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|line| names_lock(line, &inode))
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is asked to.
    Ask,
    /// It is killed.
    Kill,
}

/// Ends a process that holds a lock on a file; returns whether it still held one.
///
/// Its number may be another process's by now: a handle of the process is taken first, and only then is looked whether it holds the lock.
///
/// # Errors
/// [`FsError`] without the right to.
pub fn end(file: impl AsFd, holder: &Holder, how: End) -> Result<bool, FsError> {
    let failed = |error: rustix::io::Errno| {
        FsError::new("end process", format!("/proc/{}", holder.pid), error)
    };
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return Ok(false) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        process => process.map_err(failed)?,
    };
    if !holders(file).iter().any(|now| now.pid == holder.pid) {
        return Ok(false);
    }
    let signal = match how {
        End::Ask => Signal::TERM,
        End::Kill => Signal::KILL,
    };
    match pidfd_send_signal(process, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(false),
        sent => sent.map(|()| true).map_err(failed),
    }
}

fn holds(pid: u32, inode: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| has_lock(&descriptor.path(), inode))
}

fn shown_inode(dev: u64, ino: u64) -> String {
    format!("{:02x}:{:02x}:{ino}", major(dev), minor(dev))
}

/// Reads `1: OFDLCK ADVISORY  WRITE -1 fe:00:1234 0 EOF`.
fn names_lock(line: &str, inode: &str) -> bool {
    let mut words = line.split_whitespace();
    words.any(|word| word == "OFDLCK") && words.any(|word| word == inode)
}

fn has_lock(fdinfo: &Path, inode: &str) -> bool {
    let text = fs::read_to_string(fdinfo).unwrap_or_default();
    // `lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:1234 0 EOF`
    text.lines()
        .filter(|line| line.starts_with("lock:"))
        .any(|line| names_lock(line, inode))
}

fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.is_empty() {
        "?".to_owned()
    } else {
        name.trim_end().to_owned()
    }
}
