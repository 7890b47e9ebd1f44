//! What becomes of a part of a pack as it arrives.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;
use ostler_format::{Checksum, FileHeader, ObjectKind, ObjectName};
use ostler_http::{BodyStart, Sink, SinkFault};

use super::segment::Segment;
use crate::error::StoreError;
use crate::object::check_bare_user_only;
use crate::pack::{Piece, Unpacking};
use crate::pull::partial::Keeper;
use crate::pull::receive::{self, Shared};
use crate::transaction::{ContentFile, Hashing};

/// A metadata object whose checksum is right, for the deciding thread.
pub(crate) struct PackedMetadata {
    pub(crate) name: ObjectName,
    pub(crate) bytes: Vec<u8>,
}

/// Receives a part of a pack and stages the content that is wanted.
pub(crate) struct SegmentSink<M> {
    segment: Arc<Segment>,
    /// Bytes of the part so far.
    at: u64,
    /// Which group is next, or being unpacked.
    group: usize,
    unpacking: Option<Unpacking>,
    keeper: Keeper,
    receiver: ObjectReceiver<M>,
}

/// Receives one object after the other.
pub(crate) struct ObjectReceiver<M> {
    shared: Arc<Shared>,
    messages: Sender<M>,
    /// Content objects that have been staged.
    arrived: Arc<AtomicU64>,
    /// Metadata, or the header of a file as far as it has come.
    memory: Vec<u8>,
    content: Option<ContentFile>,
    /// Objects that need not be asked for again.
    delivered: HashSet<ObjectName>,
}

/// Why a piece was not taken.
pub(crate) enum Trouble {
    /// The group cannot be unpacked.
    Group(io::Error),
    /// The object is not what it should be, or cannot be written.
    Object(StoreError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Group(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Object(error)
    }
}

impl From<Trouble> for SinkFault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Group(error) => Self::Wrong(Box::new(error)),
            Trouble::Object(error) => receive::fault(error),
        }
    }
}

impl<M: From<PackedMetadata>> SegmentSink<M> {
    /// `keeper` has what an earlier pull received of it.
    pub(crate) fn new(
        shared: Arc<Shared>,
        (segment, keeper): (Arc<Segment>, Keeper),
        messages: Sender<M>,
        arrived: Arc<AtomicU64>,
    ) -> Self {
        Self {
            segment,
            at: 0,
            group: 0,
            unpacking: None,
            keeper,
            receiver: ObjectReceiver::new(shared, messages, arrived),
        }
    }

    /// The part.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The wanted objects that have not come.
    pub(crate) fn missing(&self) -> Vec<ObjectName> {
        let delivered = &self.receiver.delivered;
        let wanted = self.segment.wanted();
        wanted.filter(|name| !delivered.contains(name)).collect()
    }

    /// What is wrong is not kept.
    fn judge(&mut self, result: Result<(), Trouble>) -> Result<(), SinkFault> {
        result.map_err(|trouble| {
            self.keeper.forget();
            trouble.into()
        })
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        while let (Some(wanted), false) = (self.segment.groups.get(self.group), bytes.is_empty()) {
            let begins = wanted.group.offset - self.segment.first();
            let ends = wanted.group.ends() - self.segment.first();
            let until = if self.at < begins { begins } else { ends };
            let length = usize::try_from(until - self.at).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(length.min(bytes.len()));
            if self.at >= begins {
                let mut unpacking = match self.unpacking.take() {
                    Some(unpacking) => unpacking,
                    None => Unpacking::of(&wanted.group)?,
                };
                let receiver = &mut self.receiver;
                unpacking.put(now, |piece| match wanted.wanted[piece.member] {
                    // After a cut the part may come once more from its beginning.
                    Some(name) if !receiver.delivered.contains(&name) => {
                        receiver.take(name, wanted.group.members[piece.member].size, &piece)
                    }
                    _ => Ok(()),
                })?;
                self.unpacking = Some(unpacking);
            }
            self.at += now.len() as u64;
            if self.at == ends
                && let Some(unpacking) = self.unpacking.take()
            {
                unpacking.finish()?;
                self.group += 1;
            }
            bytes = rest;
        }
        Ok(())
    }
}

impl<M: From<PackedMetadata>> ObjectReceiver<M> {
    /// Metadata goes to `messages`, content is staged and counted by `arrived`.
    pub(crate) fn new(shared: Arc<Shared>, messages: Sender<M>, arrived: Arc<AtomicU64>) -> Self {
        Self {
            shared,
            messages,
            arrived,
            memory: Vec::new(),
            content: None,
            delivered: HashSet::new(),
        }
    }

    /// Takes the next bytes of an object of `size` bytes.
    pub(crate) fn take(
        &mut self,
        name: ObjectName,
        size: u64,
        piece: &Piece<'_>,
    ) -> Result<(), Trouble> {
        match (&mut self.content, name.kind) {
            (Some(content), _) => content.put(piece.bytes)?,
            (None, ObjectKind::File) => {
                self.memory.extend_from_slice(piece.bytes);
                self.begin_content(name, size)?;
            }
            (None, _) => self.memory.extend_from_slice(piece.bytes),
        }
        if piece.ends {
            self.end(name)?;
        }
        Ok(())
    }

    /// Begins with the content of a file once its header is here.
    fn begin_content(&mut self, name: ObjectName, size: u64) -> Result<(), StoreError> {
        let malformed = |source| StoreError::Malformed { name, source };
        let end = FileHeader::archive_prefix_end(&self.memory).map_err(malformed)?;
        let Some(end) = end.filter(|end| self.memory.len() >= *end) else {
            return Ok(());
        };
        let (header, content_bytes, _) =
            FileHeader::parse_archive_prefix(&self.memory[..end]).map_err(malformed)?;
        if (end as u64).checked_add(content_bytes) != Some(size) {
            return Err(receive::damaged(
                name,
                "its length is not what its header says",
            ));
        }
        if self.shared.bare_user_only_files {
            check_bare_user_only(name, &header)?;
        }
        if header.is_symlink() {
            // All of it is here: it has no content, so that `end` comes next.
            return Ok(());
        }
        let intake = self.shared.intake.clone();
        let mut content = ContentFile::begin(intake, header, Some(content_bytes), Hashing::Sha256)
            .map_err(|error| error.of(name))?;
        content.put(&self.memory[end..])?;
        self.memory.clear();
        self.content = Some(content);
        Ok(())
    }

    fn end(&mut self, name: ObjectName) -> Result<(), StoreError> {
        let memory = std::mem::take(&mut self.memory);
        if name.kind != ObjectKind::File {
            let actual = Checksum::of(&memory);
            // Detached metadata carries the name of its commit.
            if name.kind != ObjectKind::CommitMeta && actual != name.checksum {
                return Err(StoreError::ChecksumMismatch { name, actual });
            }
            self.delivered.insert(name);
            // Nobody listens only when the pull has failed.
            let packed = PackedMetadata {
                name,
                bytes: memory,
            };
            let _ = self.messages.send(packed.into());
            return Ok(());
        }
        match self.content.take() {
            Some(content) => content.link_verified(name)?,
            None => {
                let (header, _, _) = FileHeader::parse_archive_prefix(&memory)
                    .map_err(|source| StoreError::Malformed { name, source })?;
                self.shared.intake.stage_symlink_verified(&header, name)?;
            }
        }
        self.delivered.insert(name);
        self.arrived.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl<M: From<PackedMetadata> + Send> Sink for SegmentSink<M> {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at != self.at {
            self.at = 0;
            self.group = 0;
            self.unpacking = None;
            self.receiver.memory.clear();
            self.receiver.content = None;
        }
        let off = Keeper::off(&self.receiver.shared.intake);
        let mut keeper = std::mem::replace(&mut self.keeper, off);
        let mut wrong = None;
        let started = keeper.start(start, |bytes| {
            self.put(bytes).map_err(|trouble| {
                wrong = Some(trouble);
                StoreError::io(
                    "what an earlier pull had",
                    io::ErrorKind::InvalidData.into(),
                )
            })
        });
        self.keeper = keeper;
        let started = started.map_err(|error| wrong.unwrap_or(Trouble::Object(error)));
        self.judge(started)
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        let taken = self.put(bytes);
        self.judge(taken)?;
        self.keeper.put(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        self.keeper.forget();
        if self.group == self.segment.groups.len() {
            return Ok(());
        }
        let error = io::Error::new(
            io::ErrorKind::InvalidData,
            "the part of the pack ends early",
        );
        Err(SinkFault::Wrong(Box::new(error)))
    }
}
