//! Deleting what no commit that is kept needs.
//!
//! [`plan`] decides which commits stay, [`prune`] marks what they need and sweeps the rest. The sweep deletes commits
//! first: a crash within leaves objects that nothing names, never a commit whose objects are gone.

use std::collections::{BTreeMap, HashSet};

use ostler_format::{CommitId, ObjectKind, ObjectName, Refspec};
use ostler_fs::Trusted;

use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::reachable::{Depth, Missing, ObjectSet, Reachable};
use crate::refs::{Partial, RefKey};
use crate::repo::Repo;
use crate::transaction::remove_leftovers;

/// What to keep, and whether anything is deleted.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// Keep what refs reach, instead of every commit.
    pub refs_only: bool,
    /// How many parents of a kept commit stay.
    pub depth: Depth,
    /// A ref's history ends before the first commit with an earlier timestamp (seconds since 1970); its newest commit stays.
    pub keep_younger_than: Option<u64>,
    /// Depths of single branches, in place of `depth`.
    pub retain_branch_depth: BTreeMap<Refspec, Depth>,
    /// Only these branches lose history; all others stay whole.
    pub only_branch: Vec<Refspec>,
    /// Only commit objects are deleted.
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
    /// Objects in the repository, `commitmeta` aside.
    pub objects_total: u64,
    /// Objects that were deleted (or would be).
    pub objects_deleted: u64,
    /// Their bytes on disk.
    pub bytes_freed: u64,
    /// Commits among them.
    pub commits_deleted: u64,
}

/// Deletes what `options` does not keep.
///
/// Holds the exclusive lock. Memory is some 40 bytes for each object that stays.
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
    let report = sweep(repo, options, &keep, sink)?;
    if !options.dry_run {
        remove_leftovers(repo)?;
    }
    sink.event(Event::End {
        phase: Phase::Prune,
    });
    Ok(report)
}

fn mark(repo: &Repo, options: &PruneOptions) -> Result<ObjectSet, StoreError> {
    let mut reachable = Reachable::new(repo, Missing::Error);
    for (commit, depth) in plan(repo, options)? {
        if options.commit_only {
            reachable.add_commit_object(commit, depth)?;
        } else {
            reachable.add_commit(commit, depth)?;
        }
    }
    Ok(reachable.into_set())
}

/// Decides which commits stay, with how many of their parents.
///
/// # Errors
/// [`StoreError::Fs`], [`StoreError::Malformed`].
pub fn plan(repo: &Repo, options: &PruneOptions) -> Result<Vec<(CommitId, Depth)>, StoreError> {
    let mut keep = Vec::new();
    for (key, commit) in repo.list_all_refs()? {
        if !repo.has_object(&commit.into())? {
            continue;
        }
        match (depth_of(&key, options), options.keep_younger_than) {
            (Retain::Depth(depth), _) | (Retain::Default(depth), None) => {
                keep.push((commit, depth))
            }
            (Retain::Default(_), Some(oldest)) => keep.extend(younger_than(repo, commit, oldest)?),
        }
    }
    if !options.is_by_ref() {
        keep.extend(
            all_commits(repo)?
                .into_iter()
                .map(|commit| (commit, Depth::Parents(0))),
        );
    }
    Ok(keep)
}

/// The commit that a ref points to, and its parents up to the first that is older.
fn younger_than(
    repo: &Repo,
    tip: CommitId,
    oldest: u64,
) -> Result<Vec<(CommitId, Depth)>, StoreError> {
    let mut keep = vec![(tip, Depth::Parents(0))];
    let mut next = repo.read_commit(tip)?.parent;
    while let Some(id) = next {
        if !repo.has_object(&id.into())? {
            break;
        }
        let commit = repo.read_commit(id)?;
        if commit.timestamp < oldest {
            break;
        }
        keep.push((id, Depth::Parents(0)));
        next = commit.parent;
    }
    Ok(keep)
}

/// How much of a ref's history stays.
enum Retain {
    /// This much, whatever else was asked.
    Depth(Depth),
    /// What was asked for refs that nothing special was asked of.
    Default(Depth),
}

fn depth_of(key: &RefKey, options: &PruneOptions) -> Retain {
    let spec = match key {
        RefKey::Head(name) => Refspec {
            remote: None,
            name: name.clone(),
        },
        RefKey::Remote { remote, name } => Refspec {
            remote: Some(remote.clone()),
            name: name.clone(),
        },
        RefKey::Mirror { name, .. } => Refspec {
            remote: None,
            name: name.clone(),
        },
    };
    if let Some(depth) = options.retain_branch_depth.get(&spec) {
        return Retain::Depth(*depth);
    }
    if !options.only_branch.is_empty() && !options.only_branch.contains(&spec) {
        return Retain::Depth(Depth::All);
    }
    Retain::Default(options.depth)
}

fn all_commits(repo: &Repo) -> Result<Vec<CommitId>, StoreError> {
    let mut commits = Vec::new();
    repo.for_each_object(|name| {
        if name.kind == ObjectKind::Commit {
            commits.push(CommitId::new(name.checksum));
        }
        Ok(())
    })?;
    Ok(commits)
}

fn sweep(
    repo: &Repo,
    options: &PruneOptions,
    keep: &ObjectSet,
    sink: &dyn Sink,
) -> Result<PruneReport, StoreError> {
    let mut report = PruneReport::default();
    let mut doomed = Doomed::default();
    repo.for_each_object(|name| {
        if name.kind == ObjectKind::CommitMeta {
            return Ok(());
        }
        report.objects_total += 1;
        let candidate = match name.kind {
            ObjectKind::Commit => true,
            ObjectKind::File | ObjectKind::DirTree | ObjectKind::DirMeta => !options.commit_only,
            _ => false,
        };
        if candidate && !keep.contains(&name) {
            doomed.push(name);
        }
        Ok(())
    })?;
    sink.event(Event::Total {
        phase: Phase::Prune,
        objects: doomed.len(),
        bytes: 0,
    });
    for name in doomed.iter() {
        report.bytes_freed += delete_object(repo, name, options)?;
        report.objects_deleted += 1;
        report.commits_deleted += u64::from(name.kind == ObjectKind::Commit);
        sink.event(Event::Advance {
            phase: Phase::Prune,
            objects: 1,
            bytes: 0,
        });
    }
    if !options.dry_run {
        remove_orphaned_commit_state(repo)?;
    }
    Ok(report)
}

/// What will be deleted: commits, then the rest.
#[derive(Default)]
struct Doomed {
    commits: Vec<ObjectName>,
    others: Vec<ObjectName>,
}

impl Doomed {
    fn push(&mut self, name: ObjectName) {
        let list = if name.kind == ObjectKind::Commit {
            &mut self.commits
        } else {
            &mut self.others
        };
        list.push(name);
    }

    fn len(&self) -> u64 {
        (self.commits.len() + self.others.len()) as u64
    }

    fn iter(&self) -> impl Iterator<Item = ObjectName> {
        self.commits.iter().chain(&self.others).copied()
    }
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
    }
    repo.objects().unlink_optional(Trusted(&path))?;
    Ok(bytes)
}

/// Deletes one commit object that a person named; the next sweep finds what only it needed.
///
/// # Errors
/// [`StoreError::ObjectMissing`]; [`StoreError::RefConflict`] if a ref points to it.
pub fn delete_commit(repo: &Repo, id: CommitId) -> Result<(), StoreError> {
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
            name: key.to_string(),
        });
    }
    forget_commit(repo, id)?;
    repo.objects()
        .unlink_optional(Trusted(name.loose_path(repo.mode().storage_form())))?;
    Ok(())
}

/// Writes the tombstone where the repository keeps them, and removes what is stored beside a commit.
fn forget_commit(repo: &Repo, id: CommitId) -> Result<(), StoreError> {
    if repo.config().tombstone_commits {
        write_tombstone(repo, id)?;
    }
    let detached = ObjectName::new(id.checksum(), ObjectKind::CommitMeta);
    repo.objects()
        .unlink_optional(Trusted(detached.loose_path(repo.mode().storage_form())))?;
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
