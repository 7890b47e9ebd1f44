//! What stands before frames: pieces of old objects.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ostler_format::delta::{DeltaFrame, MAX_PREFIX, Source, SourceRange};
use ostler_format::{FileId, ObjectKind, ObjectName};
use ostler_fs::TempFile;

use super::encode::decode;
use crate::error::StoreError;
use crate::pack::{Before, Cut, Standing};
use crate::repo::Repo;

/// Bytes of old objects before a group of small ones, at most.
const BEFORE_GROUP: u64 = 8 << 20;

/// The objects that a delta's frames refer to, as a repository has them.
#[derive(Debug)]
pub(crate) struct OldObjects {
    repo: Repo,
    sources: Vec<Source>,
}

impl OldObjects {
    /// Those of `repo`, which is opened once more: groups are unpacked on threads that outlive any scope.
    pub(crate) fn of(repo: &Repo, sources: Vec<Source>) -> Result<Arc<Self>, StoreError> {
        let repo = Repo::open_dir(repo.dir().try_clone()?, repo.path())?;
        Ok(Arc::new(Self { repo, sources }))
    }

    /// Unpacks a frame, into exactly as many bytes as it should hold.
    ///
    /// # Errors
    /// An old object is not here or is shorter than it should be; [`io::ErrorKind::InvalidData`] for what is no such frame.
    pub(crate) fn unpack(&self, frame: &DeltaFrame, packed: &[u8]) -> io::Result<Vec<u8>> {
        let prefix = self.prefix(frame)?;
        let length = usize::try_from(frame.unpacked).map_err(io::Error::other)?;
        decode(frame.coding, (&prefix, packed), length)
    }

    fn prefix(&self, frame: &DeltaFrame) -> io::Result<Vec<u8>> {
        let mut prefix = Vec::with_capacity(usize::try_from(frame.prefix_bytes()).unwrap_or(0));
        for range in &frame.prefix {
            let source = self.sources.get(range.source as usize);
            let source = source.ok_or_else(|| invalid("a frame refers to no source"))?;
            read_piece(&self.repo, source, range, &mut prefix).map_err(io::Error::other)?;
        }
        Ok(prefix)
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Appends a piece of an old object.
fn read_piece(
    repo: &Repo,
    source: &Source,
    range: &SourceRange,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let short = || StoreError::Damaged {
        name: source.name,
        reason: "it is not as long as the delta says".to_owned(),
    };
    let (offset, length) = (range.offset, range.length as usize);
    if source.name.kind != ObjectKind::File {
        let bytes = repo.read_metadata(&source.name)?;
        let piece = usize::try_from(offset).ok().and_then(|offset| {
            let end = offset.checked_add(length)?;
            bytes.get(offset..end)
        });
        out.extend_from_slice(piece.ok_or_else(short)?);
        return Ok(());
    }
    let mut object = repo.open_file_object(FileId::new(source.name.checksum))?;
    if object.size != source.size {
        return Err(short());
    }
    let failed = |error| StoreError::io(source.name.to_string(), error);
    let start = out.len();
    out.resize(start + length, 0);
    let piece = &mut out[start..];
    match object.plain_file() {
        Some(file) => file.read_exact_at(piece, offset).map_err(failed),
        None => {
            let skipped = io::copy(&mut object.unnamed().take(offset), &mut io::sink());
            skipped.map_err(failed)?;
            object.unnamed().read_exact(piece).map_err(failed)
        }
    }
}

/// The old versions of new objects, for a delta that is being made.
pub(super) struct OldVersions<'r> {
    repo: &'r Repo,
    old: HashMap<ObjectName, Source>,
    sources: Vec<Source>,
    numbers: HashMap<ObjectName, u32>,
    /// What stands before the group that is being laid.
    prefix: Vec<u8>,
    ranges: Vec<SourceRange>,
    /// The old version of the large object that is being cut.
    open: Option<(ObjectName, File)>,
}

impl<'r> OldVersions<'r> {
    pub(super) fn new(repo: &'r Repo, old: HashMap<ObjectName, Source>) -> Self {
        Self {
            repo,
            old,
            sources: Vec::new(),
            numbers: HashMap::new(),
            prefix: Vec::new(),
            ranges: Vec::new(),
            open: None,
        }
    }

    /// What the delta's frames refer to.
    pub(super) fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    fn number(&mut self, source: Source) -> u32 {
        let sources = &mut self.sources;
        *self.numbers.entry(source.name).or_insert_with(|| {
            sources.push(source);
            sources.len() as u32 - 1
        })
    }

    /// The file of an old object's content, unpacked where it is compressed.
    fn file(&mut self, source: &Source) -> Result<&File, StoreError> {
        let is_open = self
            .open
            .as_ref()
            .is_some_and(|(name, _)| *name == source.name);
        if !is_open {
            let mut object = self
                .repo
                .open_file_object(FileId::new(source.name.checksum))?;
            let failed = |error| StoreError::io(source.name.to_string(), error);
            let file = match object.plain_file() {
                Some(file) => file.try_clone().map_err(failed)?,
                None => {
                    let tmp = self.repo.dir().create_dir_all("tmp", 0o775)?;
                    let mut temp = TempFile::new(&tmp, 0o600)?;
                    io::copy(&mut object.unnamed(), &mut temp).map_err(failed)?;
                    temp.file().try_clone().map_err(failed)?
                }
            };
            self.open = Some((source.name, file));
        }
        Ok(&self.open.as_ref().expect("it was opened above").1)
    }
}

impl Before for OldVersions<'_> {
    fn join(&mut self, name: &ObjectName, is_first: bool) -> Result<bool, StoreError> {
        let Some(source) = self.old.get(name).copied() else {
            return Ok(true);
        };
        let number = self.number(source);
        if self.ranges.iter().any(|range| range.source == number) {
            return Ok(true);
        }
        let length = source.size.min(BEFORE_GROUP);
        if length == 0 {
            return Ok(true);
        }
        if !is_first && self.prefix.len() as u64 + length > BEFORE_GROUP {
            return Ok(false);
        }
        let range = SourceRange {
            source: number,
            offset: 0,
            length: length as u32,
        };
        read_piece(self.repo, &source, &range, &mut self.prefix)?;
        self.ranges.push(range);
        Ok(true)
    }

    fn stand(&mut self, cut: Option<&Cut>) -> Result<Standing, StoreError> {
        let Some(cut) = cut else {
            let prefix = std::mem::take(&mut self.prefix);
            return Ok((prefix, std::mem::take(&mut self.ranges)));
        };
        let Some(source) = self.old.get(&cut.name).copied() else {
            return Ok(Standing::default());
        };
        let (offset, length) = window(cut, source.size);
        let range = SourceRange {
            source: self.number(source),
            offset,
            length: length as u32,
        };
        let mut prefix = vec![0; length as usize];
        let read = self.file(&source)?.read_exact_at(&mut prefix, offset);
        read.map_err(|error| StoreError::io(source.name.to_string(), error))?;
        Ok((prefix, vec![range]))
    }
}

/// Which part of an old version, of `old` bytes, is most like a part of a new one: what lies about where that lies, in proportion.
fn window(cut: &Cut, old: u64) -> (u64, u64) {
    let length = old.min(MAX_PREFIX);
    let middle =
        u128::from(cut.at + cut.length / 2) * u128::from(old) / u128::from(cut.size.max(1));
    let middle = u64::try_from(middle).unwrap_or(old);
    let first = middle.saturating_sub(length / 2).min(old - length);
    (first, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::Checksum;

    #[test]
    fn a_window_lies_about_the_same_place_and_within_the_old_version() {
        let at = |at, size, old| {
            let name = ObjectName::new(Checksum::of(b"x"), ObjectKind::File);
            let length = 8 << 20;
            window(
                &Cut {
                    name,
                    at,
                    length,
                    size,
                },
                old,
            )
        };
        assert_eq!(at(0, 100, 7), (0, 7));
        assert_eq!(at(0, 1 << 30, 1 << 30), (0, MAX_PREFIX));
        let end = (1 << 30) - (8 << 20);
        assert_eq!(
            at(end, 1 << 30, 1 << 30),
            ((1 << 30) - MAX_PREFIX, MAX_PREFIX)
        );
        let (first, length) = at(1 << 29, 1 << 30, 1 << 31);
        assert!(first <= 1 << 30 && first + length > 1 << 30);
        let (first, length) = at(u64::MAX / 2, u64::MAX, u64::MAX / 4);
        assert!(first + length <= u64::MAX / 4);
    }
}
