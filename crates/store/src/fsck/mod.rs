//! Checking that refs lead to commits, and that every commit has all of its objects, undamaged; and repairing them.
//!
//! The steps are the methods of [`Fsck`], in this order. Each commit is read and checked; then every object that the whole ones
//! among them need is checked once, on all processors. Damage is collected in the report, not an error.
//!
//! A repair goes in rounds: what a repaired directory names is checked in the next one, and so is what was repaired.

mod objects;
mod remedy;
mod report;

use std::collections::BTreeSet;

use ostler_format::{CollectionId, Commit, CommitId, ObjectKind, ObjectName, RefName};
use ostler_fs::{TempFile, xattr};

pub use report::{Damage, FsckOptions, FsckReport, Outcome, Remedy};

use crate::bindings;
use crate::error::StoreError;
use crate::lock::RepoLock;
use crate::mode::RepoMode;
use crate::object::{ObjectVerifier, USER_META_XATTR};
use crate::refs::{Partial, PartialReason, RefKey};
use crate::repo::Repo;

/// A check in progress.
#[derive(Debug)]
pub struct Fsck<'r> {
    repo: &'r mut Repo,
    options: FsckOptions,
    /// Commits of which all objects should be here.
    whole: Vec<CommitId>,
    /// Those of them that an earlier check marked as partial.
    were_damaged: BTreeSet<CommitId>,
    /// Commits that refs point to and that are damaged or missing; a repair wants them.
    broken_targets: BTreeSet<CommitId>,
    /// Damaged and missing commits that a repair has not seen yet.
    pending: Vec<(ObjectName, StoreError)>,
    report: FsckReport,
    _lock: RepoLock,
}

impl<'r> Fsck<'r> {
    /// Takes the lock: exclusive if objects may be deleted. A repository that cannot be written is read without one.
    ///
    /// # Errors
    /// [`StoreError::Lock`].
    pub fn begin(repo: &'r mut Repo, options: FsckOptions) -> Result<Self, StoreError> {
        let lock = match (options.remedy, repo.is_writable()) {
            (Remedy::Delete | Remedy::Repair, _) => repo.lock_exclusive()?,
            (Remedy::None, true) => repo.lock_shared()?,
            (Remedy::None, false) => RepoLock::none(),
        };
        if options.remedy != Remedy::None && repo.mode() == RepoMode::BareUser {
            probe_attributes(repo)?;
        }
        Ok(Self {
            repo,
            options,
            whole: Vec::new(),
            were_damaged: BTreeSet::new(),
            broken_targets: BTreeSet::new(),
            pending: Vec::new(),
            report: FsckReport::default(),
            _lock: lock,
        })
    }

    /// Checks that each head and remote ref leads to a commit.
    ///
    /// # Errors
    /// [`StoreError::BrokenRef`], unless it is to be repaired; [`StoreError::Binding`] where bindings are checked.
    pub fn validate_refs(&mut self) -> Result<(), StoreError> {
        for (key, id) in self.repo.list_refs(None)? {
            self.validate_ref(&key, id, None)?;
        }
        Ok(())
    }

    /// Checks that each ref of a mirrored collection leads to a commit.
    ///
    /// # Errors
    /// As [`Fsck::validate_refs`].
    pub fn validate_collection_refs(&mut self) -> Result<(), StoreError> {
        for (key, id) in self.repo.list_mirror_refs()? {
            if let RefKey::Mirror { collection, .. } = &key {
                self.validate_ref(&key, id, Some(collection))?;
            }
        }
        Ok(())
    }

    fn validate_ref(
        &mut self,
        key: &RefKey,
        id: CommitId,
        collection: Option<&CollectionId>,
    ) -> Result<(), StoreError> {
        let broken = |source: StoreError| StoreError::BrokenRef {
            name: key.to_string(),
            source: Box::new(source),
        };
        match ObjectVerifier::new(self.repo).verify(id.into()) {
            Ok(_) => {}
            Err(error) if self.options.remedy == Remedy::Repair && error.is_damage() => {
                self.broken_targets.insert(id);
                return Ok(());
            }
            Err(error) => return Err(broken(error)),
        }
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
        let mut ids = self.broken_targets.clone();
        ids.extend(self.repo.list_commits()?);
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
            if self.options.remedy == Remedy::Repair && error.is_damage() {
                self.pending.push((id.into(), error));
                return Ok(());
            }
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
            Partial::Yes(PartialReason::Damaged) if self.options.remedy == Remedy::Repair => {
                self.were_damaged.insert(id);
                self.whole.push(id);
            }
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
}

/// Sets an attribute on a file of its own: where that cannot be done each object of a `bare-user` repository looks damaged, and
/// none must be taken away for it.
fn probe_attributes(repo: &Repo) -> Result<(), StoreError> {
    let probe = TempFile::new(&repo.dir().create_dir_all("tmp", 0o775)?, 0o600)?;
    Ok(xattr::set(probe.file(), USER_META_XATTR, b"")?)
}
