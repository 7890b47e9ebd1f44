//! Reading objects from a repository and its parents.

use std::fs::File;
use std::io::{BufReader, Read};

use ostler_format::{
    Checksum, Commit, CommitId, DirMeta, DirMetaId, DirTree, DirTreeId, FileHeader, FileId,
    MAX_METADATA_SIZE, Metadata, ObjectKind, ObjectName, ReadHeaderError, Xattrs,
};
use ostler_fs::{Dir, FileType, Trusted};

use super::MAX_XATTRS;
use super::content::FileObject;
use super::physical::USER_META_XATTR;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;

/// The longest symlink target that is read.
const MAX_SYMLINK_TARGET: u64 = 4096;

impl Repo {
    /// Whether the repository or one of its parents has the object.
    ///
    /// # Errors
    /// [`StoreError::Fs`] if that cannot be found out.
    pub fn has_object(&self, name: &ObjectName) -> Result<bool, StoreError> {
        for repo in self.chain() {
            if repo.has_own_object(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the repository itself has the object.
    ///
    /// # Errors
    /// [`StoreError::Fs`] if that cannot be found out.
    pub fn has_own_object(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(self.has_loose_object(name)? || self.has_left_out(name)?)
    }

    /// Whether the object has a file in `objects/` of the repository itself.
    pub(crate) fn has_loose_object(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(self
            .objects()
            .exists(Trusted(name.loose_path(self.mode().storage_form())))?)
    }

    /// The repository, then its parents.
    pub fn chain(&self) -> impl Iterator<Item = &Repo> {
        std::iter::successors(Some(self), |repo| repo.parent())
    }

    /// Reads a metadata object's bytes (commit, dirtree, dirmeta, tombstone) without verifying its checksum.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`]; [`StoreError::Fs`] also when it is larger than [`MAX_METADATA_SIZE`].
    pub fn read_metadata(&self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        self.read_metadata_optional(name)?
            .ok_or(StoreError::ObjectMissing { name: *name })
    }

    /// As [`Repo::read_metadata`], `None` if no repository in the chain has it.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn read_metadata_optional(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        for repo in self.chain() {
            let path = name.loose_path(repo.mode().storage_form());
            if let Some(bytes) = repo
                .objects()
                .read_optional(Trusted(&path), MAX_METADATA_SIZE)?
            {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Reads and parses a commit.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`], [`StoreError::Malformed`].
    pub fn read_commit(&self, id: CommitId) -> Result<Commit, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::Commit);
        Commit::parse(&self.read_metadata(&name)?)
            .map_err(|source| StoreError::Malformed { name, source })
    }

    /// Reads and parses a directory listing.
    ///
    /// # Errors
    /// As [`Repo::read_commit`].
    pub fn read_dirtree(&self, id: DirTreeId) -> Result<DirTree, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::DirTree);
        DirTree::parse(&self.read_metadata(&name)?)
            .map_err(|source| StoreError::Malformed { name, source })
    }

    /// Reads and parses a directory's owner, mode and xattrs.
    ///
    /// # Errors
    /// As [`Repo::read_commit`].
    pub fn read_dirmeta(&self, id: DirMetaId) -> Result<DirMeta, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::DirMeta);
        DirMeta::parse(&self.read_metadata(&name)?)
            .map_err(|source| StoreError::Malformed { name, source })
    }

    /// Reads a commit's detached metadata; `None` if it has none.
    ///
    /// # Errors
    /// As [`Repo::read_commit`].
    pub fn read_detached_metadata(&self, id: CommitId) -> Result<Option<Metadata>, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::CommitMeta);
        match self.read_metadata_optional(&name)? {
            None => Ok(None),
            Some(bytes) if bytes.is_empty() => Ok(None),
            Some(bytes) => Metadata::parse(&bytes)
                .map(Some)
                .map_err(|source| StoreError::Malformed { name, source }),
        }
    }

    /// Opens a content object of this repository or a parent.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`], [`StoreError::Malformed`], [`StoreError::Damaged`].
    pub fn open_file_object(&self, id: FileId) -> Result<FileObject, StoreError> {
        for repo in self.chain() {
            let name = ObjectName::new(id.checksum(), ObjectKind::File);
            let path = name.loose_path(repo.mode().storage_form());
            if let Some(object) = open_file_object_at(repo, repo.objects(), &path, name)? {
                return Ok(object);
            }
            if let Some(object) = repo.open_left_out(name)? {
                return Ok(object);
            }
        }
        Err(StoreError::ObjectMissing {
            name: ObjectName::new(id.checksum(), ObjectKind::File),
        })
    }
}

/// Opens the content object at `path` beneath `dir`, which is in the form of `repo`'s mode.
pub(crate) fn open_file_object_at(
    repo: &Repo,
    dir: &Dir,
    path: &str,
    name: ObjectName,
) -> Result<Option<FileObject>, StoreError> {
    match repo.mode() {
        RepoMode::Archive => open_archive(dir, path, name),
        RepoMode::BareUser => open_bare_user(dir, path, name),
        RepoMode::Bare | RepoMode::BareUserOnly | RepoMode::BareSplitXattrs => {
            open_bare(repo, dir, path, name)
        }
    }
}

fn open_archive(dir: &Dir, path: &str, name: ObjectName) -> Result<Option<FileObject>, StoreError> {
    let Some((file, _)) = dir.open_regular_optional(Trusted(path))? else {
        return Ok(None);
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let (header, size) = FileHeader::read_archive_prefix(&mut reader)
        .map_err(|source| header_error(name, source))?;
    Ok(Some(if header.is_symlink() {
        FileObject::without_content(name, header)
    } else {
        FileObject::deflated(name, header, reader, size)
    }))
}

fn open_bare_user(
    dir: &Dir,
    path: &str,
    name: ObjectName,
) -> Result<Option<FileObject>, StoreError> {
    let Some((mut file, stat)) = dir.open_regular_optional(Trusted(path))? else {
        return Ok(None);
    };
    let size = stat.size;
    let value = ostler_fs::xattr::get(&file, USER_META_XATTR, MAX_XATTRS)?
        .ok_or_else(|| damaged(name, "it has no xattr `user.ostreemeta`"))?;
    let mut header = FileHeader::parse_user_meta(&value)
        .map_err(|source| StoreError::Malformed { name, source })?;
    if !header.is_symlink() {
        return Ok(Some(FileObject::plain(name, header, file, size)));
    }
    if size > MAX_SYMLINK_TARGET {
        return Err(damaged(name, "its symlink target is too long"));
    }
    let mut target = Vec::new();
    (&mut file)
        .take(MAX_SYMLINK_TARGET)
        .read_to_end(&mut target)
        .map_err(|e| StoreError::io(name.to_string(), e))?;
    if target.last() == Some(&0) {
        target.pop();
    }
    header.symlink_target = symlink_target(target, name)?;
    Ok(Some(FileObject::without_content(name, header)))
}

fn open_bare(
    repo: &Repo,
    dir: &Dir,
    path: &str,
    name: ObjectName,
) -> Result<Option<FileObject>, StoreError> {
    let Some(stat) = dir.metadata_optional(Trusted(path))? else {
        return Ok(None);
    };
    let plain_owner = repo.mode() == RepoMode::BareUserOnly;
    let mut header = FileHeader {
        uid: if plain_owner { 0 } else { stat.uid },
        gid: if plain_owner { 0 } else { stat.gid },
        mode: stat.mode,
        symlink_target: String::new(),
        xattrs: Xattrs::new(),
    };
    match stat.file_type {
        FileType::Symlink => {
            header.symlink_target = symlink_target(dir.read_link(Trusted(path))?, name)?;
            if !plain_owner {
                header.xattrs = object_xattrs(repo, dir, path, None, name)?;
            }
            Ok(Some(FileObject::without_content(name, header)))
        }
        FileType::Regular => {
            let Some((file, stat)) = dir.open_regular_optional(Trusted(path))? else {
                return Ok(None);
            };
            if !plain_owner {
                header.xattrs = object_xattrs(repo, dir, path, Some(&file), name)?;
            }
            Ok(Some(FileObject::plain(name, header, file, stat.size)))
        }
        _ => Err(damaged(name, "it is neither a regular file nor a symlink")),
    }
}

fn object_xattrs(
    repo: &Repo,
    dir: &Dir,
    path: &str,
    file: Option<&File>,
    name: ObjectName,
) -> Result<Xattrs, StoreError> {
    if repo.mode() == RepoMode::BareSplitXattrs {
        return split_xattrs(repo, name.checksum);
    }
    if repo.config().disable_xattrs {
        return Ok(Xattrs::new());
    }
    let pairs = match file {
        Some(file) => ostler_fs::xattr::all(file, MAX_XATTRS)?,
        None => dir.xattrs(Trusted(path), MAX_XATTRS)?,
    };
    Xattrs::from_pairs(pairs).map_err(|source| StoreError::Malformed { name, source })
}

fn split_xattrs(repo: &Repo, checksum: Checksum) -> Result<Xattrs, StoreError> {
    let link = ObjectName::new(checksum, ObjectKind::FileXattrsLink);
    let path = link.loose_path(repo.mode().storage_form());
    match repo
        .objects()
        .read_optional(Trusted(path), MAX_METADATA_SIZE)?
    {
        // Every file has one; that of a file without xattrs is of an empty list.
        None => Err(StoreError::ObjectMissing { name: link }),
        Some(bytes) => {
            Xattrs::parse(&bytes).map_err(|source| StoreError::Malformed { name: link, source })
        }
    }
}

fn symlink_target(bytes: Vec<u8>, name: ObjectName) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(|_| damaged(name, "its symlink target is not UTF-8"))
}

fn damaged(name: ObjectName, reason: &str) -> StoreError {
    StoreError::Damaged {
        name,
        reason: reason.to_owned(),
    }
}

pub(crate) fn header_error(name: ObjectName, error: ReadHeaderError) -> StoreError {
    match error {
        ReadHeaderError::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            damaged(name, "it ends within its header")
        }
        ReadHeaderError::Io(source) => StoreError::io(name.to_string(), source),
        ReadHeaderError::Object(source) => StoreError::Malformed { name, source },
    }
}
