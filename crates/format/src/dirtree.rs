//! The dirtree object: `(a(say)a(sayay))`, files and directories by name, each list sorted by the names' bytes.

use crate::checksum::{Checksum, DirMetaId, DirTreeId, FileId};
use crate::dirmeta::check_size;
use crate::dirtree_ref::DirTreeRef;
use crate::error::ObjectError;
use crate::variant::framing::{push_end, width_for};
use crate::variant::push_frame;

pub(crate) const OBJECT: &str = "dirtree";

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
        check_disjoint(files.map(str::as_bytes), dirs.map(str::as_bytes))?;
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
            return Err(order(name.as_bytes()));
        }
        before = name;
    }
    Ok(())
}

/// Refuses what can't be one file's name: empty, `.`, `..`, or with `/` or NUL in it.
pub fn check_name(name: &str) -> Result<(), ObjectError> {
    if is_name(name.as_bytes()) {
        Ok(())
    } else {
        Err(ObjectError::Name {
            object: OBJECT,
            name: name.into(),
        })
    }
}

/// Whether it is a file's name, but for its encoding.
#[inline]
pub(crate) fn is_name(name: &[u8]) -> bool {
    // Without an early end, so that it is done many bytes at a time.
    let bad = name
        .iter()
        .fold(false, |bad, &byte| bad | (byte == b'/') | (byte == 0));
    !bad && !matches!(name, [] | [b'.'] | [b'.', b'.'])
}

/// Refuses a name that is in both of two sorted lists.
pub(crate) fn check_disjoint<'n>(
    mut files: impl Iterator<Item = &'n [u8]>,
    mut dirs: impl Iterator<Item = &'n [u8]>,
) -> Result<(), ObjectError> {
    let (mut file, mut dir) = (files.next(), dirs.next());
    while let (Some(f), Some(d)) = (file, dir) {
        match f.cmp(d) {
            std::cmp::Ordering::Less => file = files.next(),
            std::cmp::Ordering::Greater => dir = dirs.next(),
            std::cmp::Ordering::Equal => {
                return Err(order(f));
            }
        }
    }
    Ok(())
}

pub(crate) fn order(name: &[u8]) -> ObjectError {
    ObjectError::Order {
        object: OBJECT,
        name: String::from_utf8_lossy(name).into_owned(),
    }
}
