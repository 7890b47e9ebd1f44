//! The executor: deletes what is not kept, in an order that a crash may end anywhere.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::thread;

use ostler_format::{CommitId, ObjectKind, ObjectName};
use ostler_fs::Trusted;

use super::keep::KeepSet;
use super::{PruneOptions, PruneReport, forget_commit};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::refs::Partial;
use crate::repo::Repo;
use crate::transaction::payload_link_target;

/// Deletes commits that are not kept, then the other objects; only counts in a dry run.
pub(super) fn sweep(
    repo: &Repo,
    options: &PruneOptions,
    keep: &KeepSet,
    sink: &dyn Sink,
) -> Result<PruneReport, StoreError> {
    let sweeper = Sweeper {
        repo,
        options,
        keep,
        sink,
    };
    let mut report = PruneReport::default();
    for id in repo.list_commits()? {
        sweeper.take(id.into(), &mut report)?;
    }
    sweeper.sweep_others(&mut report)?;
    if !options.dry_run {
        remove_orphaned_commit_state(repo)?;
    }
    Ok(report)
}

struct Sweeper<'s> {
    repo: &'s Repo,
    options: &'s PruneOptions,
    keep: &'s KeepSet,
    sink: &'s dyn Sink,
}

impl Sweeper<'_> {
    /// Sweeps all that are no commits, on all processors: nobody need remember what is to be deleted.
    fn sweep_others(&self, report: &mut PruneReport) -> Result<(), StoreError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let prefixes: Vec<u8> = (0..=u8::MAX).collect();
        let reports: Vec<Result<PruneReport, StoreError>> = thread::scope(|scope| {
            let shares: Vec<_> = prefixes
                .chunks(prefixes.len().div_ceil(threads))
                .map(|share| {
                    scope.spawn(move || self.sweep_share(share[0]..=share[share.len() - 1]))
                })
                .collect();
            shares
                .into_iter()
                .map(|share| share.join().expect("sweeping does not panic"))
                .collect()
        });
        for share in reports {
            report.add(share?);
        }
        Ok(())
    }

    fn sweep_share(&self, range: RangeInclusive<u8>) -> Result<PruneReport, StoreError> {
        let mut report = PruneReport::default();
        self.repo.for_each_object_in(range, |name| {
            if name.kind == ObjectKind::Commit {
                return Ok(());
            }
            self.take(name, &mut report)
        })?;
        Ok(report)
    }

    /// Counts an object, and deletes it if nothing needs it.
    fn take(&self, name: ObjectName, report: &mut PruneReport) -> Result<(), StoreError> {
        if !is_counted(name, self.options) {
            return Ok(());
        }
        report.objects_total += 1;
        if self.is_unneeded(name)? {
            report.bytes_freed += delete_object(self.repo, name, self.options)?;
            report.objects_deleted += 1;
            report.commits_deleted += u64::from(name.kind == ObjectKind::Commit);
            self.sink.event(Event::Advance {
                phase: Phase::Prune,
                objects: 1,
                bytes: 0,
            });
        }
        Ok(())
    }
}

impl Sweeper<'_> {
    fn is_unneeded(&self, name: ObjectName) -> Result<bool, StoreError> {
        if name.kind != ObjectKind::PayloadLink {
            return Ok(is_candidate(name) && !self.keep.contains(&name));
        }
        let path = name.loose_path(self.repo.mode().storage_form());
        let link = self.repo.objects().read_link_optional(Trusted(&path))?;
        // One that leads nowhere is of no use either.
        let target = link.as_deref().and_then(payload_link_target);
        Ok(target.is_none_or(|target| !self.keep.contains(&target)))
    }
}

/// Whether the object is looked at: none that only go with a commit.
fn is_counted(name: ObjectName, options: &PruneOptions) -> bool {
    match name.kind {
        ObjectKind::CommitMeta | ObjectKind::TombstoneCommit => false,
        kind => kind == ObjectKind::Commit || !options.commit_only,
    }
}

/// Whether objects of this kind are deleted when nothing needs them.
fn is_candidate(name: ObjectName) -> bool {
    matches!(
        name.kind,
        ObjectKind::Commit | ObjectKind::File | ObjectKind::DirTree | ObjectKind::DirMeta
    )
}

fn delete_object(repo: &Repo, name: ObjectName, options: &PruneOptions) -> Result<u64, StoreError> {
    let path = name.loose_path(repo.mode().storage_form());
    let bytes = repo
        .objects()
        .metadata_optional(Trusted(&path))?
        .map_or(0, |stat| stat.size);
    if options.dry_run {
        return Ok(bytes);
    }
    if name.kind == ObjectKind::Commit {
        forget_commit(repo, CommitId::new(name.checksum))?;
    } else {
        repo.objects().unlink_optional(Trusted(&path))?;
    }
    Ok(bytes)
}

/// Removes marks of partial commits whose commit is gone, which a killed prune or pull can leave.
fn remove_orphaned_commit_state(repo: &Repo) -> Result<(), StoreError> {
    let Some(state) = repo.open_dir_optional("state")? else {
        return Ok(());
    };
    let mut gone = HashSet::new();
    for entry in state.entries()?.iter() {
        let Some(name) = entry
            .str_name()
            .and_then(|n| n.strip_suffix(".commitpartial"))
        else {
            continue;
        };
        let Ok(id) = name.parse::<CommitId>() else {
            continue;
        };
        if !repo.has_object(&id.into())? {
            gone.insert(id);
        }
    }
    for id in gone {
        repo.set_partial(id, Partial::No)?;
    }
    Ok(())
}
