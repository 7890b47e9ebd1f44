//! Making a pack.
//!
//! ```text
//! this thread   opens the objects in order, lays small ones together, cuts large ones into blocks
//!    | blocks, bounded
//! some threads   compress each block into a frame
//!    | frames, in any order
//! one thread   puts them back in order, hashes and writes
//! ```
//! Each block needs a permit, which comes back when its frame is written: what waits for one slow block is bounded.
//! The same objects give the same pack, however many processors and however much memory there are.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use ostler_format::pack::{Pack, PackGroup, PackIndex, PackMember};
use ostler_format::{Checksum, CommitId, FileId, Hasher, ObjectName};
use ostler_fs::{Durability, LinkPolicy, TempFile};

use super::catalog::FOLDER;
use super::contents::{Contents, packed_before};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::transaction::SpaceBudget;

/// Compression levels that can be asked for.
pub const LEVELS: RangeInclusive<i32> = 1..=19;
/// The level that is used if none is asked for.
pub const DEFAULT_LEVEL: i32 = 12;

/// Objects up to this length are laid together.
const SMALL: u64 = 64 << 10;
/// Bytes of objects that are laid together, at most.
const GROUP: usize = 256 << 10;
/// What is compressed at once of a large object.
const BLOCK: usize = 2 << 20;
/// Blocks that are read and not written yet, for each thread that compresses.
const BLOCKS_A_THREAD: usize = 2;
/// What a thread needs to compress, at any level: the compressor's tables, and its blocks with their frames.
const THREAD_BYTES: u64 = 44 << 20;
/// Bytes that making a pack may take, if nothing else is said, beside the names of the commit's objects.
pub const DEFAULT_MEMORY: u64 = 96 << 20;

/// How a pack is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Zstandard's level, one of [`LEVELS`].
    pub level: i32,
    /// Whether the pack has all objects of the commit, also those that earlier packs have.
    pub complete: bool,
    /// Bytes to compress with: fewer threads work in less. One always does, in 44 MiB.
    pub memory: u64,
}

impl CreateOptions {
    /// How many threads compress.
    fn threads(&self, processors: usize) -> usize {
        let fitting = usize::try_from(self.memory / THREAD_BYTES).unwrap_or(usize::MAX);
        fitting.clamp(1, processors.max(1))
    }
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            complete: false,
            memory: DEFAULT_MEMORY,
        }
    }
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Created {
    /// Objects that the commit needs beside itself.
    pub objects: u64,
    /// Those of them that are in the new pack.
    pub new_objects: u64,
    /// Their bytes before compression.
    pub new_bytes: u64,
    /// Bytes of the new pack; 0 if earlier packs had everything.
    pub pack_bytes: u64,
}

/// Makes a pack of what `commit` needs and no earlier pack has, and the commit's index.
///
/// The pack appears whole and before the index, which replaces an older one in one step.
///
/// # Errors
/// [`StoreError::ObjectMissing`] if the commit is not whole; [`StoreError::MinFreeSpace`] if the pack would leave less room than
/// `core.min-free-space-*` asks for; [`StoreError::Fs`], [`StoreError::Io`]. Nothing is left then.
pub fn create(
    repo: &Repo,
    commit: CommitId,
    options: CreateOptions,
    sink: &dyn Sink,
) -> Result<Created, StoreError> {
    let _lock = repo.lock_shared()?;
    let mut contents = Contents::of(repo, commit)?;
    let mut wanted: HashSet<ObjectName> = contents.names().collect();
    let objects = wanted.len() as u64;
    let mut groups = Vec::new();
    if !options.complete {
        groups = packed_before(repo, &mut wanted)?;
    }
    contents.retain(|name| wanted.contains(name));
    let phase = Phase::Pack;
    sink.event(Event::Begin {
        phase,
        objects: Some(wanted.len() as u64),
        bytes: None,
    });
    let mut created = Created {
        objects,
        new_objects: wanted.len() as u64,
        new_bytes: 0,
        pack_bytes: 0,
    };
    if !wanted.is_empty() {
        let (pack, written) = write_pack(repo, &contents, options, sink)?;
        created.pack_bytes = pack.size;
        created.new_bytes = written.iter().map(PackGroup::unpacked).sum();
        groups.extend(written.into_iter().map(|group| (pack, group)));
    }
    write_index(repo, commit, groups)?;
    sink.event(Event::End { phase });
    Ok(created)
}

fn write_index(
    repo: &Repo,
    commit: CommitId,
    mut groups: Vec<(Pack, PackGroup)>,
) -> Result<(), StoreError> {
    groups.sort_by_key(|(pack, group)| (*pack, group.offset));
    let mut index = PackIndex::default();
    for (pack, mut group) in groups {
        if index.packs.last() != Some(&pack) {
            index.packs.push(pack);
        }
        group.pack = index.packs.len() - 1;
        index.groups.push(group);
    }
    let path = PackIndex::path(commit);
    let (folder, name) = path.rsplit_once('/').expect("it lies in a folder");
    let folder = repo.dir().create_dir_all(folder, 0o775)?;
    repo.replace_file(&folder, name, &index.to_bytes(), repo.durability())
}

fn write_pack(
    repo: &Repo,
    contents: &Contents,
    options: CreateOptions,
    sink: &dyn Sink,
) -> Result<(Pack, Vec<PackGroup>), StoreError> {
    let folder = repo.dir().create_dir_all(FOLDER, 0o775)?;
    let temp = TempFile::new(&folder, 0o644)?;
    let file = temp.file().try_clone().map_err(writing)?;
    let space = SpaceBudget::of(repo)?;
    let threads = options.threads(thread::available_parallelism().map_or(1, usize::from));
    let (blocks, blocks_out) = bounded::<Block>(BLOCKS_A_THREAD * threads);
    let (frames_in, frames) = unbounded();
    let (permits_in, permits) = unbounded();
    for _ in 0..BLOCKS_A_THREAD * threads {
        // The other end is held below.
        let _ = permits_in.send(());
    }
    let (checksum, groups) = thread::scope(|scope| {
        for _ in 0..threads {
            let (blocks, frames) = (blocks_out.clone(), frames_in.clone());
            scope.spawn(move || compress(&blocks, &frames, options.level));
        }
        drop((blocks_out, frames_in));
        let writer = scope.spawn(move || Writer::new(file, space, permits_in).run(&frames));
        let mut reader = ObjectReader::new(repo, (blocks, permits), sink);
        let read = reader.run(contents);
        drop(reader);
        let written = writer.join().expect("writing does not panic");
        // An early end of writing ends reading, too: its reason is the first.
        written.and_then(|written| read.map(|()| written))
    })?;
    let size = groups.last().map_or(0, |group| group.offset + group.packed);
    let pack = Pack { checksum, size };
    if repo.durability() == Durability::Synced {
        temp.sync()?;
    }
    let path = pack.path();
    let (folder, name) = path.rsplit_once('/').expect("it lies in a folder");
    let folder = repo.dir().create_dir_all(folder, 0o775)?;
    temp.link_into(&folder, name, LinkPolicy::KeepExisting)?;
    if repo.durability() == Durability::Synced {
        folder.sync()?;
    }
    Ok((pack, groups))
}

fn writing(error: io::Error) -> StoreError {
    StoreError::io("writing a pack", error)
}

/// Bytes that become one frame.
struct Block {
    number: u64,
    bytes: Vec<u8>,
    /// The objects of the group that ends here.
    ends: Option<Vec<PackMember>>,
}

/// A compressed block.
struct Frame {
    bytes: Vec<u8>,
    ends: Option<Vec<PackMember>>,
}

type Numbered = (u64, io::Result<Frame>);

/// Reads objects and cuts them into blocks.
struct ObjectReader<'r> {
    repo: &'r Repo,
    blocks: Sender<Block>,
    permits: Receiver<()>,
    sink: &'r dyn Sink,
    number: u64,
    bytes: Vec<u8>,
    members: Vec<PackMember>,
}

impl<'r> ObjectReader<'r> {
    fn new(
        repo: &'r Repo,
        (blocks, permits): (Sender<Block>, Receiver<()>),
        sink: &'r dyn Sink,
    ) -> Self {
        Self {
            repo,
            blocks,
            permits,
            sink,
            number: 0,
            bytes: Vec::new(),
            members: Vec::new(),
        }
    }

    fn run(&mut self, contents: &Contents) -> Result<(), StoreError> {
        for name in &contents.metadata {
            let bytes = self.repo.read_metadata(name)?;
            let actual = Checksum::of(&bytes);
            if actual != name.checksum {
                return Err(StoreError::ChecksumMismatch {
                    name: *name,
                    actual,
                });
            }
            self.object(*name, &bytes, 0, &mut io::empty())?;
        }
        self.end_group()?;
        for id in &contents.files {
            self.file(*id)?;
        }
        self.end_group()
    }

    fn file(&mut self, id: FileId) -> Result<(), StoreError> {
        let name = ObjectName::from(id);
        let mut object = self.repo.open_file_object(id)?;
        let malformed = |source| StoreError::Malformed { name, source };
        let prefix = object
            .header
            .archive_prefix(object.size)
            .map_err(malformed)?;
        let mut hasher = object.header.hasher().map_err(malformed)?;
        let size = object.size;
        let mut content = Hashed {
            inner: object.unnamed(),
            hasher: &mut hasher,
        };
        self.object(name, &prefix, size, &mut content)?;
        let actual = hasher.finish();
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        Ok(())
    }

    /// Adds an object of `prefix` and as many bytes of `rest`.
    fn object(
        &mut self,
        name: ObjectName,
        prefix: &[u8],
        rest_bytes: u64,
        rest: &mut dyn Read,
    ) -> Result<(), StoreError> {
        let size = prefix.len() as u64 + rest_bytes;
        let fits = size <= SMALL && self.bytes.len() as u64 + size <= GROUP as u64;
        if !fits {
            self.end_group()?;
        }
        self.members.push(PackMember {
            name: Some(name),
            size,
        });
        self.bytes.extend_from_slice(prefix);
        let failed = |error| StoreError::io(name.to_string(), error);
        loop {
            let room = BLOCK.saturating_sub(self.bytes.len()) as u64;
            if size > SMALL {
                // Doubling would take more than the block.
                self.bytes.reserve_exact(size.min(room) as usize);
            }
            let got = rest
                .take(room)
                .read_to_end(&mut self.bytes)
                .map_err(failed)?;
            if (got as u64) < room {
                break;
            }
            self.send(None)?;
        }
        self.sink.event(Event::Advance {
            phase: Phase::Pack,
            objects: 1,
            bytes: size,
        });
        if size > SMALL {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), StoreError> {
        if self.members.is_empty() {
            return Ok(());
        }
        let members = std::mem::take(&mut self.members);
        self.send(Some(members))
    }

    fn send(&mut self, ends: Option<Vec<PackMember>>) -> Result<(), StoreError> {
        // The others stop early only when writing has failed, which its thread says.
        let stopped = |_| writing(io::ErrorKind::BrokenPipe.into());
        self.permits.recv().map_err(stopped)?;
        let block = Block {
            number: self.number,
            bytes: std::mem::take(&mut self.bytes),
            ends,
        };
        self.number += 1;
        let sent = self.blocks.send(block);
        sent.map_err(|_| writing(io::ErrorKind::BrokenPipe.into()))
    }
}

/// Hashes what is read through it.
struct Hashed<'h, R> {
    inner: R,
    hasher: &'h mut Hasher,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        Ok(got)
    }
}

fn compress(blocks: &Receiver<Block>, frames: &Sender<Numbered>, level: i32) {
    let mut compressor = zstd::bulk::Compressor::new(level);
    for block in blocks {
        let frame = match &mut compressor {
            Ok(compressor) => compressor.compress(&block.bytes),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let frame = frame.map(|mut bytes| {
            bytes.shrink_to_fit();
            Frame {
                bytes,
                ends: block.ends,
            }
        });
        if frames.send((block.number, frame)).is_err() {
            return;
        }
    }
}

/// Puts frames in order and writes them.
struct Writer {
    file: io::BufWriter<std::fs::File>,
    space: SpaceBudget,
    permits: Sender<()>,
    hasher: Hasher,
    groups: Vec<PackGroup>,
    /// Where the group begins that is being written, and where it ends so far.
    begins: u64,
    ends: u64,
}

impl Writer {
    fn new(file: std::fs::File, space: SpaceBudget, permits: Sender<()>) -> Self {
        Self {
            file: io::BufWriter::with_capacity(1 << 20, file),
            space,
            permits,
            hasher: Hasher::new(),
            groups: Vec::new(),
            begins: 0,
            ends: 0,
        }
    }

    fn run(
        mut self,
        frames: &Receiver<Numbered>,
    ) -> Result<(Checksum, Vec<PackGroup>), StoreError> {
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (number, frame) in frames {
            waiting.insert(number, frame.map_err(writing)?);
            while let Some(frame) = waiting.remove(&next) {
                self.write(frame)?;
                next += 1;
                // The reader leaves when it has read all.
                let _ = self.permits.send(());
            }
        }
        self.file.flush().map_err(writing)?;
        Ok((self.hasher.finish(), self.groups))
    }

    fn write(&mut self, frame: Frame) -> Result<(), StoreError> {
        self.space.take(frame.bytes.len() as u64)?;
        self.hasher.update(&frame.bytes);
        self.file.write_all(&frame.bytes).map_err(writing)?;
        self.ends += frame.bytes.len() as u64;
        if let Some(members) = frame.ends {
            self.groups.push(PackGroup {
                pack: 0,
                offset: self.begins,
                packed: self.ends - self.begins,
                members,
            });
            self.begins = self.ends;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;

    #[test]
    fn no_level_takes_more_memory_for_a_thread_than_is_reckoned_with() {
        let block = noise(BLOCK, 7);
        let taken = |level| {
            let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
            let frame = compressor.compress(&block).unwrap();
            let blocks = BLOCKS_A_THREAD * (block.len() + frame.len());
            (compressor.context_mut().sizeof() + blocks) as u64
        };
        let most: Vec<_> = LEVELS.map(|level| (taken(level), level)).collect();
        assert!(
            most.iter().all(|(bytes, _)| *bytes <= THREAD_BYTES),
            "{most:?}"
        );
    }

    #[test]
    fn threads_are_as_many_as_fit_and_at_least_one() {
        for (memory, processors, threads) in [
            (0, 8, 1),
            (THREAD_BYTES * 2, 8, 2),
            (THREAD_BYTES * 2, 1, 1),
            (u64::MAX, 8, 8),
        ] {
            let options = CreateOptions {
                memory,
                ..CreateOptions::default()
            };
            assert_eq!(options.threads(processors), threads, "{memory}");
        }
    }
}
