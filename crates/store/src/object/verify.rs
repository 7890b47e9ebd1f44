//! Checking one object against its name.

use ostler_format::{
    Checksum, Commit, CommitId, DirMeta, DirTreeRef, FileHeader, FileId, Metadata, ObjectKind,
    ObjectName,
};

use ostler_fs::FsError;

use super::content::FileObject;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;
use crate::selinux::SELINUX_XATTR;

/// The size of the buffer that content is hashed through.
const BUFFER: usize = 256 * 1024;

/// The errno of a bad sector, and of content that fs-verity refuses.
pub(crate) const EIO: i32 = 5;

/// Checks objects one after another, with one buffer.
#[derive(Debug)]
pub struct ObjectVerifier<'r> {
    repo: &'r Repo,
    buffer: Vec<u8>,
}

impl<'r> ObjectVerifier<'r> {
    /// Makes a verifier for objects of `repo` and its parents.
    #[must_use]
    pub fn new(repo: &'r Repo) -> Self {
        Self {
            repo,
            buffer: vec![0; BUFFER],
        }
    }

    /// Reads the object whole, and checks that it parses and that its bytes give its name; returns their number.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`]; [`StoreError::ChecksumMismatch`], [`StoreError::Malformed`] and
    /// [`StoreError::Damaged`] for a damaged one; [`StoreError::Unreadable`] for one that the disk does not give; other variants
    /// if it could not be looked at.
    pub fn verify(&mut self, name: ObjectName) -> Result<u64, StoreError> {
        match self.verify_as_it_is(name) {
            Err(StoreError::Fs(error)) if is_unreadable(&error) => Err(unreadable(name, &error)),
            Err(StoreError::Io { source, .. }) if source.raw_os_error() == Some(EIO) => {
                Err(unreadable(name, &source))
            }
            Err(StoreError::Fs(error)) if is_unusable(&error) => Err(StoreError::Damaged {
                name,
                reason: error.to_string(),
            }),
            result => result,
        }
    }

    fn verify_as_it_is(&mut self, name: ObjectName) -> Result<u64, StoreError> {
        match name.kind {
            ObjectKind::File => self.verify_content(FileId::new(name.checksum)),
            ObjectKind::CommitMeta => {
                let id = CommitId::new(name.checksum);
                Ok(self
                    .repo
                    .read_detached_metadata(id)?
                    .map_or(0, |metadata: Metadata| metadata.len() as u64))
            }
            _ => self.verify_metadata(name),
        }
    }

    fn verify_metadata(&self, name: ObjectName) -> Result<u64, StoreError> {
        let bytes = self.repo.read_metadata(&name)?;
        let actual = Checksum::of(&bytes);
        if actual != name.checksum && name.kind != ObjectKind::TombstoneCommit {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        let parsed = match name.kind {
            ObjectKind::Commit => Commit::parse(&bytes).map(drop),
            ObjectKind::DirTree => DirTreeRef::parse(&bytes).map(drop),
            ObjectKind::DirMeta => DirMeta::parse(&bytes).map(drop),
            _ => Ok(()),
        };
        parsed.map_err(|source| StoreError::Malformed { name, source })?;
        Ok(bytes.len() as u64)
    }

    fn verify_content(&mut self, id: FileId) -> Result<u64, StoreError> {
        let object = self.repo.open_file_object(id)?;
        let relabelled = libostree_labelled(&object.header);
        match (self.verify_opened(id, object), relabelled) {
            (Err(StoreError::ChecksumMismatch { .. }), Some(header)) => {
                let mut object = self.repo.open_file_object(id)?;
                object.header = header;
                self.verify_opened(id, object)
            }
            (result, _) => result,
        }
    }

    fn verify_opened(&mut self, id: FileId, mut object: FileObject) -> Result<u64, StoreError> {
        let name = ObjectName::from(id);
        let hasher = object
            .header
            .hasher()
            .map_err(|source| StoreError::Malformed { name, source })?;
        let (actual, _) = hasher
            .finish_with(&mut object.unnamed(), &mut self.buffer)
            .map_err(|error| match is_damage(&error) {
                true => StoreError::Damaged {
                    name,
                    reason: error.to_string(),
                },
                false => StoreError::io(name.to_string(), error),
            })?;
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        Ok(object.size)
    }
}

impl Repo {
    /// As [`Repo::open_file_object`], with the xattrs in the order that the object's name is of, where there is one: to be written
    /// in a form that keeps an order. Of files whose order may be another the content is hashed.
    ///
    /// # Errors
    /// As [`Repo::open_file_object`].
    pub(crate) fn open_file_object_as_named(&self, id: FileId) -> Result<FileObject, StoreError> {
        let mut object = self.open_file_object(id)?;
        if let Some(header) = libostree_labelled(&object.header)
            && self.chain().any(|repo| repo.mode() == RepoMode::Bare)
        {
            object.header = header.clone();
            let is_named = ObjectVerifier::new(self).verify_opened(id, object).is_ok();
            object = self.open_file_object(id)?;
            if is_named {
                object.header = header;
            }
        }
        Ok(object)
    }
}

/// The header of a file that libostree labelled, where that is another one: it puts the label last among the xattrs, an order
/// that files on disk do not keep.
fn libostree_labelled(header: &FileHeader) -> Option<FileHeader> {
    let last = header.xattrs.iter().last()?.0;
    if last == SELINUX_XATTR || header.xattrs.get(SELINUX_XATTR).is_none() {
        return None;
    }
    let mut header = header.clone();
    header.xattrs.move_last(SELINUX_XATTR);
    Some(header)
}

/// Whether the error says that the disk, or fs-verity, did not give the bytes.
pub(crate) fn is_unreadable(error: &FsError) -> bool {
    error.raw_os_error() == Some(EIO)
}

pub(crate) fn unreadable(name: ObjectName, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable {
        name,
        reason: error.to_string(),
    }
}

/// Whether the error says that the object's file is none, such as a symlink where none may be.
fn is_unusable(error: &FsError) -> bool {
    use std::io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory};
    /// `ENXIO`, `ELOOP`: a socket, a symlink.
    const ERRNOS: [i32; 2] = [6, 40];
    matches!(error.kind(), InvalidInput | IsADirectory | NotADirectory)
        || error
            .raw_os_error()
            .is_some_and(|errno| ERRNOS.contains(&errno))
}

/// Whether the error says that the bytes are wrong, not that they could not be had.
fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}
