//! Sinks: what becomes of an object's bytes as they arrive, on the threads of the network.
//!
//! Content is inflated, hashed and written in one pass, in the buffers of one of the threads; a large metadata object goes
//! through a file, so that a server cannot fill the memory. Nothing gets a name before its checksum is right.

use std::io::{Read, Seek, Write};
use std::sync::{Arc, Mutex};

use flate2::{Decompress, FlushDecompress, Status};
use ostler_format::{FileHeader, Hasher, ObjectKind, ObjectName};
use ostler_fs::{LinkPolicy, TempFile};
use ostler_http::{BodyStart, Sink, SinkFault};

use super::partial::Keeper;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::check_bare_user_only;
use crate::transaction::{ContentFile, Hashing, Intake};

/// Metadata above this length is kept in a file while it arrives.
const IN_MEMORY: usize = 1 << 20;
/// Content is inflated in pieces of this size.
const PIECE: usize = 64 * 1024;

/// What the sinks of one pull share.
pub(crate) struct Shared {
    pub(super) intake: Intake,
    pub(super) bare_user_only_files: bool,
    /// Whether content is verified; only a trusted mirror's is not.
    verify: bool,
    unpackers: Mutex<Vec<Unpacker>>,
}

impl Shared {
    pub(crate) fn new(intake: Intake, bare_user_only_files: bool, verify: bool) -> Self {
        Self {
            intake,
            bare_user_only_files,
            verify,
            unpackers: Mutex::default(),
        }
    }

    /// Whether beginnings of content are kept: what is not verified at its end must come in one piece.
    pub(super) fn keeps(&self) -> bool {
        self.verify
    }

    fn unpacker(&self) -> Unpacker {
        let idle = self
            .unpackers
            .lock()
            .expect("no holder of the list panics")
            .pop();
        idle.unwrap_or_else(Unpacker::new)
    }

    fn put_back(&self, mut unpacker: Unpacker) {
        unpacker.inflate.reset(false);
        let mut idle = self.unpackers.lock().expect("no holder of the list panics");
        idle.push(unpacker);
    }
}

/// Whether another mirror may do better.
pub(super) fn fault(error: StoreError) -> SinkFault {
    match error {
        StoreError::ChecksumMismatch { .. }
        | StoreError::Malformed { .. }
        | StoreError::Damaged { .. } => SinkFault::Wrong(Box::new(error)),
        error => SinkFault::Fatal(Box::new(error)),
    }
}

pub(super) fn damaged(name: ObjectName, reason: &str) -> StoreError {
    StoreError::Damaged {
        name,
        reason: reason.to_owned(),
    }
}

fn check(name: ObjectName, hasher: Hasher) -> Result<(), StoreError> {
    let actual = hasher.finish();
    if actual == name.checksum {
        return Ok(());
    }
    Err(StoreError::ChecksumMismatch { name, actual })
}

/// Receives a metadata object.
pub(crate) struct MetadataSink {
    shared: Arc<Shared>,
    name: ObjectName,
    hasher: Hasher,
    memory: Vec<u8>,
    file: Option<TempFile>,
}

impl MetadataSink {
    pub(crate) fn new(shared: Arc<Shared>, name: ObjectName) -> Self {
        Self {
            shared,
            name,
            hasher: Hasher::new(),
            memory: Vec::new(),
            file: None,
        }
    }

    /// The object's bytes, after the body has been received and accepted.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, StoreError> {
        let Some(temp) = self.file else {
            return Ok(self.memory);
        };
        let mut bytes = Vec::new();
        let mut file = temp.file();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(|e| StoreError::io(self.name.to_string(), e))?;
        Ok(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        if self.file.is_none() && self.memory.len() + bytes.len() > IN_MEMORY {
            let mut temp = self.shared.intake.new_temp(0o600)?;
            temp.write_all(&std::mem::take(&mut self.memory))
                .map_err(|e| StoreError::io(self.name.to_string(), e))?;
            self.file = Some(temp);
        }
        match &mut self.file {
            None => self.memory.extend_from_slice(bytes),
            Some(temp) => temp
                .write_all(bytes)
                .map_err(|e| StoreError::io(self.name.to_string(), e))?,
        }
        Ok(())
    }
}

impl Sink for MetadataSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at == 0 {
            self.hasher = Hasher::new();
            self.memory.clear();
            self.file = None;
        }
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.put(bytes).map_err(fault)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        // These two carry the name of the commit that they belong to.
        if matches!(
            self.name.kind,
            ObjectKind::CommitMeta | ObjectKind::TombstoneCommit
        ) {
            return Ok(());
        }
        check(self.name, self.hasher.clone()).map_err(fault)
    }
}

/// Receives a `.filez`, and stages the object when it is whole.
pub(crate) struct ContentSink {
    shared: Arc<Shared>,
    name: ObjectName,
    state: State,
    keeper: Keeper,
}

enum State {
    /// Header bytes so far.
    Header(Vec<u8>),
    /// The header is known.
    Body(Box<Body>),
    /// It is staged.
    Staged,
}

impl ContentSink {
    /// `keeper` has what an earlier pull received of it.
    pub(crate) fn new(shared: Arc<Shared>, name: ObjectName, keeper: Keeper) -> Self {
        Self {
            shared,
            name,
            state: State::Header(Vec::new()),
            keeper,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match &mut self.state {
            State::Header(header) => {
                header.extend_from_slice(bytes);
                let name = self.name;
                let end = FileHeader::archive_prefix_end(header)
                    .map_err(|source| StoreError::Malformed { name, source })?;
                let Some(end) = end.filter(|end| header.len() >= *end) else {
                    return Ok(());
                };
                let received = std::mem::take(header);
                let (prefix, rest) = received.split_at(end);
                let mut body = Body::begin(&self.shared, self.name, prefix)?;
                body.put(rest)?;
                self.state = State::Body(Box::new(body));
                Ok(())
            }
            State::Body(body) => body.put(bytes),
            State::Staged => Err(damaged(self.name, "more came after its end")),
        }
    }

    /// What is wrong is not kept.
    fn judge(&mut self, result: Result<(), StoreError>) -> Result<(), SinkFault> {
        result.map_err(|error| {
            self.keeper.forget();
            fault(error)
        })
    }

    fn end(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.state, State::Staged) {
            State::Header(_) => Err(damaged(self.name, "it ends inside its header")),
            State::Body(body) => body.end(),
            State::Staged => Ok(()),
        }
    }
}

impl Sink for ContentSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at == 0 {
            self.state = State::Header(Vec::new());
        }
        let mut keeper = std::mem::replace(&mut self.keeper, Keeper::off(&self.shared.intake));
        let started = keeper.start(start, |bytes| self.put(bytes));
        self.keeper = keeper;
        self.judge(started)
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        let taken = self.put(bytes);
        self.judge(taken)?;
        self.keeper.put(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        let ended = self.end();
        self.judge(ended)?;
        self.keeper.forget();
        Ok(())
    }
}

/// A content object after its header.
struct Body {
    shared: Arc<Shared>,
    name: ObjectName,
    header: FileHeader,
    /// Length of the content, as the header says.
    size: u64,
    /// Bytes of content so far.
    unpacked: u64,
    /// Compressed bytes so far.
    packed: u64,
    ended: bool,
    unpacker: Option<Unpacker>,
    target: Target,
}

enum Target {
    /// Written as the content is.
    Content(ContentFile),
    /// A symlink that is written at the end.
    Symlink,
    /// Written as it comes.
    Archived(Archived),
}

/// A `.filez` that is kept compressed as it is.
struct Archived {
    intake: Intake,
    /// `None` once it has its name.
    temp: Option<TempFile>,
    /// `None` if it is not verified.
    hasher: Option<Hasher>,
    /// Room that was taken for it.
    taken: u64,
}

impl Body {
    fn begin(shared: &Arc<Shared>, name: ObjectName, prefix: &[u8]) -> Result<Self, StoreError> {
        let (header, size, _) = FileHeader::parse_archive_prefix(prefix)
            .map_err(|source| StoreError::Malformed { name, source })?;
        if shared.bare_user_only_files {
            check_bare_user_only(name, &header)?;
        }
        let intake = shared.intake.clone();
        let target = if intake.mode() == RepoMode::Archive {
            let hasher = shared.verify.then(|| header.hasher()).transpose();
            let hasher = hasher.map_err(|source| StoreError::Malformed { name, source })?;
            let mut archived = Archived {
                temp: Some(intake.new_temp(0o644)?),
                intake,
                hasher,
                taken: 0,
            };
            archived.put(prefix)?;
            Target::Archived(archived)
        } else if header.is_symlink() {
            Target::Symlink
        } else {
            let file = ContentFile::begin(intake, header.clone(), Some(size), Hashing::Sha256)
                .map_err(|e| e.of(name))?;
            Target::Content(file)
        };
        let needs_unpacker = shared.verify && !header.is_symlink();
        Ok(Self {
            unpacker: needs_unpacker.then(|| shared.unpacker()),
            shared: Arc::clone(shared),
            name,
            header,
            size,
            unpacked: 0,
            packed: 0,
            ended: false,
            target,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.packed += bytes.len() as u64;
        if self.header.is_symlink() {
            return Err(damaged(self.name, "it is a symlink and has content"));
        }
        // Blocks of nothing could go on for ever.
        if self.packed
            > self
                .size
                .saturating_add(self.size / 8)
                .saturating_add(64 * 1024)
        {
            return Err(damaged(
                self.name,
                "its stream is longer than its content can be",
            ));
        }
        if let Target::Archived(archived) = &mut self.target {
            archived.put(bytes)?;
        }
        match self.unpacker.take() {
            None => Ok(()),
            Some(mut unpacker) => {
                let result = self.unpack(&mut unpacker, bytes);
                self.unpacker = Some(unpacker);
                result
            }
        }
    }

    fn unpack(&mut self, unpacker: &mut Unpacker, mut bytes: &[u8]) -> Result<(), StoreError> {
        loop {
            if self.ended {
                return if bytes.is_empty() {
                    Ok(())
                } else {
                    Err(damaged(self.name, "bytes follow its stream"))
                };
            }
            let (consumed, piece, ended) = unpacker
                .step(bytes)
                .map_err(|reason| damaged(self.name, &reason))?;
            bytes = &bytes[consumed..];
            self.ended = ended;
            self.unpacked += piece.len() as u64;
            if self.unpacked > self.size {
                return Err(damaged(
                    self.name,
                    "the content is longer than its header says",
                ));
            }
            match &mut self.target {
                Target::Content(file) => file.put(piece)?,
                Target::Archived(archived) => archived.hash(piece),
                Target::Symlink => {}
            }
            let stuck = consumed == 0 && piece.is_empty();
            if stuck && !self.ended {
                return Ok(());
            }
        }
    }

    fn end(mut self: Box<Self>) -> Result<(), StoreError> {
        let name = self.name;
        if let Some(unpacker) = self.unpacker.take() {
            self.shared.put_back(unpacker);
            if !self.ended {
                return Err(damaged(name, "its stream ends early"));
            }
            if self.unpacked < self.size {
                return Err(damaged(name, "the content is shorter than its header says"));
            }
        }
        match self.target {
            Target::Content(file) => file.link_verified(name),
            Target::Symlink => self
                .shared
                .intake
                .stage_symlink_verified(&self.header, name),
            Target::Archived(archived) => archived.link(name, self.size),
        }
    }
}

impl Archived {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.intake.take_space(bytes.len() as u64)?;
        self.taken += bytes.len() as u64;
        let temp = self.temp.as_mut().expect("it has no name yet");
        temp.write_all(bytes)
            .map_err(|e| StoreError::io("writing content", e))
    }

    fn hash(&mut self, piece: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
    }

    fn link(mut self, name: ObjectName, size: u64) -> Result<(), StoreError> {
        if let Some(hasher) = self.hasher.take() {
            check(name, hasher)?;
        }
        let temp = self.temp.take().expect("it has no name yet");
        ostler_fs::file::set_mode(temp.file(), 0o644)?;
        self.intake
            .link_temp(temp, name, LinkPolicy::KeepExisting)?;
        self.intake.count_content(size);
        // What was written now counts in the file system itself.
        self.taken = 0;
        Ok(())
    }
}

impl Drop for Archived {
    fn drop(&mut self) {
        self.intake.give_space_back(self.taken);
    }
}

/// Inflates raw deflate streams, one after another, through one buffer.
struct Unpacker {
    inflate: Decompress,
    piece: Box<[u8]>,
}

impl Unpacker {
    fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            piece: vec![0; PIECE].into(),
        }
    }

    /// Inflates a piece: how many bytes of `input` it took, the piece, and whether the stream ended with it.
    fn step(&mut self, input: &[u8]) -> Result<(usize, &[u8], bool), String> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, &mut self.piece, FlushDecompress::None)
            .map_err(|error| format!("its stream is broken: {error}"))?;
        let consumed = (self.inflate.total_in() - before_in) as usize;
        let produced = (self.inflate.total_out() - before_out) as usize;
        Ok((
            consumed,
            &self.piece[..produced],
            status == Status::StreamEnd,
        ))
    }
}
