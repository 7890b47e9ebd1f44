//! Checking that refs lead to commits, and that every commit has all of its objects, undamaged.
//!
//! The steps are the methods of [`Fsck`], in this order. Each commit is read and checked; then every object that the whole ones
//! among them need is checked once, on all processors. Damage is collected in the report, not an error.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ostler_format::{CollectionId, Commit, CommitId, ObjectKind, ObjectName, RefName};
use ostler_fs::Trusted;

use crate::bindings;
use crate::error::StoreError;
use crate::lock::RepoLock;
use crate::object::ObjectVerifier;
use crate::progress::{Event, Phase, Sink};
use crate::reachable::{Depth, Missing, Reachable};
use crate::refs::{Partial, PartialReason, RefKey};
use crate::repo::Repo;

/// How a repository is checked, and what is done about damage.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsckOptions {
    /// Go on after the first damaged object.
    pub keep_going: bool,
    /// Delete damaged objects and mark the commits that need them as partial. Implies `keep_going`.
    pub delete: bool,
    /// Write tombstones for parents that are missing, and keep tombstones from now on.
    pub add_tombstones: bool,
    /// Check that the commit of each ref is bound to it.
    pub verify_bindings: bool,
    /// Check that each ref a commit is bound to exists.
    pub verify_back_refs: bool,
}

/// One object that is damaged or missing.
#[derive(Debug)]
pub struct Damage {
    /// The object.
    pub name: ObjectName,
    /// What is wrong with it.
    pub error: StoreError,
    /// Whether the object was deleted.
    pub deleted: bool,
    /// The commits that need it.
    pub commits: BTreeSet<CommitId>,
}

impl Damage {
    /// Whether the object is absent, not damaged.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.error, StoreError::ObjectMissing { .. })
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct FsckReport {
    /// Commits of which all objects were checked.
    pub commits: u64,
    /// Commits of which only a part was fetched; their objects were not checked.
    pub partial_commits: u64,
    /// Commits that an earlier check marked partial, because objects were damaged.
    pub damaged_partial_commits: u64,
    /// Objects that were checked, commits included.
    pub objects: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Damaged and missing objects, in the order of their names.
    pub damage: Vec<Damage>,
    /// Commits that this check marked as partial.
    pub marked_partial: BTreeSet<CommitId>,
    /// Parents that have neither an object nor a tombstone; they have a tombstone now if that was asked for.
    pub missing_parents: BTreeSet<CommitId>,
}

/// A check in progress.
#[derive(Debug)]
pub struct Fsck<'r> {
    repo: &'r mut Repo,
    options: FsckOptions,
    whole: Vec<CommitId>,
    report: FsckReport,
    _lock: RepoLock,
}

impl<'r> Fsck<'r> {
    /// Takes the lock: exclusive if objects may be deleted. A repository that cannot be written is read without one.
    ///
    /// # Errors
    /// [`StoreError::Lock`].
    pub fn begin(repo: &'r mut Repo, options: FsckOptions) -> Result<Self, StoreError> {
        let lock = match (options.delete, repo.is_writable()) {
            (true, _) => repo.lock_exclusive()?,
            (false, true) => repo.lock_shared()?,
            (false, false) => RepoLock::none(),
        };
        Ok(Self {
            repo,
            options,
            whole: Vec::new(),
            report: FsckReport::default(),
            _lock: lock,
        })
    }

    /// Checks that each head and remote ref leads to a commit.
    ///
    /// # Errors
    /// [`StoreError::BrokenRef`]; [`StoreError::Binding`] where bindings are checked.
    pub fn validate_refs(&self) -> Result<(), StoreError> {
        for (key, id) in self.repo.list_refs(None)? {
            self.validate_ref(&key, id, None)?;
        }
        Ok(())
    }

    /// Checks that each ref of a mirrored collection leads to a commit.
    ///
    /// # Errors
    /// As [`Fsck::validate_refs`].
    pub fn validate_collection_refs(&self) -> Result<(), StoreError> {
        for (key, id) in self.repo.list_mirror_refs()? {
            if let RefKey::Mirror { collection, .. } = &key {
                self.validate_ref(&key, id, Some(collection))?;
            }
        }
        Ok(())
    }

    fn validate_ref(
        &self,
        key: &RefKey,
        id: CommitId,
        collection: Option<&CollectionId>,
    ) -> Result<(), StoreError> {
        let broken = |source: StoreError| StoreError::BrokenRef {
            name: key.to_string(),
            source: Box::new(source),
        };
        ObjectVerifier::new(self.repo)
            .verify(id.into())
            .map_err(broken)?;
        let commit = self.repo.read_commit(id).map_err(broken)?;
        if self.options.verify_bindings || self.options.verify_back_refs {
            bindings::check(&commit, Some(key.name()), collection)?;
        }
        Ok(())
    }

    /// Reads and checks every commit object; returns how many are whole.
    ///
    /// # Errors
    /// [`StoreError::BackRefMissing`] where back references are checked; the first damage unless it goes on after damage.
    pub fn enumerate_commits(&mut self) -> Result<u64, StoreError> {
        let mut ids = Vec::new();
        self.repo.for_each_object(|name| {
            if name.kind == ObjectKind::Commit {
                ids.push(CommitId::new(name.checksum));
            }
            Ok(())
        })?;
        for id in ids {
            self.check_commit(id)?;
        }
        if self.options.add_tombstones {
            self.keep_tombstones()?;
        }
        self.report.commits = self.whole.len() as u64;
        Ok(self.report.commits)
    }

    fn check_commit(&mut self, id: CommitId) -> Result<(), StoreError> {
        if let Err(error) = ObjectVerifier::new(self.repo).verify(id.into()) {
            return self.record(id.into(), error);
        }
        let commit = self.repo.read_commit(id)?;
        if self.options.verify_back_refs {
            self.check_back_refs(id, &commit)?;
        }
        if let Some(parent) = commit.parent {
            let tombstone = ObjectName::new(parent.checksum(), ObjectKind::TombstoneCommit);
            if !self.repo.has_object(&parent.into())? && !self.repo.has_object(&tombstone)? {
                self.report.missing_parents.insert(parent);
            }
        }
        match self.repo.partial(id)? {
            Partial::No => self.whole.push(id),
            Partial::Yes(reason) => {
                self.report.partial_commits += 1;
                self.report.damaged_partial_commits += u64::from(reason == PartialReason::Damaged);
            }
        }
        Ok(())
    }

    fn check_back_refs(&self, id: CommitId, commit: &Commit) -> Result<(), StoreError> {
        let collection = commit.metadata.get_str(bindings::COLLECTION_BINDING);
        for bound in bindings::bound_refs(&commit.metadata).unwrap_or_default() {
            if !self.ref_exists(bound, collection)? {
                let collection = collection.map(str::to_owned);
                return Err(StoreError::BackRefMissing {
                    commit: id.checksum(),
                    name: bound.to_owned(),
                    collection,
                });
            }
        }
        Ok(())
    }

    fn ref_exists(&self, bound: &str, collection: Option<&str>) -> Result<bool, StoreError> {
        let name = RefName::new(bound)?;
        if let Some(collection) = collection {
            let collection = CollectionId::new(collection)?;
            if self.repo.config().collection_id.as_ref() != Some(&collection) {
                return Ok(self
                    .repo
                    .read_ref(&RefKey::Mirror { collection, name })?
                    .is_some());
            }
        }
        Ok(self.repo.read_ref(&RefKey::Head(name))?.is_some())
    }

    fn keep_tombstones(&mut self) -> Result<(), StoreError> {
        crate::prune::keep_tombstones(self.repo)?;
        for parent in &self.report.missing_parents {
            crate::prune::write_tombstone(self.repo, *parent)?;
        }
        Ok(())
    }

    /// Checks all objects that the whole commits need.
    ///
    /// # Errors
    /// [`StoreError`] if checking itself fails; damage is in the report.
    pub fn verify_objects(mut self, sink: &dyn Sink) -> Result<FsckReport, StoreError> {
        let mut reachable = Reachable::new(self.repo, Missing::PassOver);
        for id in &self.whole {
            reachable.add_commit(*id, Depth::Parents(0))?;
        }
        let (objects, missing_trees) = reachable.into_set_and_missing();
        let names: Vec<ObjectName> = objects
            .iter()
            .filter(|name| name.kind != ObjectKind::Commit)
            .collect();
        self.report.objects = self.whole.len() as u64 + names.len() as u64;
        let mut failures = self.check_objects(&names, sink);
        failures.extend(
            missing_trees
                .into_iter()
                .map(|name| (name, StoreError::ObjectMissing { name })),
        );
        failures.sort_by_key(|(name, _)| *name);
        for (name, error) in failures {
            self.record(name, error)?;
        }
        self.attribute()?;
        Ok(self.report)
    }

    fn check_objects(
        &mut self,
        objects: &[ObjectName],
        sink: &dyn Sink,
    ) -> Vec<(ObjectName, StoreError)> {
        sink.event(Event::Begin {
            phase: Phase::Fsck,
            objects: Some(objects.len() as u64),
            bytes: None,
        });
        let repo: &Repo = self.repo;
        let goes_on = self.options.keep_going || self.options.delete;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failures = Mutex::new(Vec::new());
        let worker = || -> u64 {
            let mut verifier = ObjectVerifier::new(repo);
            let mut bytes = 0;
            while !stop.load(Ordering::Relaxed) {
                let Some(name) = objects.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let checked = verifier.verify(*name).unwrap_or_else(|error| {
                    let missing = matches!(error, StoreError::ObjectMissing { .. });
                    stop.fetch_or(
                        !(missing || goes_on && is_damage(&error)),
                        Ordering::Relaxed,
                    );
                    failures
                        .lock()
                        .expect("no worker panics")
                        .push((*name, error));
                    0
                });
                bytes += checked;
                sink.event(Event::Advance {
                    phase: Phase::Fsck,
                    objects: 1,
                    bytes: checked,
                });
            }
            bytes
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        self.report.bytes += thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
            let own = worker();
            others.into_iter().fold(own, |sum, other| {
                sum + other.join().expect("no worker panics")
            })
        });
        sink.event(Event::End { phase: Phase::Fsck });
        failures.into_inner().expect("no worker panics")
    }

    /// Notes damage and deletes the object where that was asked for; other errors are passed on.
    fn record(&mut self, name: ObjectName, error: StoreError) -> Result<(), StoreError> {
        let missing = matches!(error, StoreError::ObjectMissing { .. });
        if !is_damage(&error) || (!missing && !self.options.keep_going && !self.options.delete) {
            return Err(StoreError::FsckStopped {
                name,
                commits: self.commits_needing(&name)?,
                source: Box::new(error),
            });
        }
        let path = name.loose_path(self.repo.mode().storage_form());
        let deleted = self.options.delete
            && !missing
            && self.repo.objects().unlink_optional(Trusted(path))?;
        self.report.damage.push(Damage {
            name,
            error,
            deleted,
            commits: BTreeSet::new(),
        });
        Ok(())
    }

    /// Finds the whole commits that need an object.
    fn commits_needing(&self, name: &ObjectName) -> Result<Vec<CommitId>, StoreError> {
        let mut needing = Vec::new();
        for id in &self.whole {
            let mut reachable = Reachable::new(self.repo, Missing::PassOver);
            reachable.add_commit(*id, Depth::Parents(0))?;
            let (objects, missing) = reachable.into_set_and_missing();
            if objects.contains(name) || missing.contains(name) {
                needing.push(*id);
            }
        }
        Ok(needing)
    }

    /// Finds which commits need what is damaged, and marks those whose objects are gone.
    fn attribute(&mut self) -> Result<(), StoreError> {
        if self.report.damage.is_empty() {
            return Ok(());
        }
        for id in &self.whole {
            let mut reachable = Reachable::new(self.repo, Missing::PassOver);
            reachable.add_commit(*id, Depth::Parents(0))?;
            let (objects, missing) = reachable.into_set_and_missing();
            let mut incomplete = false;
            for damage in &mut self.report.damage {
                if objects.contains(&damage.name) || missing.contains(&damage.name) {
                    damage.commits.insert(*id);
                    incomplete |= damage.is_missing() || damage.deleted;
                }
            }
            if incomplete && self.repo.is_writable() {
                self.repo
                    .set_partial(*id, Partial::Yes(PartialReason::Damaged))?;
                self.report.marked_partial.insert(*id);
            }
        }
        Ok(())
    }
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
