//! Small files and symlinks of a repository, replaced in one step.
//!
//! What replaces them has a name in `tmp/` first, so that a crash leaves nothing beside refs: old names there are removed
//! after `core.tmp-expiry-secs`.

use std::io::Write;

use ostler_fs::{Dir, Durability, TempFile, Trusted, file, unique_name};

use crate::error::StoreError;
use crate::repo::Repo;

impl Repo {
    /// Puts a file with this content at `name` in `dir`, a directory of this repository; readers see the old or the new.
    ///
    /// With [`Durability::Synced`] the content is synced before the name appears and the directory after.
    pub(crate) fn replace_file(
        &self,
        dir: &Dir,
        name: &str,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), StoreError> {
        let tmp = self.dir().create_dir_all("tmp", 0o775)?;
        let mut temp = TempFile::new(&tmp, 0o644)?;
        temp.write_all(content)
            .map_err(|e| StoreError::io(format!("writing `{name}`"), e))?;
        file::set_mode(&temp, 0o644)?;
        if durability == Durability::Synced {
            temp.sync()?;
        }
        temp.replace_by_way_of(&tmp, dir, Trusted(name))?;
        if durability == Durability::Synced {
            dir.sync()?;
        }
        Ok(())
    }

    /// Puts a symlink to `target` at `name` in `dir`, a directory of this repository.
    pub(crate) fn replace_symlink(
        &self,
        target: &str,
        dir: &Dir,
        name: &str,
    ) -> Result<(), StoreError> {
        let tmp = self.dir().create_dir_all("tmp", 0o775)?;
        let temporary = unique_name(&tmp, |temporary| match tmp.symlink(target, temporary) {
            Err(error) if error.is_already_exists() => Ok(false),
            result => result.map(|()| true),
        })?;
        tmp.rename(&temporary, dir, name).inspect_err(|_| {
            let _ = tmp.unlink_optional(&temporary);
        })?;
        Ok(())
    }
}
