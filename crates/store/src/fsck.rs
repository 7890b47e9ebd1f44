//! Checking that every commit has all of its objects, undamaged.
//!
//! Each commit is read and checked; then every object that the commits need is checked once, on all processors.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ostler_format::{Commit, CommitId, ObjectKind, ObjectName};
use ostler_fs::Trusted;

use crate::error::StoreError;
use crate::object::ObjectVerifier;
use crate::progress::{Event, Phase, Sink};
use crate::reachable::{Depth, Missing, ObjectSet, Reachable};
use crate::refs::{Partial, PartialReason};
use crate::repo::Repo;

/// How a repository is checked, and what is done about damage.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsckOptions {
    /// Go on after the first damaged object.
    pub keep_going: bool,
    /// Delete damaged objects, and mark the commits that need them as partial. Implies `keep_going`.
    pub delete: bool,
    /// Write tombstones for parents that are missing.
    pub add_tombstones: bool,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Damage {
    /// The object.
    pub name: ObjectName,
    /// What is wrong with it.
    pub error: StoreError,
    /// Whether the object was deleted.
    pub deleted: bool,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct FsckReport {
    /// Commits that were checked.
    pub commits: u64,
    /// Commits of which only a part was fetched.
    pub partial_commits: u64,
    /// Objects that were checked, commits included.
    pub objects: u64,
    /// Bytes of content that were hashed.
    pub bytes: u64,
    /// Damaged and missing objects, in the order of their names.
    pub damage: Vec<Damage>,
    /// Commits that need a damaged or missing object.
    pub damaged_commits: BTreeSet<CommitId>,
    /// Parents that are neither here nor have a tombstone.
    pub missing_parents: BTreeSet<CommitId>,
}

/// Checks every commit of the repository and all that they need.
///
/// # Errors
/// [`StoreError`] if checking itself fails; damage is in the report.
pub fn fsck(repo: &Repo, options: FsckOptions, sink: &dyn Sink) -> Result<FsckReport, StoreError> {
    let _lock = if options.delete {
        repo.lock_exclusive()?
    } else {
        repo.lock_shared()?
    };
    let mut report = FsckReport::default();
    let commits = check_commits(repo, options, &mut report)?;
    let mut reachable = Reachable::new(repo, Missing::PassOver);
    for (id, _) in &commits {
        reachable.add_commit(*id, Depth::Parents(0))?;
    }
    let objects = objects_to_check(reachable.set());
    check_objects(repo, options, objects, &mut report, sink)?;
    report.damage.sort_by_key(|damage| damage.name);
    attribute(repo, options, &commits, &mut report)?;
    Ok(report)
}

/// Reads and checks each commit object; returns the sound ones and whether they are partial.
fn check_commits(
    repo: &Repo,
    options: FsckOptions,
    report: &mut FsckReport,
) -> Result<Vec<(CommitId, bool)>, StoreError> {
    let mut ids = Vec::new();
    repo.for_each_object(|name| {
        if name.kind == ObjectKind::Commit {
            ids.push(CommitId::new(name.checksum));
        }
        Ok(())
    })?;
    let mut verifier = ObjectVerifier::new(repo);
    let mut sound = Vec::new();
    for id in ids {
        report.commits += 1;
        match verifier.verify(id.into()) {
            Ok(_) => {}
            Err(error) => {
                record(repo, options, id.into(), error, report)?;
                continue;
            }
        }
        let partial = repo.is_partial(id)?;
        report.partial_commits += u64::from(partial);
        check_parent(repo, options, &repo.read_commit(id)?, report)?;
        sound.push((id, partial));
    }
    Ok(sound)
}

fn check_parent(
    repo: &Repo,
    options: FsckOptions,
    commit: &Commit,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    let Some(parent) = commit.parent else {
        return Ok(());
    };
    let tombstone = ObjectName::new(parent.checksum(), ObjectKind::TombstoneCommit);
    if repo.has_object(&parent.into())? || repo.has_object(&tombstone)? {
        return Ok(());
    }
    if options.add_tombstones {
        crate::prune::write_tombstone(repo, parent)?;
    }
    report.missing_parents.insert(parent);
    Ok(())
}

/// All objects but commits; metadata first, because there is least of it and most depends on it.
fn objects_to_check(set: &ObjectSet) -> Vec<ObjectName> {
    set.iter()
        .filter(|name| name.kind != ObjectKind::Commit)
        .collect()
}

fn check_objects(
    repo: &Repo,
    options: FsckOptions,
    objects: Vec<ObjectName>,
    report: &mut FsckReport,
    sink: &dyn Sink,
) -> Result<(), StoreError> {
    sink.event(Event::Begin {
        phase: Phase::Fsck,
        objects: Some(objects.len() as u64),
        bytes: None,
    });
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failures = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let worker = || -> u64 {
        let mut verifier = ObjectVerifier::new(repo);
        let mut bytes = 0;
        while !stop.load(Ordering::Relaxed) {
            let Some(name) = objects.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let checked = match verifier.verify(*name) {
                Ok(checked) => checked,
                Err(error) => {
                    let stops = !(options.keep_going || options.delete) || !is_damage(&error);
                    failures
                        .lock()
                        .expect("no worker panics")
                        .push((*name, error));
                    stop.fetch_or(stops, Ordering::Relaxed);
                    0
                }
            };
            bytes += checked;
            sink.event(Event::Advance {
                phase: Phase::Fsck,
                objects: 1,
                bytes: checked,
            });
        }
        bytes
    };
    report.bytes += thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
        let own = worker();
        others.into_iter().fold(own, |sum, other| {
            sum + other.join().expect("no worker panics")
        })
    });
    sink.event(Event::End { phase: Phase::Fsck });
    report.objects += report.commits + objects.len() as u64;
    for (name, error) in failures.into_inner().expect("no worker panics") {
        record(repo, options, name, error, report)?;
    }
    Ok(())
}

/// Whether the error says that the object is damaged or missing, not that checking failed.
fn is_damage(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::ObjectMissing { .. }
            | StoreError::ChecksumMismatch { .. }
            | StoreError::Malformed { .. }
            | StoreError::Damaged { .. }
    )
}

fn record(
    repo: &Repo,
    options: FsckOptions,
    name: ObjectName,
    error: StoreError,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    if !is_damage(&error) {
        return Err(error);
    }
    let present = !matches!(error, StoreError::ObjectMissing { .. });
    let deleted = options.delete
        && present
        && repo
            .objects()
            .unlink_optional(Trusted(name.loose_path(repo.mode().storage_form())))?;
    report.damage.push(Damage {
        name,
        error,
        deleted,
    });
    Ok(())
}

/// Finds which commits need what is damaged, and marks them where objects were deleted.
fn attribute(
    repo: &Repo,
    options: FsckOptions,
    commits: &[(CommitId, bool)],
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    if report.damage.is_empty() {
        return Ok(());
    }
    for damage in &report.damage {
        if damage.name.kind == ObjectKind::Commit {
            report
                .damaged_commits
                .insert(CommitId::new(damage.name.checksum));
        }
    }
    // What a partial commit lacks is no damage to it.
    let whole = commits.iter().filter(|(_, partial)| !partial);
    let mut still_damaged = BTreeSet::new();
    for (id, _) in whole {
        let mut reachable = Reachable::new(repo, Missing::PassOver);
        reachable.add_commit(*id, Depth::Parents(0))?;
        for damage in &report.damage {
            if reachable.set().contains(&damage.name) {
                report.damaged_commits.insert(*id);
                still_damaged.insert(damage.name);
            }
        }
        if options.delete && report.damaged_commits.contains(id) {
            repo.set_partial(*id, Partial::Yes(PartialReason::Damaged))?;
        }
    }
    report.damage.retain(|damage| {
        !matches!(damage.error, StoreError::ObjectMissing { .. })
            || still_damaged.contains(&damage.name)
    });
    Ok(())
}
