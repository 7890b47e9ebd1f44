//! Objects from packs: many in one request, where the remote has them and what is missing lies together.
//!
//! The index of each commit that is asked for is fetched before anything else. When the commit has been accepted, all metadata that is
//! not here is fetched from packs at once, without waiting for one listing to name the next; when all listings are here, so is
//! known which content is missing, and that comes in as few parts of packs as its places allow. Whatever an index does not
//! have, and whatever cannot be had from a pack, is asked for as an object by itself: packs are a shortcut, never a proof.

mod fetching;
mod segment;
mod sink;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, Pack, PackGroup, PackIndex};
use ostler_format::{CommitId, ObjectKind, ObjectName};

use super::error::PullError;
use super::origin::Origin;
use crate::error::StoreError;
use segment::{Segment, WantedGroup, segments};
pub(crate) use sink::{PackedMetadata, SegmentSink};

/// Metadata above this length is not taken from packs: it would be in memory.
const MAX_METADATA: u64 = 4 << 20;

/// What the remote's packs have, and what of it has been asked for.
#[derive(Default)]
pub(crate) struct Packs {
    /// Of commits that have not been accepted yet.
    indexes: HashMap<CommitId, PackIndex>,
    groups: Vec<(Pack, PackGroup)>,
    /// In which group an object is.
    places: HashMap<ObjectName, usize>,
    /// Metadata that will come from a pack.
    on_their_way: HashSet<ObjectName>,
    /// Content that is to come from packs.
    wanted: HashSet<ObjectName>,
}

impl Packs {
    /// Fetches the indexes of `commits`, as far as the remote has them.
    ///
    /// # Errors
    /// None for an index that is absent, or of no use; [`PullError::Fetch`] if the network fails.
    pub(crate) fn open(origin: &Origin, commits: &[CommitId]) -> Result<Self, PullError> {
        let mut packs = Self::default();
        for commit in commits {
            let path = PackIndex::path(*commit);
            let found = origin.optional(&origin.content, &path, MAX_PACK_INDEX_SIZE)?;
            if let Some(index) = found.and_then(|bytes| PackIndex::parse(&bytes).ok()) {
                packs.indexes.insert(*commit, index);
            }
        }
        Ok(packs)
    }

    /// Whether the remote has packs of none of the commits.
    pub(crate) fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Takes the index of a commit that has been accepted, and returns what is to be asked for to have its metadata.
    pub(crate) fn accept(
        &mut self,
        commit: CommitId,
        is_here: impl Fn(&ObjectName) -> Result<bool, StoreError>,
    ) -> Result<Vec<Arc<Segment>>, StoreError> {
        let Some(index) = self.indexes.remove(&commit) else {
            return Ok(Vec::new());
        };
        let mut missing = HashSet::new();
        for group in index.groups {
            let number = self.groups.len();
            for member in &group.members {
                let Some(name) = member.name else {
                    continue;
                };
                let is_metadata = name.kind != ObjectKind::File;
                if is_metadata && member.size > MAX_METADATA {
                    continue;
                }
                self.places.insert(name, number);
                if is_metadata && !self.on_their_way.contains(&name) && !is_here(&name)? {
                    missing.insert(name);
                }
            }
            self.groups.push((index.packs[group.pack], group));
        }
        let segments = self.segments(&missing);
        self.on_their_way.extend(missing);
        Ok(segments)
    }

    /// Whether the metadata object comes from a pack.
    pub(crate) fn brings(&self, name: &ObjectName) -> bool {
        self.on_their_way.contains(name)
    }

    /// Notes that a metadata object has come, or will not.
    pub(crate) fn is_settled(&mut self, name: &ObjectName) {
        self.on_their_way.remove(name);
    }

    /// Asks for content when [`Packs::take_wanted`] is called; false if no pack has it.
    pub(crate) fn want(&mut self, name: ObjectName) -> bool {
        self.places.contains_key(&name) && {
            self.wanted.insert(name);
            true
        }
    }

    /// What is to be asked for to have the content that is wanted.
    pub(crate) fn take_wanted(&mut self) -> Vec<Arc<Segment>> {
        let wanted = std::mem::take(&mut self.wanted);
        self.segments(&wanted)
    }

    fn segments(&self, names: &HashSet<ObjectName>) -> Vec<Arc<Segment>> {
        let numbers: HashSet<usize> = names
            .iter()
            .filter_map(|name| self.places.get(name).copied())
            .collect();
        let groups = numbers.into_iter().map(|number| {
            let (pack, group) = &self.groups[number];
            // An object that two groups have comes from the one that is its place.
            let is_wanted =
                |name: &ObjectName| names.contains(name) && self.places.get(name) == Some(&number);
            let wanted = group
                .members
                .iter()
                .map(|member| member.name.filter(is_wanted))
                .collect();
            let group = WantedGroup {
                group: group.clone(),
                wanted,
            };
            (*pack, group)
        });
        segments(groups.collect())
            .into_iter()
            .map(Arc::new)
            .collect()
    }
}
