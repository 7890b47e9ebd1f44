//! What a pull from the network and one from this machine have in common: which commits, in which order, checked how,
//! and how it ends.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ostler_format::delta::SignedSuperblock;
use ostler_format::{
    CollectionId, Commit, CommitId, FileId, MAX_METADATA_SIZE, ObjectKind, ObjectName, RefName,
    RemoteName,
};

use super::check;
use super::error::PullError;
use super::estimate::Stated;
use super::options::{DeltaUse, PullOptions, TimestampCheck};
use super::plan::Plan;
use super::targets::Targets;
use super::want::Want;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::Trust;
use crate::reachable::Depth;
use crate::refs::{self, Partial, PartialReason, RefKey};
use crate::repo::Repo;
use crate::sign::{RemoteVerifier, SignError};
use crate::transaction::Transaction;

/// Compressed bytes from which an object counts as large.
const LARGE: u64 = 1 << 20;

/// Where the refs that are pulled are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// `refs/heads`.
    Heads,
    /// `refs/remotes/NAME`.
    Remote(RemoteName),
    /// `refs/mirrors/COLLECTION`.
    Mirror(CollectionId),
}

impl Destination {
    pub(super) fn key(&self, name: &RefName) -> RefKey {
        let name = name.clone();
        match self {
            Self::Heads => RefKey::Head(name),
            Self::Remote(remote) => RefKey::Remote {
                remote: remote.clone(),
                name,
            },
            Self::Mirror(collection) => RefKey::Mirror {
                collection: collection.clone(),
                name,
            },
        }
    }
}

/// A commit whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The commit.
    pub(crate) id: CommitId,
    /// How many of its parents follow.
    pub(crate) depth: Depth,
    /// Whether it was asked for by itself; a parent may be absent.
    pub(crate) requested: bool,
}

/// A commit that has the signatures that its remote asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCommit {
    /// The commit.
    pub id: CommitId,
    /// What was found, in words, one item a kind of signature.
    pub messages: Vec<String>,
}

/// How much of a commit is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nothing that is known of.
    Absent,
    /// The commit object, and perhaps more.
    Partial,
    /// All of it.
    Whole,
}

/// The state of a running pull.
pub(crate) struct Session<'a> {
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) options: &'a PullOptions,
    pub(crate) plan: Plan,
    verifier: &'a RemoteVerifier,
    verified: Vec<VerifiedCommit>,
    want: Want,
    collection: Option<String>,
    targets: Targets,
    turns: VecDeque<Turn>,
    depths: HashMap<CommitId, Depth>,
    /// Commits of which everything will be here when the transaction is committed.
    completed: Vec<CommitId>,
    /// Bytes that commits say they need to be sent.
    download_bytes: u64,
    /// What commits say of the content that is not here.
    stated: Stated,
    /// Compressed sizes of large content objects, where a commit says them.
    large: HashMap<FileId, u64>,
}

impl<'a> Session<'a> {
    /// Starts with `targets`; `collection` is the collection that the remote is known by, and `verifier` holds each commit
    /// to what the remote asks for.
    pub(crate) fn new(
        transaction: &'a Transaction<'a>,
        options: &'a PullOptions,
        targets: Targets,
        collection: Option<String>,
        verifier: &'a RemoteVerifier,
    ) -> Result<Self, PullError> {
        let want = Want::from_subpaths(&options.subpaths).map_err(|path| PullError::Subpath {
            path: path.to_owned(),
        })?;
        let turn = |id: &CommitId| Turn {
            id: *id,
            depth: options.depth,
            requested: true,
        };
        let turns: VecDeque<_> = targets.commits().iter().map(turn).collect();
        Ok(Self {
            transaction,
            options,
            plan: Plan::default(),
            verifier,
            verified: Vec::new(),
            want,
            collection,
            depths: turns.iter().map(|turn| (turn.id, turn.depth)).collect(),
            turns,
            targets,
            completed: Vec::new(),
            download_bytes: 0,
            stated: Stated::default(),
            large: HashMap::new(),
        })
    }

    fn repo(&self) -> &'a Repo {
        self.transaction.repo()
    }

    /// The commits that have not had their turn; none has one any more.
    pub(crate) fn take_turns(&mut self) -> VecDeque<Turn> {
        std::mem::take(&mut self.turns)
    }

    /// Gives a commit its turn again.
    pub(crate) fn put_back(&mut self, turn: Turn) {
        self.turns.push_back(turn);
    }

    /// Whether whole trees are wanted.
    pub(crate) fn wants_all(&self) -> bool {
        self.want.is_all()
    }

    /// Whether a delta's superblock is signed by one of the remote's keys.
    ///
    /// # Errors
    /// [`SignError`] if it is signed by none of them, and the remote asks for signatures.
    pub(crate) fn verify_delta(
        &self,
        signed: Option<&SignedSuperblock>,
    ) -> Result<bool, SignError> {
        self.verifier.delta(signed)
    }

    /// What the refs that are to point to the commit point to by now, as far as that is whole.
    pub(crate) fn current_of(&self, to: CommitId) -> Result<Vec<CommitId>, StoreError> {
        let mut current = Vec::new();
        for key in self.targets.refs_to(to) {
            if let Some(here) = self.repo().read_ref(key)?
                && self.presence(here)? == Presence::Whole
            {
                current.push(here);
            }
        }
        Ok(current)
    }

    /// Whether a ref that is to point to the commit points to another one by now.
    pub(crate) fn has_refs_to(&self, to: CommitId) -> Result<bool, StoreError> {
        for key in self.targets.refs_to(to) {
            if self.repo().read_ref(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commits that have not had their turn and are not whole here.
    pub(crate) fn missing_commits(&self) -> Result<Vec<CommitId>, StoreError> {
        let mut missing = Vec::new();
        for turn in &self.turns {
            if self.presence(turn.id)? != Presence::Whole {
                missing.push(turn.id);
            }
        }
        Ok(missing)
    }

    /// Whether packs are of use.
    pub(crate) fn takes_packs(&self) -> bool {
        self.options.packs && self.takes_groups()
    }

    /// Whether native deltas are of use.
    pub(crate) fn takes_native_deltas(&self) -> bool {
        self.options.deltas != DeltaUse::Never && self.takes_groups()
    }

    /// Whether whole trees go into a repository that does not keep content compressed in the way of archives.
    fn takes_groups(&self) -> bool {
        !self.options.commit_only && self.wants_all() && self.repo().mode() != RepoMode::Archive
    }

    /// The next commit that has not had its turn.
    pub(crate) fn next_commit(&mut self) -> Option<Turn> {
        self.turns.pop_front()
    }

    /// How much of a commit is here.
    pub(crate) fn presence(&self, id: CommitId) -> Result<Presence, StoreError> {
        Ok(if !self.transaction.has(&id.into())? {
            Presence::Absent
        } else if self.repo().is_partial(id)? {
            Presence::Partial
        } else {
            Presence::Whole
        })
    }

    /// Reads a commit that is here or staged.
    pub(crate) fn read_commit(&self, id: CommitId) -> Result<Vec<u8>, StoreError> {
        let name = ObjectName::from(id);
        self.transaction
            .read_metadata_optional(&name)?
            .ok_or(StoreError::ObjectMissing { name })
    }

    /// Checks a commit whose checksum is known to be right and plans what follows from it. `detached` is what the source
    /// has beside it, if anything. `write` puts the commit into the transaction if it is absent, when all checks have
    /// passed and it is marked as partial.
    pub(crate) fn accept_commit(
        &mut self,
        turn: Turn,
        presence: Presence,
        bytes: &[u8],
        detached: Option<&[u8]>,
        write: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), PullError> {
        let id = turn.id;
        self.verify(id, bytes, detached)?;
        let commit = Commit::parse(bytes).map_err(|source| StoreError::Malformed {
            name: id.into(),
            source,
        })?;
        if turn.requested {
            self.check(id, &commit)?;
        }
        if presence == Presence::Absent && !self.options.dry_run {
            // Before the object: a commit that is here without the mark counts as whole.
            self.repo()
                .set_partial(id, Partial::Yes(PartialReason::NotFetched))?;
            write()?;
        }
        if presence != Presence::Whole && !self.options.commit_only {
            self.check_room(id, &commit)?;
            self.plan.add_commit(&commit, &self.want);
            if self.want.is_all() {
                self.completed.push(id);
            }
        }
        if let (Some(parent), Some(depth)) = (commit.parent, turn.depth.below()) {
            self.add_parent(parent, depth);
        }
        Ok(())
    }

    /// Whether the source's word is enough: a signature of a commit is worth no more than the checksums below it.
    pub(crate) fn trust(&self) -> Trust {
        if self.verifier.asks_of_commits() {
            Trust::Verify
        } else {
            self.options.trust
        }
    }

    /// Holds a commit, a parent too, to the signatures that the remote asks for.
    fn verify(
        &mut self,
        id: CommitId,
        bytes: &[u8],
        detached: Option<&[u8]>,
    ) -> Result<(), PullError> {
        if !self.verifier.asks_of_commits() {
            return Ok(());
        }
        let here = match detached {
            Some(_) => None,
            // The signatures that came with an earlier pull are as good.
            None => self
                .transaction
                .read_metadata_optional(&ObjectName::new(id.checksum(), ObjectKind::CommitMeta))?,
        };
        let verified = self
            .verifier
            .commit(id, bytes, detached.or(here.as_deref()))?;
        self.verified.push(VerifiedCommit {
            id,
            messages: verified.messages,
        });
        Ok(())
    }

    fn add_parent(&mut self, id: CommitId, depth: Depth) {
        let known = self.depths.get(&id);
        if known.is_some_and(|known| known.reaches(depth)) {
            return;
        }
        self.depths.insert(id, depth);
        self.turns.push_back(Turn {
            id,
            depth,
            requested: false,
        });
    }

    fn check(&self, id: CommitId, commit: &Commit) -> Result<(), PullError> {
        for key in self.targets.refs_to(id) {
            if self.options.verify_bindings {
                check::bindings(commit, key.name(), self.collection.as_deref())
                    .map_err(|source| PullError::Binding { commit: id, source })?;
            }
            if self.options.timestamp_check == TimestampCheck::AgainstRef
                && let Some(current) = self.repo().read_ref(key)?
            {
                self.check_timestamp(id, commit, current)?;
            }
        }
        if let TimestampCheck::Against(current) = self.options.timestamp_check {
            self.check_timestamp(id, commit, current)?;
        }
        Ok(())
    }

    fn check_timestamp(
        &self,
        id: CommitId,
        commit: &Commit,
        current: CommitId,
    ) -> Result<(), PullError> {
        let current_time = self.repo().read_commit(current)?.timestamp;
        check::timestamps((id, commit.timestamp), (current, current_time))?;
        Ok(())
    }

    /// Refuses a commit that says that its objects need more room than there is.
    fn check_room(&mut self, id: CommitId, commit: &Commit) -> Result<(), PullError> {
        if !self.want.is_all() {
            return Ok(());
        }
        let archive = self.repo().mode() == RepoMode::Archive;
        let mut needed_bytes = 0_u64;
        for entry in check::sizes(commit) {
            let kind = entry.kind.unwrap_or(ObjectKind::File);
            let name = ObjectName::new(entry.checksum, kind);
            if self.transaction.has(&name)? {
                continue;
            }
            let stored = if archive {
                entry.archived
            } else {
                entry.unpacked
            };
            needed_bytes = needed_bytes.saturating_add(stored);
            if kind == ObjectKind::File {
                let stated = &mut self.stated;
                stated.objects += 1;
                stated.download_bytes = stated.download_bytes.saturating_add(entry.archived);
                stated.written_bytes = stated.written_bytes.saturating_add(stored);
            }
            self.download_bytes = self.download_bytes.saturating_add(entry.archived);
            if kind == ObjectKind::File && entry.archived >= LARGE {
                let id = FileId::new(entry.checksum);
                self.large.insert(id, entry.archived);
            }
        }
        self.check_free(id, needed_bytes)
    }

    /// Refuses to write so many bytes of content if that is more than may be written.
    pub(super) fn check_written(&self, needed_bytes: u64) -> Result<(), PullError> {
        match self.completed.last() {
            Some(commit) => self.check_free(*commit, needed_bytes),
            // Parts of trees, of which nothing says how large they are.
            None => Ok(()),
        }
    }

    fn check_free(&self, commit: CommitId, needed_bytes: u64) -> Result<(), PullError> {
        let free_bytes = self.transaction.free_bytes();
        if needed_bytes <= free_bytes {
            return Ok(());
        }
        Err(PullError::NoRoom {
            commit,
            needed_bytes,
            free_bytes,
        })
    }

    /// What commits say of the content that was not here when they were accepted.
    pub(super) fn stated(&self) -> Stated {
        self.stated
    }

    /// Drops what is here already from the content that is left to fetch, and returns how much was dropped.
    ///
    /// # Errors
    /// [`PullError::NoInodes`] if the file system cannot make a file for each of the others.
    pub(crate) fn weigh_content(&mut self) -> Result<u64, PullError> {
        let transaction = self.transaction;
        let mut here = 0;
        let needed = self.plan.drop_content(|id| {
            let is_here = transaction.has(&id.into())?;
            here += u64::from(is_here);
            Ok::<_, StoreError>(is_here)
        })?;
        match check::inodes(needed, &self.repo().objects().space()?) {
            Some(free) => Err(PullError::NoInodes { needed, free }),
            None => Ok(here),
        }
    }

    /// The most bytes that a commit object can have.
    pub(crate) fn commit_cap(&self, id: CommitId) -> u64 {
        let listed = self.targets.commit_bytes(id);
        listed.map_or(MAX_METADATA_SIZE, |bytes| bytes.min(MAX_METADATA_SIZE))
    }

    /// The compressed size of a content object, if it is large and a commit says so.
    pub(crate) fn size_hint(&self, id: FileId) -> Option<u64> {
        self.large.get(&id).copied()
    }

    /// Bytes that will be sent, as far as commits say; 0 if none does.
    pub(crate) fn download_bytes(&self) -> u64 {
        self.download_bytes
    }

    /// Notes how many bytes will be sent in all.
    pub(super) fn expect_download(&mut self, bytes: u64) {
        self.download_bytes = bytes;
    }

    /// Whether commits are left that have not had their turn.
    pub(crate) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// The refs as they would be.
    pub(crate) fn into_refs(self) -> BTreeMap<RefKey, CommitId> {
        self.targets.into_refs()
    }

    /// Tells the transaction which refs to write, and returns what [`Ending::unmark`] needs after it was committed.
    pub(crate) fn end(self) -> Result<Ending, PullError> {
        for (key, id) in self.targets.refs() {
            let unchanged = refs::read(self.repo(), key)? == Some(*id);
            if !unchanged {
                self.transaction.set_ref(key.clone(), Some(*id));
            }
        }
        Ok(Ending {
            refs: self.targets.into_refs(),
            completed: self.completed,
            verified: self.verified,
        })
    }
}

/// What is left to do when the transaction has been committed.
pub(crate) struct Ending {
    /// The refs as they are now.
    pub(crate) refs: BTreeMap<RefKey, CommitId>,
    completed: Vec<CommitId>,
    /// The commits that have the signatures that were asked for.
    pub(crate) verified: Vec<VerifiedCommit>,
}

impl Ending {
    /// Takes the marks away from the commits that are whole now.
    pub(crate) fn unmark(&self, repo: &Repo) -> Result<(), StoreError> {
        for id in &self.completed {
            repo.set_partial(*id, Partial::No)?;
        }
        Ok(())
    }
}
