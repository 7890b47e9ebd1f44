//! cpio: a header of digits, the name, the content. `newc` and `crc` in hexadecimal, padded to four bytes; `odc` in octal.

use std::io::Read;

use super::content::Content;
use super::error::ArchiveError;
use super::source::Source;
use super::{ArchiveEntry, EntryKind, MAX_ARCHIVE_NAME};
use crate::mode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use crate::xattrs::Xattrs;

/// The name of what ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
const NEWC_BYTES: usize = 110;
const ODC_BYTES: usize = 76;

/// What both forms have.
struct Header {
    offset: u64,
    inode: (u64, u64),
    mode: u64,
    uid: u64,
    gid: u64,
    links: u64,
    size: u64,
    /// With the NUL.
    name_bytes: u64,
    /// What header and name, and content, are padded to.
    align: u64,
    bytes: u64,
}

type Found = Option<(ArchiveEntry, Content)>;

/// Reads up to the next entry's content in `newc` and `crc`; the sum of the latter is not looked at.
pub(super) fn next_newc<R: Read>(source: &mut Source<R>) -> Result<Found, ArchiveError> {
    let mut header = [0; NEWC_BYTES];
    let offset = source.offset();
    source.exact(&mut header, "a header")?;
    if !(header.starts_with(b"070701") || header.starts_with(b"070702")) {
        return Err(ArchiveError::header(offset, "it has no magic number"));
    }
    let field = |at: usize| digits(&header[6 + at * 8..14 + at * 8], 16, offset);
    let header = Header {
        offset,
        // Two numbers of 32 bits make the device.
        inode: (field(7)? << 32 | field(8)?, field(0)?),
        mode: field(1)?,
        uid: field(2)?,
        gid: field(3)?,
        links: field(4)?,
        size: field(6)?,
        name_bytes: field(11)?,
        align: 4,
        bytes: NEWC_BYTES as u64,
    };
    finish(source, &header)
}

/// As [`next_newc`], for `odc`.
pub(super) fn next_odc<R: Read>(source: &mut Source<R>) -> Result<Found, ArchiveError> {
    let mut header = [0; ODC_BYTES];
    let offset = source.offset();
    source.exact(&mut header, "a header")?;
    if !header.starts_with(b"070707") {
        return Err(ArchiveError::header(offset, "it has no magic number"));
    }
    let field = |from: usize, to: usize| digits(&header[from..to], 8, offset);
    let header = Header {
        offset,
        inode: (field(6, 12)?, field(12, 18)?),
        mode: field(18, 24)?,
        uid: field(24, 30)?,
        gid: field(30, 36)?,
        links: field(36, 42)?,
        size: field(65, 76)?,
        name_bytes: field(59, 65)?,
        align: 1,
        bytes: ODC_BYTES as u64,
    };
    finish(source, &header)
}

fn digits(field: &[u8], radix: u32, offset: u64) -> Result<u64, ArchiveError> {
    std::str::from_utf8(field)
        .ok()
        // Rust's parser takes a sign.
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|text| u64::from_str_radix(text, radix).ok())
        .ok_or_else(|| ArchiveError::header(offset, "a field is no number"))
}

fn padding(length: u64, align: u64) -> u64 {
    (align - length % align) % align
}

fn finish<R: Read>(source: &mut Source<R>, header: &Header) -> Result<Found, ArchiveError> {
    if !(1..=MAX_ARCHIVE_NAME).contains(&header.name_bytes) {
        let problem = format!("a name of {} bytes", header.name_bytes);
        return Err(ArchiveError::header(header.offset, problem));
    }
    let mut path = source.bytes(header.name_bytes, "a name")?;
    if path.pop() != Some(0) || path.contains(&0) {
        return Err(ArchiveError::header(
            header.offset,
            "its name does not end with its NUL",
        ));
    }
    let before = padding(header.bytes + header.name_bytes, header.align);
    source.skip(before, "a name")?;
    if path == TRAILER {
        return Ok(None);
    }
    let mut content = Content::new(&path, header.size, padding(header.size, header.align));
    let broken = |problem: &str| ArchiveError::entry(&path, problem);
    let number = |value: u64| u32::try_from(value).map_err(|_| broken("a number is too large"));
    let mode = number(header.mode)?;
    let kind = match mode & S_IFMT {
        S_IFREG if header.links > 1 => EntryKind::SharedFile {
            inode: header.inode,
        },
        S_IFREG => EntryKind::File,
        S_IFDIR if header.size > 0 => return Err(broken("it is a directory with content")),
        S_IFDIR => EntryKind::Directory,
        S_IFLNK => {
            if !(1..=MAX_ARCHIVE_NAME).contains(&header.size) {
                return Err(broken("its target is empty or longer than 65536 bytes"));
            }
            let target = source.bytes(header.size, "a symlink's target")?;
            content = Content::new(&path, 0, padding(header.size, header.align));
            EntryKind::Symlink(target)
        }
        0o020_000 => EntryKind::Special("character device"),
        0o060_000 => EntryKind::Special("block device"),
        0o010_000 => EntryKind::Special("fifo"),
        0o140_000 => EntryKind::Special("socket"),
        _ => return Err(broken("it is of no kind of file")),
    };
    let is_symlink = matches!(kind, EntryKind::Symlink(_));
    let entry = ArchiveEntry {
        mode: mode & 0o7777,
        uid: number(header.uid)?,
        gid: number(header.gid)?,
        size: if is_symlink { 0 } else { header.size },
        xattrs: Xattrs::new(),
        kind,
        path,
    };
    Ok(Some((entry, content)))
}
