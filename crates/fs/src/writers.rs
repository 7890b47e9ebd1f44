//! Whether somebody could still change a file that is being read.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::libc;

/// `asm-generic/fcntl.h`; the libc crate lacks it.
const F_SETSIG: libc::c_int = 10;

/// Who has a file open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// No process has it open for writing or mapped so.
    None,
    /// At least one has.
    Some,
    /// The kernel doesn't say: another user's file, or a file system without leases.
    Unknown,
}

/// Asks who has `file`, opened for reading only, open for writing; changes nothing.
///
/// A read lease is taken and given back at once: the kernel grants it only where there is no writer. A writer that comes
/// in between waits for microseconds.
#[must_use]
pub fn writers(file: &File) -> Writers {
    let fd = file.as_raw_fd();
    // Broken leases announce themselves by SIGIO, which would end the process; SIGURG is ignored unless asked for.
    // SAFETY: these three commands take an integer, read and write no memory of ours, and `fd` is open for the call.
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) == -1 {
            return Writers::Unknown;
        }
        if libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == -1 {
            return match nix::errno::Errno::last() {
                nix::errno::Errno::EAGAIN => Writers::Some,
                _ => Writers::Unknown,
            };
        }
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
    }
    Writers::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_file_open_for_writing_is_told_from_one_that_is_only_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        let another_reader = File::open(&path).unwrap();
        assert_eq!(writers(&file), Writers::None);
        assert_eq!(writers(&file), Writers::None, "the lease was given back");
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(writers(&file), Writers::Some);
        drop(writer);
        assert_eq!(writers(&another_reader), Writers::None);
    }
}
