//! What a pull will fetch and write, found out before the first byte of content.
//!
//! When all listings are here, so is known which content is not. Its sizes are in the index of a pack, or in the commit if that
//! has them of all of its objects; else nothing says them, and that is what the estimate says.

use std::collections::HashSet;

use ostler_format::{FileId, ObjectName};

use super::error::PullError;
use super::fetch::Fetch;
use super::packs::Room;
use crate::progress::Way;

/// What is left to be fetched, and what it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// By which way it comes, over the network, and why, in words; `None` if nothing is missing, or it comes from this machine.
    pub route: Option<(Way, String)>,
    /// Metadata objects that were fetched to find out what is missing; the pull does not fetch them again.
    pub metadata_objects: u64,
    /// Content objects that are not here.
    pub content_objects: u64,
    /// Those of them that another repository on this machine has.
    pub local_objects: u64,
    /// Those of them that come in packs.
    pub packed_objects: u64,
    /// Requests for the packed ones: each is for a part of a pack.
    pub pack_parts: u64,
    /// Bytes that will come over the network, without objects of unknown size.
    pub download_bytes: u64,
    /// Bytes of the objects that will be written, without those of unknown size. Content that is linked takes none.
    pub written_bytes: u64,
    /// Content objects of which nothing says how large they are.
    pub objects_of_unknown_size: u64,
    /// Bytes that may be written.
    pub free_bytes: u64,
}

/// Trees are hardly so many times larger than their packs.
const DOUBTED_RATIO: u64 = 64;

/// What the commits say of the content that is not here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stated {
    pub(super) objects: u64,
    pub(super) download_bytes: u64,
    pub(super) written_bytes: u64,
}

impl Fetch<'_, '_, '_> {
    /// Adds up what is left to be fetched.
    ///
    /// # Errors
    /// [`PullError::NoRoom`] if more would be written than may be, by what is known of it.
    pub(super) fn estimate(&self) -> Result<Estimate, PullError> {
        let (mut packed, mut alone) = (HashSet::new(), 0);
        let mut estimate = Estimate {
            route: self.route.clone(),
            metadata_objects: self.done.metadata_objects,
            free_bytes: self.transaction.free_bytes(),
            ..Estimate::default()
        };
        for id in self.session.plan.wanted_content() {
            estimate.content_objects += 1;
            let name = ObjectName::from(id);
            if self.is_cached(id)? {
                estimate.local_objects += 1;
            } else if self.packs.has(&name) {
                packed.insert(name);
            } else {
                alone += 1;
            }
        }
        estimate.packed_objects = packed.len() as u64;
        let room = self.packs.room(&packed);
        estimate.add_packed(room);
        // The sums of several commits count what they share more than once: they hold where the number of objects is right.
        let stated = self.session.stated();
        if alone > 0 && stated.objects == alone {
            estimate.download_bytes += stated.download_bytes;
            estimate.written_bytes = estimate.written_bytes.saturating_add(stated.written_bytes);
        } else {
            estimate.objects_of_unknown_size += alone;
        }
        self.session.check_written(estimate.written_bytes)?;
        Ok(estimate)
    }

    /// As [`Fetch::estimate`]. Content of which packs say that there is no room is asked for by itself, where the commits say that there is, or what
    /// packs say is hardly so.
    pub(super) fn estimate_doubting(&mut self) -> Result<Estimate, PullError> {
        let refused = match self.estimate() {
            Err(refused @ PullError::NoRoom { .. }) => refused,
            result => return result,
        };
        let wanted = self.session.plan.wanted_content();
        let wanted: HashSet<ObjectName> = wanted.map(ObjectName::from).collect();
        let room = self.packs.room(&wanted);
        let stated = self.session.stated();
        let fits = stated.objects == wanted.len() as u64
            && stated.written_bytes <= self.transaction.free_bytes();
        let is_doubted = room.unpacked_bytes / DOUBTED_RATIO > room.packed_bytes;
        if !(fits || is_doubted) {
            return Err(refused);
        }
        self.packs.forget_content();
        let claimed = room.unpacked_bytes;
        self.progress.notice(format!(
            "packs cannot be used, what they have is fetched object by object: they claim {claimed} bytes of content, more than there is room for"
        ));
        self.estimate()
    }

    fn is_cached(&self, id: FileId) -> Result<bool, PullError> {
        Ok(!self.caches.is_empty() && self.cache_with(id, 0)?.is_some())
    }
}

impl Estimate {
    fn add_packed(&mut self, room: Room) {
        self.pack_parts = room.parts;
        self.download_bytes = self.download_bytes.saturating_add(room.packed_bytes);
        self.written_bytes = self.written_bytes.saturating_add(room.unpacked_bytes);
        self.objects_of_unknown_size += room.unbelieved_objects;
    }
}
