//! The end of a transaction: objects become durable, then part of the repository, then the refs move.

use std::thread;

use ostler_format::{ObjectKind, ObjectName};
use ostler_fs::{Dir, Durability, Trusted, xattr};

use super::staging::remove_leftovers;
use super::{Transaction, TransactionStats};
use crate::error::StoreError;
use crate::refs;

/// Below this many objects a second thread costs more than it saves.
const PARALLEL_MOVES: usize = 512;

/// Below this many objects there is little to gain from moving directories.
const WHOLE_DIRS: usize = 256;

impl Transaction<'_> {
    /// Publishes the objects and moves the refs.
    ///
    /// When this returns (and syncing is on) all of it survives a power cut. A crash within leaves either the old refs or
    /// the new ones, and no commit object without the objects that this transaction brought for it.
    ///
    /// # Errors
    /// [`StoreError`]; the objects stay staged and the next transaction takes them over.
    pub fn commit(self) -> Result<TransactionStats, StoreError> {
        if std::env::var_os("OSTREE_REPO_TEST_ERROR").is_some_and(|point| point == "pre-commit") {
            return Err(StoreError::FailPoint {
                name: "OSTREE_REPO_TEST_ERROR_PRE_COMMIT",
            });
        }
        let stats = self.stats();
        let names = self.intake.staging.drain();
        let (commits, others): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| matches!(name.kind, ObjectKind::Commit | ObjectKind::CommitMeta));
        let wrote = !(commits.is_empty() && others.is_empty());
        let wrote_both = !(commits.is_empty() || others.is_empty());
        self.intake.flusher.finish()?;
        // What another process staged may not have been synced one by one.
        let synced = self.intake.per_object_fsync && !self.intake.staging.took_over;
        if wrote && self.fsync && !synced {
            // Before the moves: a name in `objects/` must never be seen without its data after a crash.
            self.intake.staging.dir.sync_file_system()?;
        }
        let others = self.move_whole_dirs(others, &commits)?;
        self.move_objects(&others)?;
        if self.fsync && wrote_both {
            self.repo.objects().sync_file_system()?;
        }
        self.move_objects(&commits)?;
        if self.fsync && wrote {
            self.repo.objects().sync_file_system()?;
        }
        let moved_refs = self.move_refs()?;
        if moved_refs && self.repo.config().auto_update_summary {
            crate::summary::regenerate(self.repo, &ostler_format::Metadata::default())?;
        }
        let repo = self.repo;
        self.intake.staging.remove()?;
        remove_leftovers(repo)?;
        Ok(stats)
    }

    /// Ends the transaction without publishing; what was staged is removed.
    ///
    /// Dropping a transaction instead keeps the objects for the next one of this boot.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn abort(self) -> Result<(), StoreError> {
        self.intake.staging.remove()
    }

    /// Moves each directory of objects that the repository does not have yet in one step; returns the objects that are left.
    ///
    /// One that holds a commit waits, as commits come last.
    fn move_whole_dirs(
        &self,
        objects: Vec<ObjectName>,
        commits: &[ObjectName],
    ) -> Result<Vec<ObjectName>, StoreError> {
        let target = self.repo.objects();
        let staging = &self.intake.staging;
        let are_plain = new_dirs_are_plain(target)? && new_dirs_are_plain(&staging.dir)?;
        if objects.len() < WHOLE_DIRS || !are_plain {
            return Ok(objects);
        }
        let mut left = Vec::new();
        for group in objects.chunk_by(|a, b| prefix(a) == prefix(b)) {
            let first = &group[0];
            let has_commit = commits.iter().any(|commit| prefix(commit) == prefix(first));
            let name = format!("{:02x}", prefix(first));
            let moved = !has_commit
                && staging.made_dir_of(first)
                && staging.dir.rename_noreplace(&name, target, &name)?;
            if !moved {
                left.extend_from_slice(group);
            }
        }
        Ok(left)
    }

    fn move_objects(&self, names: &[ObjectName]) -> Result<(), StoreError> {
        if names.len() < PARALLEL_MOVES {
            return self.move_slice(names);
        }
        // The names are sorted, so each half has its own prefix directories and the threads do not contend for them.
        let (low, high) = names.split_at(names.len() / 2);
        thread::scope(|scope| {
            let high = scope.spawn(|| self.move_slice(high));
            self.move_slice(low)?;
            high.join().expect("moving objects does not panic")
        })
    }

    fn move_slice(&self, names: &[ObjectName]) -> Result<(), StoreError> {
        let objects = self.repo.objects();
        let form = self.repo.mode().storage_form();
        let mut prefix = String::new();
        for name in names {
            let path = name.loose_path(form);
            if path[..2] != prefix {
                path[..2].clone_into(&mut prefix);
                objects.ensure_dir(&prefix, 0o775)?;
            }
            if name.kind == ObjectKind::Commit {
                // It is here again: nothing says any more that it was deleted.
                let tombstone = ObjectName::new(name.checksum, ObjectKind::TombstoneCommit);
                objects.unlink_optional(Trusted(tombstone.loose_path(form)))?;
            }
            if name.kind == ObjectKind::CommitMeta {
                self.intake
                    .staging
                    .dir
                    .rename(Trusted(&path), objects, Trusted(&path))?;
            } else if !self.intake.staging.dir.rename_noreplace(
                Trusted(&path),
                objects,
                Trusted(&path),
            )? {
                // Another transaction brought it; its inode may already have hardlinks, so it stays.
                self.intake.staging.dir.unlink(Trusted(&path))?;
            }
        }
        Ok(())
    }

    fn move_refs(&self) -> Result<bool, StoreError> {
        let durability = if self.fsync {
            Durability::Synced
        } else {
            Durability::Cached
        };
        let refs = std::mem::take(&mut *self.refs.lock().expect("no holder of the refs panics"));
        for (key, target) in &refs {
            refs::write(self.repo, key, *target, durability)?;
        }
        Ok(!refs.is_empty())
    }
}

fn prefix(name: &ObjectName) -> u8 {
    name.checksum.as_bytes()[0]
}

/// Whether a directory made elsewhere and moved here is as one made here: no inherited group, no inherited ACL.
fn new_dirs_are_plain(dir: &Dir) -> Result<bool, StoreError> {
    const SET_GROUP: u32 = 0o2000;
    let has_acl = xattr::get(dir, "system.posix_acl_default", 64 << 10)?.is_some();
    Ok(dir.self_metadata()?.permissions() & SET_GROUP == 0 && !has_acl)
}
