//! Uncompressed copies beside an archive repository, so that the second checkout of a file is a hardlink.
//!
//! `uncompressed-objects-cache/xx/….file` holds the content with the mode that a checkout with the process's own owner gives it. Only
//! regular files with content are kept. A file is linked in whole, so a crash leaves none half-written; what prune finds
//! unreachable it removes.

use std::fs::File;

use ostler_format::{FileId, ObjectName, StorageForm};
use ostler_fs::{Dir, HardLink, LinkPolicy, TempFile, Trusted};

use super::{CheckoutError, CheckoutOptions, Links, Ownership};
use crate::mode::RepoMode;
use crate::repo::Repo;

/// The directory of the cache within a repository.
pub(crate) const CACHE_DIR: &str = "uncompressed-objects-cache";

/// The opened cache.
#[derive(Debug)]
pub(super) struct Cache {
    dir: Dir,
}

impl Cache {
    /// Opens the cache where this kind of checkout uses it.
    pub(super) fn open(
        repo: &Repo,
        options: &CheckoutOptions<'_>,
    ) -> Result<Option<Self>, CheckoutError> {
        let used = options.use_cache
            && repo.config().enable_uncompressed_cache
            && repo.mode() == RepoMode::Archive
            && options.ownership == Ownership::User
            && options.links != Links::Copy
            && repo.is_writable();
        if !used {
            return Ok(None);
        }
        Ok(Some(Self {
            dir: repo.dir().create_dir_all(CACHE_DIR, 0o775)?,
        }))
    }

    /// Links the cached file of `id` as `name`.
    pub(super) fn link(
        &self,
        id: FileId,
        dir: &Dir,
        name: &str,
    ) -> Result<Option<HardLink>, CheckoutError> {
        let path = path_of(id);
        match self.dir.hard_link_optional(Trusted(&path), dir, name) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Fills the cache with what `write` puts into a new file.
    pub(super) fn fill(
        &self,
        id: FileId,
        write: impl FnOnce(&mut File) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        let path = path_of(id);
        self.dir.ensure_dir(&path[..2], 0o775)?;
        let temp = TempFile::new(&self.dir, 0o600)?;
        write(
            &mut temp
                .file()
                .try_clone()
                .map_err(|e| crate::StoreError::io("writing the cache", e))?,
        )?;
        temp.link_into(&self.dir, Trusted(&path), LinkPolicy::KeepExisting)?;
        Ok(())
    }
}

fn path_of(id: FileId) -> String {
    ObjectName::from(id).loose_path(StorageForm::Bare)
}
