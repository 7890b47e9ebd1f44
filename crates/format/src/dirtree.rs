//! The dirtree object: `(a(say)a(sayay))`, files and directories by name, each list sorted by the names' bytes.

use crate::checksum::{Checksum, DirMetaId, DirTreeId, FileId};
use crate::dirmeta::check_size;
use crate::error::{InObject as _, ObjectError};
use crate::variant::framing::{Items, Member, push_end, width_for};
use crate::variant::{VariantError, push_frame, split_tuple};

const OBJECT: &str = "dirtree";
const LAYOUT: [Member; 2] = [Member::variable(1), Member::variable(1)];

/// A subdirectory in a [`DirTree`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirEntry {
    /// Its name.
    pub name: String,
    /// Its listing.
    pub tree: DirTreeId,
    /// Its owner, mode and xattrs.
    pub meta: DirMetaId,
}

/// A directory listing, owned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DirTree {
    /// Regular files and symlinks, sorted by the names' bytes.
    pub files: Vec<(String, FileId)>,
    /// Subdirectories, sorted by the names' bytes.
    pub dirs: Vec<DirEntry>,
}

impl DirTree {
    /// Parses a dirtree object.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        DirTreeRef::parse(bytes).map(|tree| tree.to_owned())
    }

    /// Puts both lists in order.
    pub fn sort(&mut self) {
        self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.dirs.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// A name that can't be a file's, is out of order, or is in both lists.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let files = self.files.iter().map(|(name, _)| name.as_str());
        let dirs = self.dirs.iter().map(|dir| dir.name.as_str());
        check_names(files.clone())?;
        check_names(dirs.clone())?;
        check_disjoint(files, dirs)?;
        let names: usize = self.files.iter().map(|(name, _)| name.len() + 40).sum();
        let mut out = Vec::with_capacity(names + self.dirs.len() * 128 + 8);
        let mut ends = Vec::with_capacity(self.files.len().max(self.dirs.len()));
        for (name, id) in &self.files {
            push_entry(&mut out, name, &[id.checksum()]);
            ends.push(out.len());
        }
        push_frame(&mut out, 0, ends.drain(..));
        let files_end = out.len();
        for dir in &self.dirs {
            push_entry(
                &mut out,
                &dir.name,
                &[dir.tree.checksum(), dir.meta.checksum()],
            );
            ends.push(out.len());
        }
        push_frame(&mut out, files_end, ends.into_iter());
        push_frame(&mut out, 0, [files_end].into_iter());
        check_size(OBJECT, out.len())?;
        Ok(out)
    }

    /// The id of [`DirTree::to_bytes`].
    pub fn id(&self) -> Result<DirTreeId, ObjectError> {
        Ok(Checksum::of(&self.to_bytes()?).into())
    }
}

/// Appends `(say)` or `(sayay)`.
fn push_entry(out: &mut Vec<u8>, name: &str, checksums: &[Checksum]) {
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    for checksum in checksums {
        out.extend_from_slice(checksum.as_bytes());
    }
    let name_end = name.len() + 1;
    let width = width_for(name_end + 32 * checksums.len(), checksums.len());
    if checksums.len() == 2 {
        push_end(out, width, name_end + 32);
    }
    push_end(out, width, name_end);
}

/// Refuses names that are no file's, and names that are not strictly ascending.
fn check_names<'n>(names: impl Iterator<Item = &'n str>) -> Result<(), ObjectError> {
    let mut before = "";
    for name in names {
        check_name(name)?;
        if name <= before {
            return Err(ObjectError::Order {
                object: OBJECT,
                name: name.into(),
            });
        }
        before = name;
    }
    Ok(())
}

/// Refuses what can't be one file's name: empty, `.`, `..`, or with `/` or NUL in it.
pub fn check_name(name: &str) -> Result<(), ObjectError> {
    let bad = matches!(name, "" | "." | "..") || name.bytes().any(|byte| byte == b'/' || byte == 0);
    if bad {
        Err(ObjectError::Name {
            object: OBJECT,
            name: name.into(),
        })
    } else {
        Ok(())
    }
}

/// Refuses a name that is in both of two sorted lists.
fn check_disjoint<'n>(
    mut files: impl Iterator<Item = &'n str>,
    mut dirs: impl Iterator<Item = &'n str>,
) -> Result<(), ObjectError> {
    let (mut file, mut dir) = (files.next(), dirs.next());
    while let (Some(f), Some(d)) = (file, dir) {
        match f.cmp(d) {
            std::cmp::Ordering::Less => file = files.next(),
            std::cmp::Ordering::Greater => dir = dirs.next(),
            std::cmp::Ordering::Equal => {
                return Err(ObjectError::Order {
                    object: OBJECT,
                    name: f.into(),
                });
            }
        }
    }
    Ok(())
}

/// A directory listing that borrows the object's bytes; checked whole when parsed, then read without failing.
#[derive(Clone, Copy, Debug)]
pub struct DirTreeRef<'a> {
    files: &'a [u8],
    dirs: &'a [u8],
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

impl<'a> DirTreeRef<'a> {
    /// Checks a dirtree object and borrows it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [files, dirs] = split_tuple(bytes, &LAYOUT).within(OBJECT)?;
        let tree = Self { files, dirs };
        check_list::<1>(files)?;
        check_list::<2>(dirs)?;
        check_disjoint(
            tree.files().map(|file| file.name),
            tree.dirs().map(|dir| dir.name),
        )?;
        Ok(tree)
    }

    /// The files, by name.
    pub fn files(&self) -> impl Iterator<Item = FileEntryRef<'a>> + Clone + use<'a> {
        entries::<1>(self.files).map(|(name, [id])| FileEntryRef {
            name,
            id: id.into(),
        })
    }

    /// The subdirectories, by name.
    pub fn dirs(&self) -> impl Iterator<Item = DirEntryRef<'a>> + Clone + use<'a> {
        entries::<2>(self.dirs).map(|(name, [tree, meta])| DirEntryRef {
            name,
            tree: tree.into(),
            meta: meta.into(),
        })
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<FileId> {
        self.files()
            .find(|file| file.name == name)
            .map(|file| file.id)
    }

    /// The subdirectory of this name.
    pub fn dir(&self, name: &str) -> Option<DirEntryRef<'a>> {
        self.dirs().find(|dir| dir.name == name)
    }

    /// Copies it.
    pub fn to_owned(&self) -> DirTree {
        DirTree {
            files: self
                .files()
                .map(|file| (file.name.into(), file.id))
                .collect(),
            dirs: self
                .dirs()
                .map(|dir| DirEntry {
                    name: dir.name.into(),
                    tree: dir.tree,
                    meta: dir.meta,
                })
                .collect(),
        }
    }
}

/// Checks a list of `(s ay{N})` whole: framing, names, order, checksum sizes.
fn check_list<const N: usize>(bytes: &[u8]) -> Result<(), ObjectError> {
    let mut before = "";
    let mut items = Items::new(bytes, 1).within(OBJECT)?;
    while let Some(item) = items.step().within(OBJECT)? {
        let (name, _) = split_entry::<N>(item)?;
        check_name(name)?;
        if name <= before {
            return Err(ObjectError::Order {
                object: OBJECT,
                name: name.into(),
            });
        }
        before = name;
    }
    Ok(())
}

/// Takes `(say)` or `(sayay)` apart.
fn split_entry<const N: usize>(item: &[u8]) -> Result<(&str, [Checksum; N]), ObjectError> {
    let parts = split_parts::<N>(item).within(OBJECT)?;
    let mut checksums = [Checksum::new([0; 32]); N];
    for (checksum, part) in checksums.iter_mut().zip(parts.1) {
        *checksum = Checksum::from_slice(part).map_err(|_| ObjectError::ChecksumLength {
            object: OBJECT,
            found: part.len(),
        })?;
    }
    Ok((parts.0, checksums))
}

fn split_parts<const N: usize>(item: &[u8]) -> Result<(&str, [&[u8]; N]), VariantError> {
    let mut sums: [&[u8]; N] = [&[]; N];
    let name = match N {
        1 => {
            let [name, sum] = split_tuple(item, &[Member::variable(1); 2])?;
            sums[0] = sum;
            name
        }
        _ => {
            let [name, tree, meta] = split_tuple(item, &[Member::variable(1); 3])?;
            sums[0] = tree;
            sums[1] = meta;
            name
        }
    };
    Ok((crate::variant::split_str(name)?, sums))
}

fn entries<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = (&str, [Checksum; N])> + Clone {
    Items::new(bytes, 1)
        .ok()
        .into_iter()
        .flatten()
        .map_while(|item| item.ok().and_then(|item| split_entry::<N>(item).ok()))
}
