//! Object kinds, names, and where a loose object lies beneath `objects/`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::checksum::{Checksum, ChecksumError, CommitId, DirMetaId, DirTreeId, FileId};

/// Bytes that a metadata object (commit, dirtree, dirmeta, commitmeta, summary) may have; larger ones are refused.
pub const MAX_METADATA_SIZE: u64 = 128 * 1024 * 1024;

/// What an object is; orders as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A regular file or symlink: header and content.
    File,
    /// A directory listing.
    DirTree,
    /// A directory's owner, mode and xattrs.
    DirMeta,
    /// A commit.
    Commit,
    /// A marker that a commit was deleted on purpose.
    TombstoneCommit,
    /// Detached metadata of a commit; named by the commit's checksum, not by its own.
    CommitMeta,
    /// A symlink from a payload's own checksum to the file object that holds it.
    PayloadLink,
    /// The xattrs of files of a `bare-split-xattrs` repository.
    FileXattrs,
    /// A hardlink from a file's checksum to its xattrs, in a `bare-split-xattrs` repository.
    FileXattrsLink,
}

/// How a repository stores content objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageForm {
    /// Files as files (`bare`, `bare-user`, `bare-user-only`): `.file`.
    Bare,
    /// Files compressed behind a header (`archive`): `.filez`.
    Archive,
}

/// An object name or path that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ObjectNameError {
    /// The checksum in it is not one.
    #[error("{0}")]
    Checksum(#[from] ChecksumError),
    /// The part after the dot names no kind of object.
    #[error("`{found}` is not a kind of object")]
    Kind {
        /// The text after the dot.
        found: String,
    },
    /// The number names no kind of object.
    #[error("{found} is not the number of a kind of object")]
    Number {
        /// The number.
        found: u8,
    },
    /// The text has no dot, or the path is not `<2 hex>/<62 hex>.<ext>`.
    #[error("`{found}` is not an object's name")]
    Shape {
        /// The text.
        found: String,
    },
}

impl ObjectKind {
    /// All kinds, by number.
    pub const ALL: [Self; 9] = [
        Self::File,
        Self::DirTree,
        Self::DirMeta,
        Self::Commit,
        Self::TombstoneCommit,
        Self::CommitMeta,
        Self::PayloadLink,
        Self::FileXattrs,
        Self::FileXattrsLink,
    ];

    /// The number in `ostree.sizes` and static deltas, 1 to 9.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Result<Self, ObjectNameError> {
        let index = usize::from(number).wrapping_sub(1);
        let kind = Self::ALL.get(index).copied();
        kind.ok_or(ObjectNameError::Number { found: number })
    }

    /// The name that people and [`ObjectName`] use; also the extension in [`StorageForm::Bare`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::DirTree => "dirtree",
            Self::DirMeta => "dirmeta",
            Self::Commit => "commit",
            Self::TombstoneCommit => "tombstone-commit",
            Self::CommitMeta => "commitmeta",
            Self::PayloadLink => "payload-link",
            Self::FileXattrs => "file-xattrs",
            Self::FileXattrsLink => "file-xattrs-link",
        }
    }

    /// The extension of the loose file.
    pub const fn extension(self, form: StorageForm) -> &'static str {
        match (self, form) {
            (Self::File, StorageForm::Archive) => "filez",
            _ => self.name(),
        }
    }

    /// Whether it is one GVariant that travels whole and uncompressed.
    pub const fn is_metadata(self) -> bool {
        matches!(
            self,
            Self::DirTree | Self::DirMeta | Self::Commit | Self::TombstoneCommit | Self::CommitMeta
        )
    }

    /// The kind whose loose files have this extension.
    pub fn from_extension(text: &str, form: StorageForm) -> Result<Self, ObjectNameError> {
        let kind = Self::ALL
            .into_iter()
            .find(|kind| kind.extension(form) == text);
        kind.ok_or_else(|| ObjectNameError::Kind { found: text.into() })
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ObjectKind {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        Self::from_extension(text, StorageForm::Bare)
    }
}

/// A checksum and what it names; prints and parses as `<64 hex>.<kind>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The checksum (of the commit that it belongs to, for [`ObjectKind::CommitMeta`]).
    pub checksum: Checksum,
    /// What it names.
    pub kind: ObjectKind,
}

impl ObjectName {
    /// Puts a checksum and a kind together.
    pub const fn new(checksum: Checksum, kind: ObjectKind) -> Self {
        Self { checksum, kind }
    }

    /// Where the object lies beneath `objects/`: `<2 hex>/<62 hex>.<ext>`.
    pub fn loose_path(&self, form: StorageForm) -> String {
        let hex = self.checksum.hex();
        let (directory, rest) = hex.as_str().split_at(2);
        let extension = self.kind.extension(form);
        let mut path = String::with_capacity(66 + extension.len());
        for part in [directory, "/", rest, ".", extension] {
            path.push_str(part);
        }
        path
    }

    /// Reads what [`ObjectName::loose_path`] wrote; anything else is an error.
    pub fn from_loose_path(path: &str, form: StorageForm) -> Result<Self, ObjectNameError> {
        let (directory, file) = path.split_once('/').ok_or_else(|| shape(path))?;
        Self::from_loose_names(directory, file, form)
    }

    /// As [`ObjectName::from_loose_path`], from the directory's name and the file's name in it.
    pub fn from_loose_names(
        directory: &str,
        file: &str,
        form: StorageForm,
    ) -> Result<Self, ObjectNameError> {
        let (rest, extension) = file.split_once('.').ok_or_else(|| shape(file))?;
        if directory.len() != 2 || rest.len() != 62 || !directory.is_ascii() || !rest.is_ascii() {
            return Err(shape(file));
        }
        let mut hex = [0; 64];
        hex[..2].copy_from_slice(directory.as_bytes());
        hex[2..].copy_from_slice(rest.as_bytes());
        let hex = std::str::from_utf8(&hex).map_err(|_| shape(file))?;
        Ok(Self {
            checksum: Checksum::from_hex(hex)?,
            kind: ObjectKind::from_extension(extension, form)?,
        })
    }
}

fn shape(found: &str) -> ObjectNameError {
    ObjectNameError::Shape {
        found: found.into(),
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.checksum, self.kind)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectName({self})")
    }
}

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    fn from_str(text: &str) -> Result<Self, ObjectNameError> {
        let (hex, kind) = text.split_once('.').ok_or_else(|| shape(text))?;
        Ok(Self {
            checksum: Checksum::from_hex(hex)?,
            kind: kind.parse()?,
        })
    }
}

impl From<CommitId> for ObjectName {
    fn from(id: CommitId) -> Self {
        Self::new(id.checksum(), ObjectKind::Commit)
    }
}

impl From<DirTreeId> for ObjectName {
    fn from(id: DirTreeId) -> Self {
        Self::new(id.checksum(), ObjectKind::DirTree)
    }
}

impl From<DirMetaId> for ObjectName {
    fn from(id: DirMetaId) -> Self {
        Self::new(id.checksum(), ObjectKind::DirMeta)
    }
}

impl From<FileId> for ObjectName {
    fn from(id: FileId) -> Self {
        Self::new(id.checksum(), ObjectKind::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_loose_path_name_and_number() {
        let sum = Checksum::of(b"x");
        for kind in ObjectKind::ALL {
            let name = ObjectName::new(sum, kind);
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(ObjectKind::from_number(kind.number()), Ok(kind));
            for form in [StorageForm::Bare, StorageForm::Archive] {
                assert_eq!(
                    ObjectName::from_loose_path(&name.loose_path(form), form),
                    Ok(name)
                );
            }
        }
        assert_eq!(ObjectKind::FileXattrsLink.number(), 9);
        assert!(ObjectKind::from_number(0).is_err());
        assert!(ObjectKind::from_number(10).is_err());
    }

    #[test]
    fn an_archive_calls_content_filez_and_nothing_else_file() {
        let name = ObjectName::new(Checksum::new([0xab; 32]), ObjectKind::File);
        let path = name.loose_path(StorageForm::Archive);
        assert_eq!(path, format!("ab/{}.filez", "ab".repeat(31)));
        assert!(ObjectName::from_loose_path(&path, StorageForm::Bare).is_err());
    }

    #[test]
    fn paths_of_another_shape_are_refused() {
        let good = "ab".repeat(31);
        for bad in [
            "".into(),
            format!("ab{good}.file"),
            format!("a/b{good}.file"),
            format!("AB/{good}.file"),
            format!("ab/{good}file"),
            format!("ab/{good}."),
            format!("ab/{good}.file.tmp"),
            format!("../{good}.file"),
            format!("é/{good}.file"),
        ] {
            assert!(
                ObjectName::from_loose_path(&bad, StorageForm::Bare).is_err(),
                "{bad}"
            );
        }
    }
}
