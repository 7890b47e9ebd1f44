//! Copying content: by sharing blocks where the file system can, by the kernel where it can, by hand elsewhere.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::ioctl;

use crate::dir::shown_path;
use crate::error::{FsError, Result};

/// Bytes read at once.
pub const CHUNK_BYTES: usize = 128 << 10;

/// How content was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// Both files share their blocks until one changes.
    Shared,
    /// The bytes were copied.
    Bytes,
}

/// Makes `to` share the content of `from`; returns false where the file system can't or the files are on different ones.
pub fn reflink(from: &File, to: &File) -> Result<bool> {
    match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(
            Errno::OPNOTSUPP
            | Errno::XDEV
            | Errno::INVAL
            | Errno::NOTTY
            | Errno::NOSYS
            | Errno::PERM,
        ) => Ok(false),
        Err(errno) => Err(failed(from, to, errno)),
    }
}

/// `struct file_dedupe_range` of linux/fs.h with one `struct file_dedupe_range_info` behind it.
#[repr(C)]
struct DedupeRange {
    from_offset: u64,
    bytes: u64,
    count: u16,
    reserved: [u16; 3],
    to: i64,
    to_offset: u64,
    bytes_shared: u64,
    status: i32,
    reserved_of_info: u32,
}

/// The opcode holds the size of the header alone; what each file is to share follows it.
const SHARE_RANGE: ioctl::Opcode = ioctl::opcode::read_write::<[u64; 3]>(0x94, 54);
/// More at once is too much for some file systems.
const MAX_SHARED_AT_ONCE: u64 = 16 << 20;

/// Makes `to`, open for writing, share the blocks of `from`, if both begin with the same `bytes` bytes: the kernel compares them first. Returns
/// false where they differ, or the file system can't.
pub fn share_equal(from: &File, to: &File, bytes: u64) -> Result<bool> {
    let mut done = 0;
    while done < bytes {
        let mut range = DedupeRange {
            from_offset: done,
            bytes: (bytes - done).min(MAX_SHARED_AT_ONCE),
            count: 1,
            reserved: [0; 3],
            to: i64::from(to.as_raw_fd()),
            to_offset: done,
            bytes_shared: 0,
            status: 0,
            reserved_of_info: 0,
        };
        // SAFETY: FIDEDUPERANGE reads and writes a `struct file_dedupe_range` with `dest_count` infos behind it; `DedupeRange` mirrors that
        // with one, and `to` is borrowed for longer than the call.
        let result = unsafe {
            ioctl::ioctl(
                from.as_fd(),
                ioctl::Updater::<SHARE_RANGE, DedupeRange>::new(&mut range),
            )
        };
        match result {
            Ok(()) if range.status == 0 && range.bytes_shared > 0 => done += range.bytes_shared,
            // Different bytes are 1, errors are negative: none of them is a reason to fail.
            Ok(()) => return Ok(false),
            Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::PERM) => {
                return Ok(false);
            }
            Err(errno) => return Err(failed(from, to, errno)),
        }
    }
    Ok(true)
}

/// Copies all of `from` into the empty file `to`, sharing blocks if possible. The offset of `from` must be 0; where both offsets are
/// afterwards depends on how it was done.
pub fn copy_contents(from: &File, to: &File) -> Result<Copied> {
    if reflink(from, to)? {
        return Ok(Copied::Shared);
    }
    copy_range(from, to, u64::MAX)?;
    Ok(Copied::Bytes)
}

/// Copies up to `bytes` from the offset of `from` to the offset of `to`, both of which move; returns how many there were.
pub fn copy_range(from: &File, to: &File, bytes: u64) -> Result<u64> {
    let mut copied = 0;
    while copied < bytes {
        let wanted = usize::try_from(bytes - copied)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match rustix::fs::copy_file_range(from, None, to, None, wanted) {
            // Also what files of /proc answer, which have content all the same.
            Ok(0) if copied == 0 => return copy_by_hand(from, to, bytes),
            Ok(0) => break,
            Ok(length) => copied += length as u64,
            Err(Errno::INTR) => {}
            Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::BADF,
            ) => {
                return Ok(copied + copy_by_hand(from, to, bytes - copied)?);
            }
            Err(errno) => return Err(failed(from, to, errno)),
        }
    }
    Ok(copied)
}

fn copy_by_hand(from: &File, to: &File, bytes: u64) -> Result<u64> {
    let mut chunks = ChunkReader::new();
    let (mut left, mut copied) = (bytes, 0);
    while left > 0 {
        let chunk = chunks.next(from, left)?;
        if chunk.is_empty() {
            break;
        }
        (&*to)
            .write_all(chunk)
            .map_err(|error| FsError::new("write", shown_path(to.as_fd()), error))?;
        left -= chunk.len() as u64;
        copied += chunk.len() as u64;
    }
    Ok(copied)
}

/// A buffer for reading file after file.
#[derive(Debug)]
pub struct ChunkReader(Vec<u8>);

impl Default for ChunkReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkReader {
    /// Makes a buffer of [`CHUNK_BYTES`].
    pub fn new() -> Self {
        ChunkReader(vec![0; CHUNK_BYTES])
    }

    /// Reads the next chunk from the offset of `file`, at most `limit` bytes; empty at the end.
    pub fn next(&mut self, file: &File, limit: u64) -> Result<&[u8]> {
        let length = self
            .0
            .len()
            .min(usize::try_from(limit).unwrap_or(usize::MAX));
        loop {
            match (&*file).read(&mut self.0[..length]) {
                Ok(read) => return Ok(&self.0[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FsError::new("read", shown_path(file.as_fd()), error)),
            }
        }
    }
}

#[cold]
fn failed(from: &File, to: &File, errno: Errno) -> FsError {
    FsError::between(
        "copy",
        shown_path(from.as_fd()),
        shown_path(to.as_fd()),
        errno,
    )
}
