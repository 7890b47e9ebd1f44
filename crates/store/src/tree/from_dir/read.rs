//! Reading one regular file into an object.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::SystemTime;

use ostler_format::{FileHeader, FileId, ObjectName, Xattrs};
use ostler_fs::{Dir, Metadata, Writers, file, xattr};

use super::super::error::TreeError;
use super::super::index::{FileRecord, is_settled};
use super::Scan;
use super::entry::{Entry, SourceDir};
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::MAX_XATTRS;
use crate::transaction::{Adoption, SMALL_CONTENT, Scratch};

/// What a large file is read by.
const CHUNK_BYTES: usize = 256 << 10;

/// One thread's buffers.
pub(super) struct Reader<'s> {
    scan: &'s Scan<'s>,
    content: Vec<u8>,
    scratch: Scratch,
}

impl<'s> Reader<'s> {
    pub(super) fn new(scan: &'s Scan<'s>) -> Self {
        Self {
            scan,
            content: vec![0; CHUNK_BYTES],
            scratch: Scratch::default(),
        }
    }

    /// Commits a regular file; `header` replaces what its inode says.
    pub(super) fn regular(
        &mut self,
        dir: &Dir,
        source: &SourceDir,
        entry: &Entry,
        header: Option<FileHeader>,
        began: SystemTime,
    ) -> Result<(FileId, Option<FileRecord>), TreeError> {
        let (file, stat) = dir.open_regular(&*entry.name)?;
        let own_header = header.is_none();
        let header = match header {
            Some(header) => header,
            None => self.header(&file, source, entry)?,
        };
        let id = self.content(&file, &stat, entry, &header)?;
        let record = if own_header && source.place.is_some() {
            self.record(&file, &stat, entry, id, began)?
        } else {
            None
        };
        Ok((id, record))
    }

    fn header(
        &self,
        file: &File,
        source: &SourceDir,
        entry: &Entry,
    ) -> Result<FileHeader, TreeError> {
        let mode = entry.attributes.mode;
        let xattrs = self.scan.xattrs.apply(
            || source.absolute(&entry.name),
            mode,
            || {
                committed_xattrs(xattr::all(file, MAX_XATTRS)?, || {
                    source.path_of(&entry.name)
                })
            },
        )?;
        Ok(FileHeader {
            uid: entry.attributes.uid,
            gid: entry.attributes.gid,
            mode,
            symlink_target: String::new(),
            xattrs,
        })
    }

    fn content(
        &mut self,
        file: &File,
        stat: &Metadata,
        entry: &Entry,
        header: &FileHeader,
    ) -> Result<FileId, TreeError> {
        if self.can_adopt(file, stat, entry, header)? {
            return self.adopt_or_copy(file, stat, header);
        }
        if stat.size > SMALL_CONTENT as u64 {
            return self.large(file, stat.size, header);
        }
        let content = read_whole(file, stat.size, &mut self.content)?;
        Ok(self
            .scan
            .transaction
            .write_small(&mut self.scratch, header, content)?)
    }

    /// Whether the file itself can become the object.
    ///
    /// It must already be what the repository's mode makes of the header, and nobody may be able to change it through a
    /// descriptor or mapping. Other names that it has are no obstacle, as they are none for ostree: who asks to consume
    /// a tree answers for them.
    fn can_adopt(
        &self,
        file: &File,
        stat: &Metadata,
        entry: &Entry,
        header: &FileHeader,
    ) -> Result<bool, TreeError> {
        if !self.scan.consume {
            return Ok(false);
        }
        let fits = match self.scan.transaction.repo().mode() {
            RepoMode::Bare => {
                (stat.uid, stat.gid, stat.mode) == (header.uid, header.gid, header.mode)
                    && (self.scan.xattrs.keeps_all() || has_exactly(file, &header.xattrs)?)
            }
            RepoMode::BareUserOnly => {
                // Whoever owns an inode can change it later: only the owner of the repository may.
                let own = self.scan.transaction.repo().objects().self_metadata()?;
                stat.uid == own.uid
                    && stat.mode == header.mode
                    && xattr::all(file, MAX_XATTRS)?.is_empty()
            }
            RepoMode::BareUser | RepoMode::BareSplitXattrs | RepoMode::Archive => false,
        };
        Ok(fits && stat.ino == entry.stat.ino && ostler_fs::writers(file) != Writers::Some)
    }

    fn adopt_or_copy(
        &mut self,
        file: &File,
        stat: &Metadata,
        header: &FileHeader,
    ) -> Result<FileId, TreeError> {
        let transaction = self.scan.transaction;
        let (id, _) = self.hash(file, header)?;
        match transaction.adopt_content(file, id)? {
            Adoption::Done => Ok(id),
            Adoption::Impossible => {
                rewind(file)?;
                let (copied, _) = transaction.write_content(header, &mut &*file, stat.size)?;
                Ok(copied)
            }
        }
    }

    /// Writes a large file in one pass, or, where compressing costs far more than reading, only if it is new.
    fn large(&mut self, file: &File, size: u64, header: &FileHeader) -> Result<FileId, TreeError> {
        let transaction = self.scan.transaction;
        if transaction.repo().mode() == RepoMode::Archive {
            let (id, _) = self.hash(file, header)?;
            if transaction.has(&ObjectName::from(id))? {
                transaction.count_known_content();
                return Ok(id);
            }
            rewind(file)?;
        }
        let mut writer = transaction.content_writer(header, Some(size))?;
        loop {
            match read_some(file, &mut self.content)? {
                0 => break,
                got => writer.put(&self.content[..got])?,
            }
        }
        Ok(writer.finish()?.0)
    }

    fn hash(&mut self, file: &File, header: &FileHeader) -> Result<(FileId, u64), TreeError> {
        let hashed = header.hasher()?.finish_with(&mut &*file, &mut self.content);
        let (checksum, size) = hashed.map_err(read_error)?;
        Ok((checksum.into(), size))
    }

    /// Makes a record if the file cannot have changed while it was read, and cannot change unseen.
    fn record(
        &self,
        file: &File,
        stat: &Metadata,
        entry: &Entry,
        id: FileId,
        began: SystemTime,
    ) -> Result<Option<FileRecord>, TreeError> {
        let is_safe = same(stat, &entry.stat)
            && is_settled(stat.ctime, began)
            && ostler_fs::writers(file) == Writers::None
            && same(stat, &file::metadata(file)?);
        Ok(is_safe.then(|| FileRecord::new(stat, entry.attributes, id)))
    }

    /// As [`Reader::record`] for a symlink, which cannot be changed but by another one in its place.
    pub(super) fn record_symlink(
        &self,
        dir: &Dir,
        entry: &Entry,
        id: FileId,
        began: SystemTime,
    ) -> Result<Option<FileRecord>, TreeError> {
        if !is_settled(entry.stat.ctime, began) {
            return Ok(None);
        }
        let after = dir.metadata_optional(&*entry.name)?;
        let is_safe = after.is_some_and(|after| same(&after, &entry.stat));
        Ok(is_safe.then(|| FileRecord::new(&entry.stat, entry.attributes, id)))
    }
}

/// Whether a file has these xattrs and no others.
fn has_exactly(file: &File, xattrs: &Xattrs) -> Result<bool, TreeError> {
    let pairs = xattr::all(file, MAX_XATTRS)?;
    let found = pairs.len() == xattrs.len();
    let same = |(name, value): &xattr::Xattr| xattrs.get(name) == Some(value);
    Ok(found && pairs.iter().all(same))
}

/// The xattrs that are committed: libostree does not see those without a value, neither here nor in a bare repository, so
/// that an object which had one would not verify there.
pub(super) fn committed_xattrs(
    mut pairs: Vec<xattr::Xattr>,
    path: impl FnOnce() -> String,
) -> Result<Xattrs, TreeError> {
    pairs.retain(|(_, value)| !value.is_empty());
    Xattrs::from_pairs(pairs).map_err(|source| TreeError::Unwritable {
        path: path(),
        source,
    })
}

/// Whether two looks at a file saw the same state of it.
fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev, a.ino, a.size, a.mtime, a.ctime, a.mode, a.uid, a.gid)
        == (b.dev, b.ino, b.size, b.mtime, b.ctime, b.mode, b.uid, b.gid)
}

/// Reads up to `size` bytes; a file that has become shorter gives what it has.
fn read_whole<'b>(file: &File, size: u64, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], TreeError> {
    let size = usize::try_from(size).expect("small files only");
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let mut length = 0;
    while length < size {
        match read_some(file, &mut buffer[length..size])? {
            0 => break,
            got => length += got,
        }
    }
    Ok(&buffer[..length])
}

fn read_some(mut file: &File, buffer: &mut [u8]) -> Result<usize, TreeError> {
    loop {
        match file.read(buffer) {
            Ok(got) => return Ok(got),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error)),
        }
    }
}

fn rewind(mut file: &File) -> Result<(), TreeError> {
    file.seek(SeekFrom::Start(0)).map(drop).map_err(read_error)
}

fn read_error(error: std::io::Error) -> TreeError {
    StoreError::io("reading a file to commit", error).into()
}
