//! Disks and images of them: sizes, where data is, zeros.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{CWD, FallocateFlags, FileType as Kind, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::dir::shown_path;
use crate::error::{Context, FsError, Result};

/// Bytes that are copied or compared at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Opens a block device for reading and writing, as long as nothing is mounted from it.
///
/// # Errors
/// `EBUSY` if it, or a part of it, is in use; `ENOTBLK` if it is something else.
pub fn open_device(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    // Of a block device O_EXCL keeps out whoever mounts it.
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).context("open", path)?;
    let stat = rustix::fs::fstat(&file).context("stat", path)?;
    match Kind::from_raw_mode(stat.st_mode) {
        Kind::BlockDevice => Ok(File::from(file)),
        _ => Err(FsError::new("open", path, Errno::NOTBLK)),
    }
}

/// Returns how many bytes a disk or file has.
pub fn size(file: &File) -> Result<u64> {
    rustix::fs::seek(file, SeekFrom::End(0)).map_err(|errno| failed("find the end of", file, errno))
}

/// Returns where a file has data, in order; between these ranges it reads as zeros.
pub fn data_ranges(file: &File) -> Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(ranges),
            Err(errno) => return Err(failed("find data in", file, errno)),
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(start))
            .map_err(|errno| failed("find data in", file, errno))?;
        ranges.push(start..at);
    }
}

/// Writes a file's data into another one at `offset`; what lies between its data there must read as zeros already.
pub fn copy_data_at(from: &File, to: &File, offset: u64) -> Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    for range in data_ranges(from)? {
        let mut at = range.start;
        while at < range.end {
            let count = usize::try_from(range.end - at).unwrap_or(CHUNK_BYTES);
            let part = &mut chunk[..count.min(CHUNK_BYTES)];
            from.read_exact_at(part, at)
                .map_err(|error| failed("read", from, error))?;
            write_at(to, part, offset + at)?;
            at += part.len() as u64;
        }
    }
    Ok(())
}

/// Writes bytes at an offset.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset)
        .map_err(|error| failed("write", file, error))
}

/// Says whether a range reads as zeros.
pub fn is_zero(file: &File, range: Range<u64>) -> Result<bool> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = range.start;
    while at < range.end {
        let count = usize::try_from(range.end - at).unwrap_or(CHUNK_BYTES);
        let part = &mut chunk[..count.min(CHUNK_BYTES)];
        file.read_exact_at(part, at)
            .map_err(|error| failed("read", file, error))?;
        if part.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += part.len() as u64;
    }
    Ok(true)
}

/// Makes a range of a disk read as zeros, by the quickest way that it knows.
pub fn zero(file: &File, range: Range<u64>) -> Result<()> {
    let count = range.end - range.start;
    if count == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, range.start, count) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::INVAL) => {}
        Err(errno) => return Err(failed("fill with zeros", file, errno)),
    }
    let zeros = vec![0; CHUNK_BYTES];
    let mut at = range.start;
    while at < range.end {
        let part = usize::try_from(range.end - at).unwrap_or(CHUNK_BYTES);
        let part = &zeros[..part.min(CHUNK_BYTES)];
        write_at(file, part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}

fn failed(op: &'static str, file: &File, cause: impl Into<std::io::Error>) -> FsError {
    FsError::new(op, shown_path(file.as_fd()), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_arrives_at_its_offset_and_holes_stay_as_they_were() {
        let temp = tempfile::tempdir().unwrap();
        let create = |name| {
            let path = temp.path().join(name);
            File::options()
                .create(true)
                .truncate(true)
                .read(true)
                .write(true)
                .open(path)
                .unwrap()
        };
        let (from, to) = (create("from"), create("to"));
        from.set_len(8 << 20).unwrap();
        write_at(&from, b"first", 0).unwrap();
        write_at(&from, b"last", (8 << 20) - 4).unwrap();
        to.set_len(16 << 20).unwrap();
        write_at(&to, b"kept", (1 << 20) + (4 << 20)).unwrap();
        copy_data_at(&from, &to, 1 << 20).unwrap();
        let read = |at: u64, count: usize| {
            let mut bytes = vec![0; count];
            to.read_exact_at(&mut bytes, at).unwrap();
            bytes
        };
        assert_eq!(read(1 << 20, 5), b"first");
        assert_eq!(read((9 << 20) - 4, 4), b"last");
        assert_eq!(read(5 << 20, 4), b"kept", "the source has a hole there");
        assert!(is_zero(&to, 0..1 << 20).unwrap());
        assert!(!is_zero(&to, 0..16 << 20).unwrap());
        zero(&to, 1 << 20..16 << 20).unwrap();
        assert!(is_zero(&to, 0..16 << 20).unwrap());
        assert_eq!(size(&to).unwrap(), 16 << 20);
    }

    #[test]
    fn a_file_is_no_device() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        File::create(&path).unwrap();
        assert!(open_device(path).is_err());
    }
}
