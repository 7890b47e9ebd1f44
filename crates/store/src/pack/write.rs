//! Making a pack.
//!
//! The same objects give the same pack, however many processors and however much memory there are.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::thread;

use ostler_format::pack::{Pack, PackGroup, PackIndex};
use ostler_format::{Checksum, CommitId, Hasher, ObjectName};
use ostler_fs::{Durability, LinkPolicy, TempFile};

use super::catalog::FOLDER;
use super::contents::{Contents, packed_before};
use super::pipeline::{Blocks, Frame, compress_all, writing};
use super::read::{Laid, Limits, ObjectReader};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::transaction::SpaceBudget;

/// Compression levels that can be asked for.
pub const LEVELS: RangeInclusive<i32> = 1..=19;
/// The level that is used if none is asked for.
pub const DEFAULT_LEVEL: i32 = 12;

/// What is compressed at once of a large object.
const BLOCK: usize = 2 << 20;
const LIMITS: Limits = Limits {
    small: 64 << 10,
    group: 256 << 10,
    block: BLOCK,
};
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
    groups: Vec<(Pack, PackGroup)>,
) -> Result<(), StoreError> {
    let index = assemble(groups);
    let path = PackIndex::path(commit);
    let (folder, name) = path.rsplit_once('/').expect("it lies in a folder");
    let folder = repo.dir().create_dir_all(folder, 0o775)?;
    repo.replace_file(&folder, name, &index.to_bytes(), repo.durability())
}

/// Makes an index of groups.
pub(super) fn assemble(mut groups: Vec<(Pack, PackGroup)>) -> PackIndex {
    groups.sort_by_key(|(pack, group)| (*pack, group.offset));
    let mut index = PackIndex::default();
    for (pack, mut group) in groups {
        if index.packs.last() != Some(&pack) {
            index.packs.push(pack);
        }
        group.pack = index.packs.len() - 1;
        index.groups.push(group);
    }
    index
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
    let threads = options.threads(thread::available_parallelism().map_or(1, usize::from));
    let mut writer = Writer::new(file, SpaceBudget::of(repo)?);
    compress_all(
        threads,
        options.level,
        |blocks| read(repo, contents, blocks, sink),
        |frame| writer.write(frame),
    )?;
    let (checksum, groups) = writer.finish()?;
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

fn read(
    repo: &Repo,
    contents: &Contents,
    blocks: Blocks<Laid>,
    sink: &dyn Sink,
) -> Result<(), StoreError> {
    let mut reader = ObjectReader::new(repo, blocks, (sink, Phase::Pack), LIMITS, ());
    for name in &contents.metadata {
        reader.metadata(*name)?;
    }
    reader.end_group()?;
    for id in &contents.files {
        reader.file(*id)?;
    }
    reader.end_group()
}

/// Writes frames, and notes which groups they make.
struct Writer {
    file: io::BufWriter<std::fs::File>,
    space: SpaceBudget,
    hasher: Hasher,
    groups: Vec<PackGroup>,
    /// Where the group begins that is being written, and where it ends so far.
    begins: u64,
    ends: u64,
}

impl Writer {
    fn new(file: std::fs::File, space: SpaceBudget) -> Self {
        Self {
            file: io::BufWriter::with_capacity(1 << 20, file),
            space,
            hasher: Hasher::new(),
            groups: Vec::new(),
            begins: 0,
            ends: 0,
        }
    }

    fn write(&mut self, frame: Frame<Laid>) -> Result<(), StoreError> {
        self.space.take(frame.bytes.len() as u64)?;
        self.hasher.update(&frame.bytes);
        self.file.write_all(&frame.bytes).map_err(writing)?;
        self.ends += frame.bytes.len() as u64;
        if let Some(members) = frame.tag.ends {
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

    fn finish(mut self) -> Result<(Checksum, Vec<PackGroup>), StoreError> {
        self.file.flush().map_err(writing)?;
        Ok((self.hasher.finish(), self.groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;
    use crate::pack::pipeline::BLOCKS_A_THREAD;

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
