//! The deciding thread's part for commits: asking for them, and taking them when all that is beside them has come.

use ostler_format::{Checksum, CommitId, ObjectKind, ObjectName};
use ostler_http::Priority;

use super::awaited::{Awaited, Detached};
use super::error::PullError;
use super::fetch::{Fetch, Role, is_of_cache};
use super::session::{Presence, Turn};

impl Fetch<'_, '_, '_> {
    pub(super) fn start_commit(&mut self, turn: Turn) -> Result<(), PullError> {
        let presence = self.session.presence(turn.id)?;
        let name = ObjectName::from(turn.id);
        let mut bytes = match presence {
            Presence::Absent => None,
            Presence::Partial | Presence::Whole => Some(self.session.read_commit(turn.id)?),
        };
        if bytes.is_none() {
            bytes = self.cached_commit(turn.id)?;
        }
        let on_its_way = bytes.is_none();
        let awaited = Awaited {
            turn,
            presence,
            bytes,
            detached: None,
        };
        self.awaited.insert(turn.id, awaited);
        let detached = ObjectName::new(turn.id.checksum(), ObjectKind::CommitMeta);
        self.request_metadata(detached, Role::Detached(turn.id));
        if on_its_way {
            self.request_metadata(name, Role::Commit(turn.id));
        }
        Ok(())
    }

    fn cached_commit(&mut self, id: CommitId) -> Result<Option<Vec<u8>>, PullError> {
        for cache in &self.caches {
            let bytes = match cache.repo.read_metadata_optional(&id.into()) {
                Err(error) if is_of_cache(&error) => None,
                read => read?,
            };
            if let Some(bytes) = bytes.filter(|bytes| Checksum::of(bytes) == id.checksum()) {
                self.done.cached_metadata_objects += 1;
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Goes on without an object that the server does not have, if that can be.
    pub(super) fn do_without(&mut self, role: &Role) -> Result<bool, PullError> {
        match role {
            Role::Detached(id) => {
                if let Some(awaited) = self.awaited.get_mut(id) {
                    awaited.detached = Some(Detached::Nothing);
                }
                self.accept_commit(*id)?;
                Ok(true)
            }
            Role::Commit(id) => {
                let requested = self
                    .awaited
                    .get(id)
                    .is_some_and(|awaited| awaited.turn.requested);
                if requested {
                    return Ok(false);
                }
                // The server's own history ends here.
                self.awaited.remove(id);
                if self.config.tombstone_commits {
                    let name = ObjectName::new(id.checksum(), ObjectKind::TombstoneCommit);
                    self.request_metadata(name, Role::Tombstone);
                }
                Ok(true)
            }
            Role::Tombstone => Ok(true),
            Role::Meta | Role::Tree(_) => Ok(false),
        }
    }

    /// Takes a commit when both it and the answer to its detached metadata are here.
    pub(super) fn accept_commit(&mut self, id: CommitId) -> Result<(), PullError> {
        let complete = |awaited: &Awaited| awaited.bytes.is_some() && awaited.detached.is_some();
        if !self.awaited.get(&id).is_some_and(complete) {
            return Ok(());
        }
        let Some(Awaited {
            turn,
            presence,
            bytes: Some(bytes),
            detached: Some(detached),
        }) = self.awaited.remove(&id)
        else {
            return Ok(());
        };
        let transaction = self.transaction;
        let unpacks = presence != Presence::Whole;
        let beside = detached.bytes();
        self.session
            .accept_commit(turn, presence, &bytes, beside, || {
                transaction.write_metadata_expected(id.into(), &bytes)
            })?;
        if let Detached::Bytes(detached) = detached
            && !self.session.options.dry_run
        {
            transaction.write_detached_metadata_bytes(id, &detached)?;
        }
        if unpacks {
            self.request_packed_metadata(id)?;
        }
        Ok(())
    }

    /// Asks packs for the metadata of a commit that has been accepted.
    pub(super) fn request_packed_metadata(&mut self, id: CommitId) -> Result<(), PullError> {
        let transaction = self.transaction;
        let loose = Some(self.session.download_bytes()).filter(|bytes| *bytes > 0);
        let has = |name: &ObjectName| transaction.has(name);
        let segments = self.packs.accept(id, loose, has)?;
        for segment in segments {
            self.request_segment(segment, Priority::Metadata);
        }
        Ok(())
    }
}
