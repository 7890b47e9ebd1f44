//! The tar that is written: GNU's, with POSIX's extended headers for xattrs alone.
//!
//! The bytes depend on nothing but the entry. Without xattrs they are those of ostree's own export.

use super::{BLOCK, number, padding};
use crate::xattrs::Xattrs;

/// Bytes that a header has for a path or a link target.
const NAME_FIELD: usize = 100;

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct TarHeader<'e> {
    /// With a slash at the end if it is a directory.
    pub path: &'e str,
    /// What it is.
    pub kind: TarKind<'e>,
    /// Permissions, without the file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970-01-01 UTC.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: &'e Xattrs,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarKind<'e> {
    /// A regular file of this many bytes, which follow the header, and [`tar_padding`] after them.
    File(u64),
    /// A directory.
    Directory,
    /// A symlink to this target.
    Symlink(&'e str),
    /// Another name of the file that was written at this path.
    HardLink(&'e str),
}

/// An entry that a tar cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarWriteError {
    /// A path, target or xattr name holds a byte that would end it.
    #[error("a name with NUL, or an xattr's name with `=`, has no place in a tar")]
    Name,
}

/// Appends everything that precedes the entry's content.
///
/// # Errors
/// [`TarWriteError::Name`].
pub fn write_tar_entry(out: &mut Vec<u8>, entry: &TarHeader<'_>) -> Result<(), TarWriteError> {
    let link = match entry.kind {
        TarKind::Symlink(target) | TarKind::HardLink(target) => target,
        TarKind::File(_) | TarKind::Directory => "",
    };
    if entry.path.contains('\0') || link.contains('\0') {
        return Err(TarWriteError::Name);
    }
    if !entry.xattrs.is_empty() {
        write_xattrs(out, entry.xattrs, entry.mtime)?;
    }
    if link.len() > NAME_FIELD {
        write_long(out, b'K', link, link);
    }
    if entry.path.len() > NAME_FIELD {
        write_long(out, b'L', entry.path, link);
    }
    let (typeflag, size) = match entry.kind {
        TarKind::File(size) => (b'0', size),
        TarKind::Directory => (b'5', 0),
        TarKind::Symlink(_) => (b'2', 0),
        TarKind::HardLink(_) => (b'1', 0),
    };
    let fields = Fields {
        path: entry.path.as_bytes(),
        link: link.as_bytes(),
        numbers: [entry.mode, entry.uid, entry.gid],
        size,
        mtime: entry.mtime,
        typeflag,
        owner: ["", ""],
    };
    out.extend_from_slice(&fields.to_block(b"ustar  \0"));
    Ok(())
}

/// How many zeros follow a file's content of `size` bytes.
#[must_use]
pub fn tar_padding(size: u64) -> usize {
    usize::try_from(padding(size)).expect("less than a block")
}

/// What ends a tar.
#[must_use]
pub fn tar_end() -> [u8; 2 * BLOCK] {
    [0; 2 * BLOCK]
}

struct Fields<'f> {
    path: &'f [u8],
    link: &'f [u8],
    /// Mode, owner, group.
    numbers: [u32; 3],
    size: u64,
    mtime: u64,
    typeflag: u8,
    /// Names of owner and group.
    owner: [&'f str; 2],
}

impl Fields<'_> {
    fn to_block(&self, magic: &[u8; 8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block[..100], self.path);
        for (at, value) in [100, 108, 116].into_iter().zip(self.numbers) {
            number::write(&mut block[at..at + 8], u64::from(value));
        }
        number::write(&mut block[124..136], self.size);
        number::write(&mut block[136..148], self.mtime);
        block[156] = self.typeflag;
        put(&mut block[157..257], self.link);
        put(&mut block[257..265], magic);
        put(&mut block[265..297], self.owner[0].as_bytes());
        put(&mut block[297..329], self.owner[1].as_bytes());
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        // Six digits, a NUL, and the space stays.
        number::write(&mut block[148..155], sum);
        block
    }
}

/// Copies as much as there is room for.
fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// A name of more than 100 bytes, as libarchive writes it: as an entry that belongs to a person of the 1970s.
fn write_long(out: &mut Vec<u8>, typeflag: u8, name: &str, link: &str) {
    let fields = Fields {
        path: b"././@LongLink",
        // libarchive leaves the start of the entry's target here.
        link: link.as_bytes(),
        numbers: [0; 3],
        size: name.len() as u64 + 1,
        mtime: 0,
        typeflag,
        owner: ["root", "wheel"],
    };
    out.extend_from_slice(&fields.to_block(b"ustar  \0"));
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out, name.len() + 1);
}

fn write_xattrs(out: &mut Vec<u8>, xattrs: &Xattrs, mtime: u64) -> Result<(), TarWriteError> {
    let mut records = Vec::new();
    for (name, value) in xattrs.iter() {
        if name.contains(&b'=') {
            return Err(TarWriteError::Name);
        }
        write_record(
            &mut records,
            &[b"SCHILY.xattr.", name, b"=", value].concat(),
        );
    }
    let fields = Fields {
        path: b"././@PaxHeader",
        link: b"",
        numbers: [0o644, 0, 0],
        size: records.len() as u64,
        mtime,
        typeflag: b'x',
        owner: ["", ""],
    };
    out.extend_from_slice(&fields.to_block(b"ustar\x0000"));
    out.extend_from_slice(&records);
    pad(out, records.len());
    Ok(())
}

/// A record begins with its own length, whose digits count, too.
fn write_record(out: &mut Vec<u8>, key_and_value: &[u8]) {
    let rest = key_and_value.len() + 2;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key_and_value);
    out.push(b'\n');
}

fn pad(out: &mut Vec<u8>, written: usize) {
    out.resize(out.len() + tar_padding(written as u64), 0);
}
