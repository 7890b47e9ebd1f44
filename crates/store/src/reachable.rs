//! Which objects commits need.
//!
//! [`Reachable`] walks; what it has seen goes into a set of [`Marks`]: an [`ObjectSet`], which can say all names again, or the
//! smaller set of `prune`, which can only be asked.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use ostler_format::{
    Checksum, Commit, CommitId, DirMetaId, DirTreeId, DirTreeRef, FileId, ObjectKind, ObjectName,
};

use ostler_fs::FsError;

use crate::error::StoreError;
use crate::repo::Repo;

/// How many parents of a commit are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// This many.
    Parents(u32),
    /// All of them.
    All,
}

impl Depth {
    /// Reads the command line's spelling, in which any negative number is all.
    #[must_use]
    pub fn from_signed(depth: i32) -> Self {
        u32::try_from(depth).map_or(Self::All, Self::Parents)
    }

    /// The depth of the parent; `None` if no parent follows.
    pub(crate) fn below(self) -> Option<Self> {
        match self {
            Self::All => Some(Self::All),
            Self::Parents(left) => left.checked_sub(1).map(Self::Parents),
        }
    }

    /// Whether it leads at least as far as `other`.
    pub(crate) fn reaches(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Parents(_), Self::All) => false,
            (Self::Parents(own), Self::Parents(other)) => own >= other,
        }
    }
}

/// What a walk over commits and trees has seen.
pub trait Marks: Default {
    /// Adds an object; false if it may be there already. Of commits and dirtrees the answer must be exact: what is said to be
    /// there is not walked again.
    fn insert(&mut self, name: ObjectName) -> bool;

    /// Takes back a dirtree that turned out to be absent.
    fn remove_tree(&mut self, id: DirTreeId);
}

impl Marks for ObjectSet {
    fn insert(&mut self, name: ObjectName) -> bool {
        let set = match name.kind {
            ObjectKind::Commit => &mut self.commits,
            ObjectKind::DirTree => &mut self.trees,
            ObjectKind::DirMeta => &mut self.metas,
            ObjectKind::File => &mut self.files,
            _ => return false,
        };
        set.insert(name.checksum)
    }

    fn remove_tree(&mut self, id: DirTreeId) {
        self.trees.remove(&id.checksum());
    }
}

/// A set of object names: 33 bytes and a little for each.
#[derive(Clone, Debug, Default)]
pub struct ObjectSet {
    commits: ChecksumSet,
    trees: ChecksumSet,
    metas: ChecksumSet,
    files: ChecksumSet,
}

/// A set of checksums.
pub(crate) type ChecksumSet = HashSet<Checksum, ChecksumHashing>;

impl ObjectSet {
    /// Whether the set has the object; objects of other kinds than commit, dirtree, dirmeta and file it never has.
    #[must_use]
    pub fn contains(&self, name: &ObjectName) -> bool {
        self.of(name.kind)
            .is_some_and(|set| set.contains(&name.checksum))
    }

    /// Whether the set has the commit.
    #[must_use]
    pub fn contains_commit(&self, id: CommitId) -> bool {
        self.commits.contains(&id.checksum())
    }

    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commits.len() + self.trees.len() + self.metas.len() + self.files.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names, commits first, otherwise in no order.
    pub fn iter(&self) -> impl Iterator<Item = ObjectName> {
        let named = |set: &'_ ChecksumSet, kind| {
            set.iter()
                .map(move |checksum| ObjectName::new(*checksum, kind))
                .collect::<Vec<_>>()
        };
        [
            (ObjectKind::Commit, &self.commits),
            (ObjectKind::DirTree, &self.trees),
            (ObjectKind::DirMeta, &self.metas),
            (ObjectKind::File, &self.files),
        ]
        .into_iter()
        .flat_map(move |(kind, set)| named(set, kind))
    }

    /// The content objects, in no order.
    pub fn files(&self) -> impl Iterator<Item = FileId> {
        self.files.iter().map(|checksum| FileId::new(*checksum))
    }

    fn of(&self, kind: ObjectKind) -> Option<&ChecksumSet> {
        Some(match kind {
            ObjectKind::Commit => &self.commits,
            ObjectKind::DirTree => &self.trees,
            ObjectKind::DirMeta => &self.metas,
            ObjectKind::File => &self.files,
            _ => return None,
        })
    }
}

/// What is done about a dirtree that is not here, or that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is an error, except below a commit that is marked partial.
    Error,
    /// It is passed over; one that is not here is not in the set, one that cannot be read is.
    PassOver,
}

/// Collects the objects that commits need.
#[derive(Debug)]
pub struct Reachable<'r, M = ObjectSet> {
    repo: &'r Repo,
    missing: Missing,
    set: M,
    stack: Vec<DirTreeId>,
    passed_over: Vec<ObjectName>,
    unread: Vec<(ObjectName, FsError)>,
}

impl<'r> Reachable<'r> {
    /// Starts with an empty set.
    #[must_use]
    pub fn new(repo: &'r Repo, missing: Missing) -> Self {
        Self::with_marks(repo, missing)
    }
}

impl<'r, M: Marks> Reachable<'r, M> {
    /// Starts with an empty set of any kind.
    #[must_use]
    pub fn with_marks(repo: &'r Repo, missing: Missing) -> Self {
        Self {
            repo,
            missing,
            set: M::default(),
            stack: Vec::new(),
            passed_over: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Adds a commit, `depth` of its parents, and all that they refer to; a parent that is not here ends the line.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`] if `id` itself, or a dirtree of a commit that is not partial, is not here.
    pub fn add_commit(&mut self, id: CommitId, depth: Depth) -> Result<(), StoreError> {
        self.add_commits_only(id, depth, |this, id, commit| this.add_tree_of(id, commit))
    }

    /// Adds a commit and `depth` of its parents without what they refer to.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`] if `id` itself is not here.
    pub fn add_commit_object(&mut self, id: CommitId, depth: Depth) -> Result<(), StoreError> {
        self.add_commits_only(id, depth, |_, _, _| Ok(()))
    }

    fn add_commits_only(
        &mut self,
        id: CommitId,
        depth: Depth,
        mut enter: impl FnMut(&mut Self, CommitId, &Commit) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (mut next, mut depth) = (Some(id), Some(depth));
        while let (Some(current), Some(left)) = (next, depth) {
            let name = ObjectName::from(current);
            let Some(bytes) = self.repo.read_metadata_optional(&name)? else {
                return if current == id {
                    Err(StoreError::ObjectMissing { name })
                } else {
                    Ok(())
                };
            };
            let commit =
                Commit::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
            if self.set.insert(name) {
                enter(self, current, &commit)?;
            }
            (next, depth) = (commit.parent, left.below());
        }
        Ok(())
    }

    fn add_tree_of(&mut self, id: CommitId, commit: &Commit) -> Result<(), StoreError> {
        let tolerant = self.missing == Missing::PassOver || self.repo.is_partial(id)?;
        self.add_dirmeta(commit.meta);
        self.add_tree(commit.tree, tolerant)
    }

    fn add_dirmeta(&mut self, id: DirMetaId) {
        self.set.insert(id.into());
    }

    fn add_tree(&mut self, root: DirTreeId, tolerant: bool) -> Result<(), StoreError> {
        self.stack.push(root);
        while let Some(id) = self.stack.pop() {
            let name = ObjectName::from(id);
            if !self.set.insert(name) {
                continue;
            }
            let read = self.repo.read_metadata_optional(&name);
            let bytes = match read {
                Ok(Some(bytes)) => bytes,
                Ok(None) if tolerant => {
                    // Another commit, which is whole, may name it too: that one must not take it as seen.
                    self.set.remove_tree(id);
                    self.passed_over.push(name);
                    continue;
                }
                Ok(None) => return Err(StoreError::ObjectMissing { name }),
                // It stays in the set: whoever checks it finds out.
                Err(StoreError::Fs(error)) if self.missing == Missing::PassOver => {
                    self.unread.push((name, error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let tree = match DirTreeRef::parse(&bytes) {
                Ok(tree) => tree,
                Err(_) if self.missing == Missing::PassOver => continue,
                Err(source) => return Err(StoreError::Malformed { name, source }),
            };
            for file in tree.files() {
                self.set.insert(file.id.into());
            }
            for dir in tree.dirs() {
                self.set.insert(dir.meta.into());
                self.stack.push(dir.tree);
            }
        }
        Ok(())
    }

    /// Takes the dirtrees that could not be read so far, and why. Another read may succeed, but what is below them is not in the set.
    pub(crate) fn take_unread(&mut self) -> Vec<(ObjectName, FsError)> {
        std::mem::take(&mut self.unread)
    }

    /// The set so far.
    #[must_use]
    pub fn set(&self) -> &M {
        &self.set
    }

    /// Ends the collection; returns the dirtrees that were passed over, too.
    #[must_use]
    pub fn into_set_and_missing(mut self) -> (M, Vec<ObjectName>) {
        self.passed_over.sort_unstable();
        self.passed_over.dedup();
        (self.set, self.passed_over)
    }

    /// Ends the collection.
    #[must_use]
    pub fn into_set(self) -> M {
        self.set
    }
}

/// Hashes a checksum by its first bytes, which are as good as random already, with a key against crafted sets.
#[derive(Clone, Debug)]
pub(crate) struct ChecksumHashing(u64);

impl Default for ChecksumHashing {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for ChecksumHashing {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(self.0)
    }
}

pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = (self.0 ^ u64::from_le_bytes(*first)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
