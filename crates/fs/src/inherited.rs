//! Descriptors that this process was started with.

use std::fs::File;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Errno;

use crate::error::{FsError, Result};

/// Opens a second handle on a descriptor that the process was given by number.
///
/// # Errors
/// The number is negative, or no descriptor is open by it.
pub fn inherited(number: RawFd) -> Result<File> {
    let failed = |errno: Errno| FsError::new("use", format!("descriptor {number}"), errno);
    if number < 0 {
        return Err(failed(Errno::BADF));
    }
    // SAFETY: it is not -1, and borrowed only for the call that copies it; a number by which nothing is open makes that
    // call fail, and does no other harm.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    match rustix::io::fcntl_dupfd_cloexec(borrowed, 3) {
        Ok(fd) => Ok(fd.into()),
        Err(errno) => Err(failed(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_second_handle_writes_where_the_first_one_does_and_a_closed_number_is_refused() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = writer.as_raw_fd();
        inherited(number).unwrap().write_all(b"here").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        // No process has so many descriptors.
        assert!(inherited(RawFd::MAX).is_err());
        assert!(inherited(-1).is_err());
    }
}
