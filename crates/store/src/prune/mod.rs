//! Deleting what no commit that is kept needs.
//!
//! [`plan()`] decides which commits stay, [`prune`] marks what they need and sweeps the rest. The sweep deletes commits
//! first: a crash within leaves objects that nothing names, never a commit whose objects are gone.

mod keep;
mod plan;
mod sweep;

use std::collections::BTreeMap;

use ostler_format::{CommitId, ObjectKind, ObjectName, Refspec};
use ostler_fs::Trusted;

pub use plan::plan;

use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::reachable::{Depth, Missing, Reachable};
use crate::refs::{Partial, RefKey};
use crate::repo::Repo;
use crate::transaction::remove_leftovers;
use keep::KeepSet;

/// What to keep, and whether anything is deleted.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// Keep what refs reach, instead of every commit.
    pub refs_only: bool,
    /// How many parents of a kept commit stay.
    pub depth: Depth,
    /// A ref's history ends before the first commit with an earlier timestamp (seconds since 1970); its newest commit stays
    /// in any case.
    pub keep_younger_than: Option<u64>,
    /// Depths of single branches, in place of `depth`.
    pub retain_branch_depth: BTreeMap<Refspec, Depth>,
    /// Only these branches lose history; all others stay whole.
    pub only_branch: Vec<Refspec>,
    /// Only commit objects are deleted, and the trees of those that stay are not walked.
    pub commit_only: bool,
    /// Nothing is deleted, only counted.
    pub dry_run: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            refs_only: false,
            depth: Depth::All,
            keep_younger_than: None,
            retain_branch_depth: BTreeMap::new(),
            only_branch: Vec::new(),
            commit_only: false,
            dry_run: false,
        }
    }
}

impl PruneOptions {
    /// Whether commits stay because of refs alone.
    fn is_by_ref(&self) -> bool {
        self.refs_only
            || self.keep_younger_than.is_some()
            || !self.only_branch.is_empty()
            || !self.retain_branch_depth.is_empty()
    }

    /// A branch that does not exist is a mistake in the command, and pruning would go by it.
    fn check_branches(&self, repo: &Repo) -> Result<(), StoreError> {
        for spec in self
            .only_branch
            .iter()
            .chain(self.retain_branch_depth.keys())
        {
            if repo.read_ref(&RefKey::from_refspec(spec))?.is_none() {
                return Err(StoreError::RefNotFound {
                    refspec: spec.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// What was found and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PruneReport {
    /// Objects that were looked at: commits, directories and files, or commits alone.
    pub objects_total: u64,
    /// Objects that were deleted (or would be).
    pub objects_deleted: u64,
    /// Their bytes on disk.
    pub bytes_freed: u64,
    /// Commits among them.
    pub commits_deleted: u64,
}

impl PruneReport {
    fn add(&mut self, other: Self) {
        self.objects_total += other.objects_total;
        self.objects_deleted += other.objects_deleted;
        self.bytes_freed += other.bytes_freed;
        self.commits_deleted += other.commits_deleted;
    }
}

/// Deletes what `options` does not keep.
///
/// Static deltas to commits that are gone, and their packs, go too. Holds the exclusive lock. Memory is 9 to 18 bytes for each file and
/// 33 to 66 for each directory that stays.
///
/// # Errors
/// [`StoreError::ObjectMissing`] if a commit that stays is not whole and not marked partial; nothing is deleted then.
pub fn prune(
    repo: &Repo,
    options: &PruneOptions,
    sink: &dyn Sink,
) -> Result<PruneReport, StoreError> {
    options.check_branches(repo)?;
    let _lock = repo.lock_exclusive()?;
    sink.event(Event::Begin {
        phase: Phase::Prune,
        objects: None,
        bytes: None,
    });
    let keep = mark(repo, options)?;
    let mut report = sweep::sweep(repo, options, &keep, sink)?;
    if !options.commit_only {
        let forgotten = crate::pack::forget(repo, options.dry_run, |name| keep.contains(name))?;
        report.objects_total += forgotten.0;
        report.objects_deleted += forgotten.1;
    }
    if !options.dry_run {
        crate::delta::remove_orphans(repo)?;
        crate::delta::native::sweep(repo)?;
        crate::pack::sweep(repo)?;
        remove_leftovers(repo)?;
        crate::pull::forget_strangers(repo)?;
    }
    sink.event(Event::End {
        phase: Phase::Prune,
    });
    Ok(report)
}

fn mark(repo: &Repo, options: &PruneOptions) -> Result<KeepSet, StoreError> {
    let mut reachable = Reachable::<KeepSet>::with_marks(repo, Missing::Error);
    for (commit, depth) in plan(repo, options)? {
        if options.commit_only {
            reachable.add_commit_object(commit, depth)?;
        } else {
            reachable.add_commit(commit, depth)?;
        }
    }
    Ok(reachable.into_set())
}

/// Deletes one commit object that a person named; the next sweep finds what only it needed. From now on the repository keeps
/// tombstones, so that others learn that this was meant.
///
/// # Errors
/// [`StoreError::ObjectMissing`]; [`StoreError::CommitInUse`] if a ref points to it. Nothing is changed then.
pub fn delete_commit(repo: &mut Repo, id: CommitId) -> Result<(), StoreError> {
    let _lock = repo.lock_exclusive()?;
    let name = ObjectName::from(id);
    if !repo.has_own_object(&name)? {
        return Err(StoreError::ObjectMissing { name });
    }
    if let Some((key, _)) = repo
        .list_all_refs()?
        .into_iter()
        .find(|(_, target)| *target == id)
    {
        return Err(StoreError::CommitInUse {
            commit: id.checksum(),
            name: match key {
                RefKey::Mirror { .. } => key.to_string(),
                _ => format!("'{key}'"),
            },
        });
    }
    keep_tombstones(repo)?;
    forget_commit(repo, id)
}

/// Sets `core.tombstone-commits`.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn keep_tombstones(repo: &mut Repo) -> Result<(), StoreError> {
    if repo.config().tombstone_commits {
        return Ok(());
    }
    repo.change_config(|file| file.set_boolean("core", "tombstone-commits", true))
}

/// Writes the tombstone where the repository keeps them, and removes a commit with what is stored beside it.
fn forget_commit(repo: &Repo, id: CommitId) -> Result<(), StoreError> {
    if repo.config().tombstone_commits {
        write_tombstone(repo, id)?;
    }
    let detached = ObjectName::new(id.checksum(), ObjectKind::CommitMeta);
    // The mark goes last: without it, a commit whose files were never here would pass for a whole one after a crash.
    for name in [detached, ObjectName::from(id)] {
        repo.objects()
            .unlink_optional(Trusted(name.loose_path(repo.mode().storage_form())))?;
    }
    repo.set_partial(id, Partial::No)
}

/// Marks a commit as deleted on purpose.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn write_tombstone(repo: &Repo, id: CommitId) -> Result<(), StoreError> {
    let mut metadata = ostler_format::Metadata::new();
    // A byte string, as libostree has it: hex digits and a NUL.
    metadata.insert("commit", format!("{id}\0").into_bytes());
    let name = ObjectName::new(id.checksum(), ObjectKind::TombstoneCommit);
    let path = name.loose_path(repo.mode().storage_form());
    let (prefix, rest) = path.split_at(2);
    let dir = repo.objects().create_dir_all(prefix, 0o775)?;
    let bytes = metadata.to_bytes()?;
    repo.replace_file(&dir, &rest[1..], &bytes, repo.durability())
}
