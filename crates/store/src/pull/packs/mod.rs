//! Objects from packs: many in one request, where the remote has them and what is missing lies together.
//!
//! The index of each commit that is asked for is fetched before anything else, or that of a native delta which leads to it from a commit that
//! is here. When the commit has been accepted, all metadata that is not here is fetched at once, without waiting for one listing to name the next;
//! when all listings are here, so is known which content is missing, and that comes in as few parts of files as its places allow. Whatever an
//! index does not have, and whatever cannot be had by it, is asked for as an object by itself: packs and deltas are a shortcut, never a proof.

mod deltas;
mod fetching;
mod segment;
mod sink;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, PackIndex};
use ostler_format::{CommitId, ObjectKind, ObjectName};
use ostler_http::Priority;

use super::error::PullError;
use super::origin::Origin;
use crate::error::StoreError;
use crate::pack::Group;
use crate::progress::{Event, Sink};
use segment::{PartFile, Segment, WantedGroup, segments};
pub(crate) use sink::{ObjectReceiver, PackedMetadata, SegmentSink, Trouble};

/// Metadata above this length is not taken from packs: it would be in memory.
const MAX_METADATA: u64 = 4 << 20;

/// No Zstandard frame has more content for each of its bytes: a block of 128 KiB takes four at least.
const MAX_RATIO: u64 = 32 << 10;

/// What the remote's packs and deltas have, and what of it has been asked for.
#[derive(Default)]
pub(crate) struct Packs {
    /// Of commits that have not been accepted yet.
    found: HashMap<CommitId, Found>,
    groups: Vec<(Arc<PartFile>, Arc<Group>)>,
    /// In which group an object is.
    places: HashMap<ObjectName, usize>,
    /// Metadata that will come from a pack.
    on_their_way: HashSet<ObjectName>,
    /// Content that is to come from packs.
    wanted: HashSet<ObjectName>,
    /// Parts of deltas that are under way.
    delta_parts: usize,
    /// Parts of deltas that are asked for when others have come.
    waiting: VecDeque<(Arc<Segment>, Priority)>,
    /// Whether the index of content that only packs have has been asked for.
    content_opened: bool,
    /// Content that is in packs alone, and was not to be had from there at first.
    tried_again: HashSet<ObjectName>,
    /// Files that did not give what they should, or are not there: told once each.
    told: HashSet<String>,
}

/// Where the objects of a commit are.
struct Found {
    groups: Vec<(Arc<PartFile>, Group)>,
    is_delta: bool,
}

impl Found {
    fn of(index: PackIndex) -> Self {
        let file = |pack: &ostler_format::pack::Pack| {
            Arc::new(PartFile {
                path: pack.path(),
                size: pack.size,
            })
        };
        let files: Vec<_> = index.packs.iter().map(file).collect();
        let groups = index.groups.into_iter();
        Self {
            groups: groups
                .map(|group| (Arc::clone(&files[group.pack]), group.into()))
                .collect(),
            is_delta: false,
        }
    }

    /// Bytes of the groups that have an object which is not here.
    fn needed_bytes(
        &self,
        is_here: impl Fn(&ObjectName) -> Result<bool, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for (_, group) in &self.groups {
            for name in group.members.iter().filter_map(|member| member.name) {
                if is_part_of_tree(name.kind) && !is_here(&name)? {
                    bytes += group.packed;
                    break;
                }
            }
        }
        Ok(bytes)
    }
}

/// The commit and what is beside it are asked for by themselves.
fn is_part_of_tree(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::File | ObjectKind::DirTree | ObjectKind::DirMeta
    )
}

/// What it takes to have some objects from packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Parts of packs that are asked for.
    pub(crate) parts: u64,
    /// Bytes of these.
    pub(crate) packed_bytes: u64,
    /// Bytes of the objects, unpacked.
    pub(crate) unpacked_bytes: u64,
    /// Objects whose size, as the index says it, cannot be.
    pub(crate) unbelieved_objects: u64,
}

impl Room {
    fn add(&mut self, wanted: &WantedGroup) {
        let group = &wanted.group;
        let unpacked = group.members.iter().map(|member| member.size);
        let unpacked = unpacked.fold(0, u64::saturating_add);
        let is_believed = unpacked <= group.packed.saturating_mul(MAX_RATIO);
        let members = group.members.iter().zip(&wanted.wanted);
        for (member, _) in members.filter(|(_, name)| name.is_some()) {
            match is_believed {
                true => self.unpacked_bytes = self.unpacked_bytes.saturating_add(member.size),
                false => self.unbelieved_objects += 1,
            }
        }
    }
}

impl Packs {
    /// Fetches the pack indexes of those of `commits` to which no delta leads, as far as the remote has them.
    ///
    /// # Errors
    /// None for an index that is absent, or that is of no use, which is told.
    pub(crate) fn open_packs(
        &mut self,
        origin: &Origin,
        commits: &[CommitId],
        sink: &dyn Sink,
    ) -> Result<(), PullError> {
        for commit in commits {
            if self.found.contains_key(commit) {
                continue;
            }
            if let Some(index) = Self::index(origin, &PackIndex::path(*commit), sink)? {
                self.found.insert(*commit, Found::of(index));
            }
        }
        Ok(())
    }

    /// Fetches the index of the content that the remote has in packs alone, if one of `commits` has neither an index of its own nor a delta.
    ///
    /// # Errors
    /// As [`Packs::open_packs`].
    pub(crate) fn open_content_of(
        &mut self,
        origin: &Origin,
        commits: &[CommitId],
        sink: &dyn Sink,
    ) -> Result<(), PullError> {
        if commits.iter().all(|commit| self.found.contains_key(commit)) {
            return Ok(());
        }
        self.open_content(origin, sink)
    }

    /// Fetches that index, once.
    pub(crate) fn open_content(
        &mut self,
        origin: &Origin,
        sink: &dyn Sink,
    ) -> Result<(), PullError> {
        if std::mem::replace(&mut self.content_opened, true) {
            return Ok(());
        }
        let Some(index) = Self::index(origin, PackIndex::CONTENT_PATH, sink)? else {
            return Ok(());
        };
        for (file, group) in Found::of(index).groups {
            let number = self.groups.len();
            let names = group.members.iter().filter_map(|member| member.name);
            for name in names.filter(|name| name.kind == ObjectKind::File) {
                self.places.entry(name).or_insert(number);
            }
            self.groups.push((file, Arc::new(group)));
        }
        Ok(())
    }

    fn index(origin: &Origin, path: &str, sink: &dyn Sink) -> Result<Option<PackIndex>, PullError> {
        let problem = match origin.optional(&origin.content, path, MAX_PACK_INDEX_SIZE) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => match PackIndex::parse(&bytes) {
                Ok(index) => return Ok(Some(index)),
                Err(error) => format!("{path}: {error}"),
            },
            Err(PullError::Fetch(error)) => error.to_string(),
            Err(error) => return Err(error),
        };
        sink.event(Event::Notice(format!(
            "packs cannot be used, what they have is fetched object by object: {problem}"
        )));
        Ok(None)
    }

    /// Whether the remote has neither packs of any of the commits nor deltas to them.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.groups.is_empty()
    }

    /// Whether a pack, or a delta, has the object.
    pub(crate) fn has(&self, name: &ObjectName) -> bool {
        self.places.contains_key(name)
    }

    /// What it takes to have the objects, which are in packs.
    pub(crate) fn room(&self, names: &HashSet<ObjectName>) -> Room {
        let mut room = Room::default();
        for segment in self.segments(names) {
            room.parts += 1;
            room.packed_bytes = room.packed_bytes.saturating_add(segment.part().length);
            for group in &segment.groups {
                room.add(group);
            }
        }
        room
    }

    /// Has all content asked for by itself.
    pub(crate) fn forget_content(&mut self) {
        self.places.retain(|name, _| name.kind != ObjectKind::File);
    }

    /// Whether a native delta leads to the commit.
    pub(crate) fn has_delta_to(&self, commit: CommitId) -> bool {
        self.found.get(&commit).is_some_and(|found| found.is_delta)
    }

    /// Whether native deltas lead to some of the commits.
    pub(crate) fn has_deltas(&self) -> bool {
        self.found.values().any(|found| found.is_delta)
    }

    /// Takes the index of a commit that has been accepted, and returns what is to be asked for to have its metadata. A delta is left aside where
    /// the objects by themselves are known to be `loose_bytes`, and that is less.
    pub(crate) fn accept(
        &mut self,
        commit: CommitId,
        loose_bytes: Option<u64>,
        is_here: impl Fn(&ObjectName) -> Result<bool, StoreError>,
    ) -> Result<Vec<Arc<Segment>>, StoreError> {
        let Some(found) = self.found.remove(&commit) else {
            return Ok(Vec::new());
        };
        if let (true, Some(loose)) = (found.is_delta, loose_bytes)
            && found.needed_bytes(&is_here)? > loose
        {
            return Ok(Vec::new());
        }
        let mut missing = HashSet::new();
        for (file, group) in found.groups {
            let number = self.groups.len();
            for member in &group.members {
                let Some(name) = member.name.filter(|name| is_part_of_tree(name.kind)) else {
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
            self.groups.push((file, Arc::new(group)));
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

    /// As [`Packs::want`] for content that the remote does not have by itself; false the second time.
    pub(crate) fn want_again(&mut self, name: ObjectName) -> bool {
        self.tried_again.insert(name) && self.want(name)
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
            let (file, group) = &self.groups[number];
            // An object that two groups have comes from the one that is its place.
            let is_wanted =
                |name: &ObjectName| names.contains(name) && self.places.get(name) == Some(&number);
            let wanted = group
                .members
                .iter()
                .map(|member| member.name.filter(is_wanted))
                .collect();
            let group = WantedGroup {
                group: Arc::clone(group),
                wanted,
            };
            (Arc::clone(file), group)
        });
        segments(groups.collect())
            .into_iter()
            .map(Arc::new)
            .collect()
    }
}
