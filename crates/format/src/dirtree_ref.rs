//! The dirtree object read in place: listing and comparing big trees allocates nothing per entry.

use std::marker::PhantomData;

use crate::checksum::{CHECKSUM_LEN, Checksum, DirMetaId, DirTreeId, FileId};
use crate::dirmeta::check_size;
use crate::dirtree::{DirEntry, DirTree, OBJECT, check_disjoint, check_name, is_name, order};
use crate::error::{InObject as _, ObjectError};
use crate::variant::framing::{Items, Member, read_end, width_for, width_of};
use crate::variant::{not_normal, split_str, split_tuple};

const LAYOUT: [Member; 2] = [Member::variable(1), Member::variable(1)];

/// A directory listing that borrows the object's bytes; checked whole when parsed, then read without failing.
#[derive(Clone, Copy, Debug)]
pub struct DirTreeRef<'a> {
    files: List<'a, 1>,
    dirs: List<'a, 2>,
}

/// A file in a [`DirTreeRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEntryRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its content.
    pub id: FileId,
}

/// A subdirectory in a [`DirTreeRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntryRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its listing.
    pub tree: DirTreeId,
    /// Its owner, mode and xattrs.
    pub meta: DirMetaId,
}

/// The files of a [`DirTreeRef`], by name.
pub type FileEntries<'a> = Entries<'a, 1, FileEntryRef<'a>>;
/// The subdirectories of a [`DirTreeRef`], by name.
pub type DirEntries<'a> = Entries<'a, 2, DirEntryRef<'a>>;

impl<'a> DirTreeRef<'a> {
    /// Checks a dirtree object and borrows it.
    ///
    /// # Errors
    /// Broken framing, checksums that are not 32 bytes, and names that are no file's, out of order, or in both lists.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [files, dirs] = split_tuple(bytes, &LAYOUT).within(OBJECT)?;
        let tree = Self {
            files: List::parse(files)?,
            dirs: List::parse(dirs)?,
        };
        if tree.files.len() > 0 && tree.dirs.len() > 0 {
            check_disjoint(tree.files.names(), tree.dirs.names())?;
        }
        Ok(tree)
    }

    /// The files, by name.
    pub fn files(&self) -> FileEntries<'a> {
        Entries::new(self.files)
    }

    /// The subdirectories, by name.
    pub fn dirs(&self) -> DirEntries<'a> {
        Entries::new(self.dirs)
    }

    /// Finds a file by name; takes logarithmic time.
    pub fn file(&self, name: &str) -> Option<FileId> {
        let (_, [id]) = self.files.find(name)?;
        Some(id.into())
    }

    /// Finds a subdirectory by name; takes logarithmic time.
    pub fn dir(&self, name: &str) -> Option<DirEntryRef<'a>> {
        self.dirs.find(name).map(Into::into)
    }

    /// Copies it.
    pub fn to_owned(&self) -> DirTree {
        let dir = |dir: DirEntryRef<'_>| DirEntry {
            name: dir.name.into(),
            tree: dir.tree,
            meta: dir.meta,
        };
        DirTree {
            files: self
                .files()
                .map(|file| (file.name.into(), file.id))
                .collect(),
            dirs: self.dirs().map(dir).collect(),
        }
    }
}

impl<'a> From<(&'a str, [Checksum; 1])> for FileEntryRef<'a> {
    fn from((name, [id]): (&'a str, [Checksum; 1])) -> Self {
        Self {
            name,
            id: id.into(),
        }
    }
}

impl<'a> From<(&'a str, [Checksum; 2])> for DirEntryRef<'a> {
    fn from((name, [tree, meta]): (&'a str, [Checksum; 2])) -> Self {
        Self {
            name,
            tree: tree.into(),
            meta: meta.into(),
        }
    }
}

/// An iterator over the entries of one list, each with `N` checksums.
#[derive(Clone, Debug)]
pub struct Entries<'a, const N: usize, E> {
    list: List<'a, N>,
    index: usize,
    /// Where the next entry begins.
    start: usize,
    entry: PhantomData<E>,
}

impl<'a, const N: usize, E> Entries<'a, N, E> {
    fn new(list: List<'a, N>) -> Self {
        Self {
            list,
            index: 0,
            start: 0,
            entry: PhantomData,
        }
    }
}

impl<'a, const N: usize, E: From<(&'a str, [Checksum; N])>> Iterator for Entries<'a, N, E> {
    type Item = E;

    #[inline]
    fn next(&mut self) -> Option<E> {
        if self.index == self.list.len() {
            return None;
        }
        let end = self.list.end(self.index);
        let entry = self.list.entry(self.start, end)?;
        self.index += 1;
        self.start = end;
        Some(entry.into())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.list.len() - self.index;
        (left, Some(left))
    }
}

impl<'a, const N: usize, E: From<(&'a str, [Checksum; N])>> ExactSizeIterator
    for Entries<'a, N, E>
{
}

/// A checked `a(say)` or `a(sayay)`, whose entries have `N` checksums.
#[derive(Clone, Copy, Debug)]
struct List<'a, const N: usize> {
    /// The entries.
    body: &'a [u8],
    /// The ends of the entries.
    ends: &'a [u8],
    /// Bytes of one end.
    width: usize,
}

impl<'a, const N: usize> List<'a, N> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let mut items = Items::new(bytes, 1).within(OBJECT)?;
        let (body, ends) = bytes.split_at(items.body());
        let list = Self {
            body,
            ends,
            width: width_of(bytes.len()),
        };
        let mut before: &[u8] = &[];
        while let Some(item) = items.step().within(OBJECT)? {
            let name = match split_name::<N>(item) {
                Some(name) if is_name(name) && std::str::from_utf8(name).is_ok() => name,
                _ => return Err(explain::<N>(item)),
            };
            if name <= before {
                return Err(order(name));
            }
            before = name;
        }
        Ok(list)
    }

    #[inline]
    fn len(&self) -> usize {
        self.ends.len() / self.width
    }

    #[inline]
    fn end(&self, index: usize) -> usize {
        let at = index * self.width;
        read_end(&self.ends[at..at + self.width])
    }

    #[inline]
    fn entry(&self, start: usize, end: usize) -> Option<(&'a str, [Checksum; N])> {
        let item = self.body.get(start..end)?;
        let name = split_name::<N>(item)?;
        let (sums, _) = item[name.len() + 1..].as_chunks::<CHECKSUM_LEN>();
        let sums = sums.first_chunk::<N>()?;
        Some((std::str::from_utf8(name).ok()?, sums.map(Checksum::new)))
    }

    fn names(self) -> impl Iterator<Item = &'a [u8]> {
        let mut start = 0;
        (0..self.len()).map_while(move |index| {
            let end = self.end(index);
            let item = self.body.get(start..end)?;
            start = end;
            split_name::<N>(item)
        })
    }

    fn find(&self, name: &str) -> Option<(&'a str, [Checksum; N])> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start = if middle == 0 { 0 } else { self.end(middle - 1) };
            let entry = self.entry(start, self.end(middle))?;
            match entry.0.cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(entry),
            }
        }
        None
    }
}

/// The name in a `(say)` or `(sayay)` that is framed right and has `N` checksums of 32 bytes.
#[inline]
fn split_name<const N: usize>(item: &[u8]) -> Option<&[u8]> {
    let width = width_of(item.len());
    let body = item.len().checked_sub(N * width)?;
    let name_end = body.checked_sub(N * CHECKSUM_LEN)?;
    let mut frame = item.len();
    for i in 0..N {
        frame -= width;
        if read_end(&item[frame..frame + width]) != name_end + i * CHECKSUM_LEN {
            return None;
        }
    }
    match item[..name_end] {
        [ref name @ .., 0] if width_for(body, N) == width => Some(name),
        _ => None,
    }
}

/// The error of an entry that [`List::parse`] refused, found at leisure.
fn explain<const N: usize>(item: &[u8]) -> ObjectError {
    let check = || {
        let parts: Vec<&[u8]> = match N {
            1 => split_tuple(item, &[Member::variable(1); 2])
                .within(OBJECT)?
                .to_vec(),
            _ => split_tuple(item, &[Member::variable(1); 3])
                .within(OBJECT)?
                .to_vec(),
        };
        if let Some(sum) = parts[1..].iter().find(|sum| sum.len() != CHECKSUM_LEN) {
            return Err(ObjectError::ChecksumLength {
                object: OBJECT,
                found: sum.len(),
            });
        }
        check_name(split_str(parts[0]).within(OBJECT)?)
    };
    match check() {
        Err(error) => error,
        Ok(()) => ObjectError::Variant {
            object: OBJECT,
            source: not_normal("an entry is framed wrong"),
        },
    }
}
