//! A delta's files, in a repository or beside each other anywhere.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ostler_format::MAX_METADATA_SIZE;
use ostler_format::delta::{DeltaName, SignedSuperblock, Superblock};
use ostler_fs::Dir;

use super::DeltaError;
use crate::error::StoreError;
use crate::repo::Repo;
use crate::sign::{SignError, Verifier};

/// The file of the head in a delta's folder.
const SUPERBLOCK: &str = "superblock";

/// A superblock, and where the parts are that are not in it.
pub struct DeltaFiles {
    folder: Dir,
    /// The superblock.
    pub superblock: Superblock,
    signed: Option<SignedSuperblock>,
}

impl DeltaFiles {
    /// Opens a delta of a repository.
    ///
    /// # Errors
    /// [`DeltaError::Absent`], [`DeltaError::Superblock`].
    pub fn of_repo(repo: &Repo, name: &DeltaName) -> Result<Self, DeltaError> {
        let absent = || DeltaError::Absent { name: *name };
        let folder = repo.dir().open_dir_beneath_optional(&*name.path());
        let folder = folder.map_err(StoreError::from)?.ok_or_else(absent)?;
        Self::open(folder, SUPERBLOCK)?.ok_or_else(absent)
    }

    /// Opens the delta in the folder at `path`, or whose superblock is the file at `path`.
    ///
    /// # Errors
    /// [`DeltaError::NoFile`], [`DeltaError::Superblock`].
    pub fn at_path(path: &Path) -> Result<Self, DeltaError> {
        let no_file = |path: &Path| DeltaError::NoFile {
            path: path.display().to_string(),
        };
        let (folder, name) = match (path.is_dir(), path.parent(), path.file_name()) {
            (true, _, _) => (path, SUPERBLOCK),
            (false, Some(parent), Some(name)) => {
                let name = name.to_str().ok_or_else(|| no_file(path))?;
                match parent.as_os_str().is_empty() {
                    true => (Path::new("."), name),
                    false => (parent, name),
                }
            }
            _ => return Err(no_file(path)),
        };
        let dir = Dir::open_ambient_optional(folder).map_err(StoreError::from)?;
        let dir = dir.ok_or_else(|| no_file(folder))?;
        Self::open(dir, name)?.ok_or_else(|| no_file(&folder.join(name)))
    }

    fn open(folder: Dir, name: &str) -> Result<Option<Self>, DeltaError> {
        let bytes = folder.read_optional(name, MAX_METADATA_SIZE);
        let Some(bytes) = bytes.map_err(StoreError::from)? else {
            return Ok(None);
        };
        let (superblock, signed) = parse(bytes)?;
        Ok(Some(Self {
            folder,
            superblock,
            signed,
        }))
    }

    /// Whether the superblock is in the signed form.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signed.is_some()
    }

    /// Looks for a good signature of the superblock.
    ///
    /// # Errors
    /// [`SignError`] if there is none.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<String, SignError> {
        let signed = self.signed.as_ref().ok_or(SignError::Unsigned)?;
        let signatures = verifier.kind().read(&signed.signatures)?;
        verifier.verify(&signed.superblock, &signatures)
    }

    /// Opens the file of a part, or takes it out of the superblock.
    ///
    /// # Errors
    /// [`DeltaError::NoFile`], [`DeltaError::Superblock`].
    pub(crate) fn part(&self, number: usize) -> Result<PartFile, DeltaError> {
        if let Some((compression, rest)) = self.superblock.inline_part(number)? {
            let mut bytes = vec![compression.byte()];
            bytes.extend_from_slice(rest);
            return Ok(PartFile::Inline(std::io::Cursor::new(bytes)));
        }
        let name = number.to_string();
        let opened = self.folder.open_regular_optional(&*name);
        match opened.map_err(StoreError::from)? {
            Some((file, _)) => Ok(PartFile::File(file)),
            None => Err(DeltaError::NoFile {
                path: format!("{}/{name}", self.folder.shown_path().display()),
            }),
        }
    }
}

/// A part's file.
pub(crate) enum PartFile {
    Inline(std::io::Cursor<Vec<u8>>),
    File(File),
}

impl Read for PartFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Inline(bytes) => bytes.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

/// Parses a superblock's file in either form.
///
/// # Errors
/// [`DeltaError::Superblock`].
pub(crate) fn parse(bytes: Vec<u8>) -> Result<(Superblock, Option<SignedSuperblock>), DeltaError> {
    if !SignedSuperblock::is_signed(&bytes) {
        return Ok((Superblock::parse(&bytes)?, None));
    }
    let signed = SignedSuperblock::parse(&bytes)?;
    Ok((Superblock::parse(&signed.superblock)?, Some(signed)))
}
