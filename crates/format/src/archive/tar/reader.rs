//! Headers put together to entries.

use std::io::Read;

use super::header::{Dialect, Header};
use super::pax::Pax;
use super::sparse::{self, SparseMap};
use super::{BLOCK, padding};
use crate::archive::content::Content;
use crate::archive::error::ArchiveError;
use crate::archive::source::Source;
use crate::archive::{ArchiveEntry, EntryKind, MAX_ARCHIVE_NAME, MAX_EXTENDED_HEADER};
use crate::xattrs::Xattrs;

/// What precedes an entry's own header.
#[derive(Default)]
struct Before {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.long_name.is_none() && self.long_link.is_none() && self.pax.is_none()
    }
}

/// Reads up to the next entry's content; `None` at the archive's end.
pub(in crate::archive) fn next_entry<R: Read>(
    source: &mut Source<R>,
) -> Result<Option<(ArchiveEntry, Content)>, ArchiveError> {
    let mut before = Before::default();
    let mut block = [0; BLOCK];
    loop {
        let offset = source.offset();
        let length = source.fill(&mut block)?;
        let at_end = length == 0 || (length == BLOCK && block == [0; BLOCK]);
        if at_end && before.is_empty() {
            return Ok(None);
        }
        if at_end || length < BLOCK {
            return Err(match offset {
                0 => ArchiveError::Unrecognized,
                _ => ArchiveError::truncated("a header"),
            });
        }
        let header = match Header::parse(&block) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(None),
            Err(_) if offset == 0 => return Err(ArchiveError::Unrecognized),
            Err(problem) => return Err(ArchiveError::header(offset, problem)),
        };
        match header.typeflag {
            b'L' => before.long_name = Some(long_name(source, &header)?),
            b'K' => before.long_link = Some(long_name(source, &header)?),
            b'x' | b'X' => {
                let bytes = extension(source, &header, MAX_EXTENDED_HEADER)?;
                let pax = Pax::parse(&bytes).map_err(|e| ArchiveError::header(offset, e))?;
                before.pax = Some(pax);
            }
            // For all entries; libarchive takes nothing from them either. A volume's label is no entry.
            b'g' | b'V' => skip(source, &header)?,
            _ => return entry(source, &block, header, before).map(Some),
        }
    }
}

/// Reads the content of a header that belongs to the next entry.
fn extension<R: Read>(
    source: &mut Source<R>,
    header: &Header,
    limit: u64,
) -> Result<Vec<u8>, ArchiveError> {
    if header.size > limit {
        let problem = format!("it is of {} bytes, the limit is {limit}", header.size);
        return Err(ArchiveError::header(
            source.offset() - BLOCK as u64,
            problem,
        ));
    }
    let bytes = source.bytes(header.size, "an extended header")?;
    source.skip(padding(header.size), "an extended header")?;
    Ok(bytes)
}

fn long_name<R: Read>(source: &mut Source<R>, header: &Header) -> Result<Vec<u8>, ArchiveError> {
    let mut name = extension(source, header, MAX_ARCHIVE_NAME + 1)?;
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    Ok(name)
}

fn skip<R: Read>(source: &mut Source<R>, header: &Header) -> Result<(), ArchiveError> {
    source.skip(header.size, "a header for all entries")?;
    source.skip(padding(header.size), "a header for all entries")
}

/// Joins an entry's header with what preceded it.
fn entry<R: Read>(
    source: &mut Source<R>,
    block: &[u8; BLOCK],
    header: Header,
    before: Before,
) -> Result<(ArchiveEntry, Content), ArchiveError> {
    let pax = before.pax.unwrap_or_default();
    let path = pax
        .sparse
        .name
        .clone()
        .or(pax.path.clone())
        .or(before.long_name)
        .unwrap_or_else(|| header.name.clone());
    let link = pax
        .link
        .clone()
        .or(before.long_link)
        .unwrap_or_else(|| header.link.clone());
    let broken = |problem: &str| ArchiveError::entry(&path, problem);
    if path.len() as u64 > MAX_ARCHIVE_NAME || link.len() as u64 > MAX_ARCHIVE_NAME {
        return Err(broken("its name is longer than 65536 bytes"));
    }
    if path.contains(&0) {
        return Err(broken("its name holds NUL"));
    }
    let size = pax.size.unwrap_or(header.size);
    let kind = kind(&header, &path, link).map_err(broken)?;
    let (packed, map) = body(source, block, &header, &kind, size, &pax)?;
    let file_size = match (&kind, &map) {
        (EntryKind::File, Some(map)) => map.size(),
        (EntryKind::File, None) => packed,
        _ => 0,
    };
    if packed > 0 && kind == EntryKind::Directory && header.typeflag != b'D' {
        return Err(broken("it is a directory with content"));
    }
    let owner = |id: u64| u32::try_from(id).map_err(|_| broken("its owner is beyond 32 bits"));
    let content = match map {
        Some(map) => Content::sparse(&path, padding(size), map),
        None => Content::new(&path, packed, padding(packed)),
    };
    let entry = ArchiveEntry {
        mode: header.mode,
        uid: owner(pax.uid.unwrap_or(header.uid))?,
        gid: owner(pax.gid.unwrap_or(header.gid))?,
        size: file_size,
        xattrs: Xattrs::from_pairs(pax.xattrs).map_err(|e| broken(&e.to_string()))?,
        kind,
        path,
    };
    Ok((entry, content))
}

/// What an entry is by its typeflag; an unknown one is a regular file, as POSIX has it.
fn kind(header: &Header, path: &[u8], link: Vec<u8>) -> Result<EntryKind, &'static str> {
    Ok(match header.typeflag {
        b'1' => EntryKind::HardLink(link),
        b'2' if link.is_empty() => return Err("it is a symlink without a target"),
        b'2' => EntryKind::Symlink(link),
        b'3' => EntryKind::Special("character device"),
        b'4' => EntryKind::Special("block device"),
        b'5' | b'D' => EntryKind::Directory,
        b'6' => EntryKind::Special("fifo"),
        b'M' => return Err("it is a part of a file that began in another volume"),
        b'0' | 0 if path.ends_with(b"/") => EntryKind::Directory,
        _ => EntryKind::File,
    })
}

/// How many bytes follow, and where they belong if the file is sparse.
fn body<R: Read>(
    source: &mut Source<R>,
    block: &[u8; BLOCK],
    header: &Header,
    kind: &EntryKind,
    size: u64,
    pax: &Pax,
) -> Result<(u64, Option<SparseMap>), ArchiveError> {
    match kind {
        EntryKind::File if header.typeflag == b'S' => {
            if header.dialect != Dialect::Gnu {
                let offset = source.offset() - BLOCK as u64;
                return Err(ArchiveError::header(offset, "only GNU's have sparse files"));
            }
            let map = sparse::read_old(source, block, size)?;
            Ok((size, Some(map)))
        }
        EntryKind::File => {
            let map = pax.sparse.read_map(source, size)?;
            Ok((size, map))
        }
        EntryKind::Directory => Ok((size, None)),
        // The old ones give the size of the file that it is a name of; nothing follows.
        EntryKind::HardLink(_) if header.dialect == Dialect::Ustar => Ok((size, None)),
        _ => Ok((0, None)),
    }
}
