//! What a check is asked for, and what it found.

use std::collections::BTreeSet;

use ostler_format::{CommitId, ObjectName};

use crate::error::StoreError;
use crate::repair::Complaint;

/// How a repository is checked, and what is done about damage.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsckOptions {
    /// Go on after the first damaged object.
    pub keep_going: bool,
    /// What is done about damaged objects.
    pub remedy: Remedy,
    /// Write tombstones for parents that are missing, and keep tombstones from now on.
    pub add_tombstones: bool,
    /// Check that the commit of each ref is bound to it.
    pub verify_bindings: bool,
    /// Check that each ref a commit is bound to exists.
    pub verify_back_refs: bool,
}

/// What is done about damaged objects. All but the first imply [`FsckOptions::keep_going`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing.
    #[default]
    None,
    /// They are deleted, and the commits that need them are marked as partial. One that cannot be read is left: it may be whole.
    Delete,
    /// They and the missing ones are replaced by whole ones. Those that no source has are put into quarantine, and the commits
    /// that need them are marked as partial; one that cannot be read is left where it is.
    Repair,
}

/// What has become of a damaged or missing object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was.
    Left,
    /// It was deleted.
    Deleted,
    /// A whole one is in its place.
    Repaired {
        /// Where that came from.
        from: String,
    },
    /// It was moved out of the way.
    Quarantined,
}

/// One object that is damaged or missing.
#[derive(Debug)]
pub struct Damage {
    /// The object.
    pub name: ObjectName,
    /// What is, or was, wrong with it.
    pub error: StoreError,
    /// What was done about it.
    pub outcome: Outcome,
    /// The commits that need it.
    pub commits: BTreeSet<CommitId>,
    /// The refs that point to one of those.
    pub refs: BTreeSet<String>,
}

impl Damage {
    pub(super) fn new(name: ObjectName, error: StoreError, outcome: Outcome) -> Self {
        Self {
            name,
            error,
            outcome,
            commits: BTreeSet::new(),
            refs: BTreeSet::new(),
        }
    }

    /// Whether the object is absent, not damaged.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.error, StoreError::ObjectMissing { .. })
    }

    /// Whether reading the object failed, which says nothing of its bytes.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.error, StoreError::Unreadable { .. })
    }

    /// Whether the object is whole now.
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        matches!(self.outcome, Outcome::Repaired { .. })
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
    /// Commits whose mark a repair took away.
    pub made_whole: BTreeSet<CommitId>,
    /// What sources said that could not help a repair.
    pub complaints: Vec<Complaint>,
    /// Parents that have neither an object nor a tombstone; they have a tombstone now if that was asked for.
    pub missing_parents: BTreeSet<CommitId>,
}

impl FsckReport {
    /// Whether something is damaged or missing still.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damage.iter().any(|damage| !damage.is_repaired())
    }
}
