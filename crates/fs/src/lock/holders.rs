//! Who holds a lock: for the message of the one who waited in vain.

use std::fmt;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{major, minor};

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
    let inode = format!(
        "{:02x}:{:02x}:{}",
        major(metadata.dev),
        minor(metadata.dev),
        metadata.ino
    );
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

fn holds(pid: u32, inode: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| has_lock(&descriptor.path(), inode))
}

fn has_lock(fdinfo: &Path, inode: &str) -> bool {
    let text = fs::read_to_string(fdinfo).unwrap_or_default();
    // `lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:1234 0 EOF`
    text.lines()
        .filter(|line| line.starts_with("lock:"))
        .any(|line| {
            let mut words = line.split_whitespace();
            words.any(|word| word == "OFDLCK") && words.any(|word| word == inode)
        })
}

fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.is_empty() {
        "?".to_owned()
    } else {
        name.trim_end().to_owned()
    }
}
