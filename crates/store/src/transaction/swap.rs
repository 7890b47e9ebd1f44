//! Objects that take the place of damaged ones.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use ostler_format::{Checksum, ObjectKind, ObjectName};
use ostler_fs::{LinkPolicy, Trusted};

use super::Transaction;
use crate::error::StoreError;

impl Transaction<'_> {
    /// Removes what is staged under these names.
    pub(crate) fn forget_staged(&self, names: &BTreeSet<ObjectName>) -> Result<(), StoreError> {
        for name in names {
            self.intake.staging.forget(name)?;
        }
        Ok(())
    }

    /// Stages a metadata object whether or not the repository has one of that name.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`]; nothing is staged then.
    pub(crate) fn stage_metadata(&self, name: ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        let actual = Checksum::of(bytes);
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        let temp = self.new_temp(0o644)?;
        temp.file()
            .write_all_at(bytes, 0)
            .map_err(|e| StoreError::io(name.to_string(), e))?;
        self.link_temp(temp, name, LinkPolicy::KeepExisting)
    }

    /// Ends the transaction by putting exactly `names`, all of them staged, in the place of the repository's own objects.
    ///
    /// Commits come last. Each object is replaced in one step; what else is staged is dropped.
    ///
    /// # Errors
    /// [`StoreError::Fs`]; some objects may be replaced already.
    pub(crate) fn commit_replacing(self, names: &BTreeSet<ObjectName>) -> Result<(), StoreError> {
        let staging = &self.intake.staging;
        self.intake.flusher.finish()?;
        if self.fsync && !names.is_empty() {
            // Before the renames: a name in `objects/` must never be seen without its data after a crash.
            staging.dir.sync_file_system()?;
        }
        let is_commit = |name: &&ObjectName| name.kind == ObjectKind::Commit;
        let others = names.iter().filter(|name| !is_commit(name));
        let objects = self.repo.objects();
        for name in others.chain(names.iter().filter(is_commit)) {
            let path = name.loose_path(self.repo.mode().storage_form());
            objects.ensure_dir(&path[..2], 0o775)?;
            if objects
                .metadata_optional(Trusted(&path))?
                .is_some_and(|stat| stat.is_dir())
            {
                // A file cannot be renamed over a directory.
                crate::repair::quarantine(self.repo, *name)?;
            }
            staging
                .dir
                .rename(Trusted(&path), objects, Trusted(&path))?;
        }
        if self.fsync && !names.is_empty() {
            objects.sync_file_system()?;
        }
        staging.remove()
    }
}
