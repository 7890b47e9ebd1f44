//! Making a native delta.
//!
//! ```text
//! plan      which objects the new commit has and the old one lacks; which old file each is like, by path or name
//! similar   or by content
//! groups    read in order with what stands before them, compressed on some processors, written in order
//! file      index first, then the groups; it appears whole, and is listed
//! ```
//! The same commits and level give the same file, however many processors and however much memory there are.

use std::collections::HashMap;
use std::io::{self, Seek, Write};
use std::thread;

use ostler_format::delta::{
    DeltaFrame, DeltaGroup, MAX_FRAME, MAX_NATIVE_INDEX, NativeDelta, NativeEntry, Source,
};
use ostler_format::pack::{MAX_GROUP_SIZE, Pack, PackMember};
use ostler_format::{CommitId, Hasher, ObjectKind, ObjectName};
use ostler_fs::{Dir, Durability, LinkPolicy, TempFile};

use super::old::OldVersions;
use super::{catalog, similar};
use crate::delta::DeltaError;
use crate::delta::generate::plan::{Wanted, plan};
use crate::delta::generate::{Placement, folder_and_name};
use crate::error::StoreError;
use crate::pack::{Blocks, Frame, Laid, Limits, ObjectReader, compress_all, writing};
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::transaction::SpaceBudget;

pub use crate::pack::LEVELS;

/// The level that is used if none is asked for.
pub const DEFAULT_LEVEL: i32 = 19;

const LIMITS: Limits = Limits {
    small: 256 << 10,
    group: MAX_GROUP_SIZE as usize,
    block: MAX_FRAME as usize,
};
/// What a thread needs at any level: the compressor's tables, and its blocks with what stands before them and their frames.
const THREAD_BYTES: u64 = 224 << 20;

/// How a native delta is made.
#[derive(Clone, Copy, Debug)]
pub struct NativeOptions {
    /// Zstandard's level, one of [`LEVELS`].
    pub level: i32,
    /// Bytes to compress with: fewer threads work in less. One always does, in 224 MiB.
    pub memory_bytes: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct NativeGenerated {
    /// Metadata objects in it.
    pub metadata: u64,
    /// Content objects in it.
    pub files: u64,
    /// Files with a likeness in the old commit.
    pub modified: u64,
    /// Those of them that were found by their content.
    pub by_content: u64,
    /// Groups that can be fetched each by itself.
    pub groups: u64,
    /// Bytes of the index, which is fetched first.
    pub index_bytes: u64,
    /// Bytes of the file.
    pub compressed_bytes: u64,
    /// Bytes of the objects.
    pub uncompressed_bytes: u64,
}

/// Makes a delta that leads from one commit to another.
///
/// # Errors
/// [`DeltaError::Store`] if a commit is not whole, or less room would be left than `core.min-free-space-*` asks for;
/// [`DeltaError::NativeTooLarge`]. Nothing is left then.
pub fn generate(
    repo: &Repo,
    (from, to): (CommitId, CommitId),
    options: NativeOptions,
    placement: &Placement,
    sink: &dyn Sink,
) -> Result<NativeGenerated, DeltaError> {
    let shared = repo.lock_shared()?;
    let mut wanted = plan(repo, Some(from), to)?;
    let by_name = wanted.modified;
    similar::fill(repo, from, to, &mut wanted.files)?;
    wanted.modified = wanted
        .files
        .iter()
        .filter(|file| file.old.is_some())
        .count();
    let phase = Phase::Delta;
    sink.event(Event::Begin {
        phase,
        objects: Some((wanted.metadata.len() + wanted.files.len()) as u64),
        bytes: None,
    });
    let (body, delta) = write_groups(repo, (from, to), &wanted, options, sink)?;
    let index = delta.to_bytes();
    let index_bytes = index.len() as u64;
    if index_bytes > MAX_NATIVE_INDEX {
        return Err(DeltaError::NativeTooLarge { index_bytes });
    }
    let compressed_bytes = index_bytes + body.written;
    drop(shared);
    place(repo, &delta, &index, body, placement)?;
    sink.event(Event::End { phase });
    let members = delta.groups.iter().flat_map(|group| &group.members);
    Ok(NativeGenerated {
        metadata: wanted.metadata.len() as u64,
        files: wanted.files.len() as u64,
        modified: wanted.modified as u64,
        by_content: wanted.modified.saturating_sub(by_name) as u64,
        groups: delta.groups.len() as u64,
        index_bytes,
        compressed_bytes,
        uncompressed_bytes: members.map(|member| member.size).sum(),
    })
}

fn write_groups(
    repo: &Repo,
    (from, to): (CommitId, CommitId),
    wanted: &Wanted,
    options: NativeOptions,
    sink: &dyn Sink,
) -> Result<(Body, NativeDelta), StoreError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let fitting = usize::try_from(options.memory_bytes / THREAD_BYTES).unwrap_or(usize::MAX);
    let mut body = Body::new(repo)?;
    let sources = compress_all(
        fitting.clamp(1, processors),
        options.level,
        |blocks| read(repo, to, wanted, blocks, sink),
        |frame| body.write(frame),
    )?;
    body.file.flush().map_err(writing)?;
    let delta = NativeDelta {
        from,
        to,
        sources,
        groups: std::mem::take(&mut body.groups),
    };
    Ok((body, delta))
}

/// Reads what the delta brings, and returns what its frames refer to.
fn read(
    repo: &Repo,
    to: CommitId,
    wanted: &Wanted,
    blocks: Blocks<Laid>,
    sink: &dyn Sink,
) -> Result<Vec<Source>, StoreError> {
    let old = OldVersions::new(repo, old_versions(repo, wanted)?);
    let mut reader = ObjectReader::new(repo, blocks, (sink, Phase::Delta), LIMITS, old);
    // A group by itself: who asks a server for the commit does not need it.
    reader.metadata(ObjectName::from(to))?;
    let detached = ObjectName::new(to.checksum(), ObjectKind::CommitMeta);
    let bytes = repo.read_metadata_optional(&detached)?.unwrap_or_default();
    if !bytes.is_empty() {
        reader.object(detached, &bytes, 0, &mut io::empty())?;
    }
    reader.end_group()?;
    for name in &wanted.metadata {
        reader.metadata(*name)?;
    }
    reader.end_group()?;
    for file in &wanted.files {
        reader.file(file.id)?;
    }
    reader.end_group()?;
    Ok(reader.before.into_sources())
}

fn old_versions(repo: &Repo, wanted: &Wanted) -> Result<HashMap<ObjectName, Source>, StoreError> {
    let mut old = HashMap::new();
    for (new, before) in &wanted.old_trees {
        let name = ObjectName::from(*before);
        let size = repo.read_metadata(&name)?.len() as u64;
        old.insert(ObjectName::from(*new), Source { name, size });
    }
    for file in &wanted.files {
        if let Some(before) = file.old {
            let source = Source {
                name: before.id.into(),
                size: before.size,
            };
            old.insert(file.id.into(), source);
        }
    }
    Ok(old)
}

/// The groups, in a file without a name.
struct Body {
    file: io::BufWriter<TempFile>,
    space: SpaceBudget,
    written: u64,
    groups: Vec<DeltaGroup>,
    /// Of the group that is being written.
    frames: Vec<DeltaFrame>,
}

impl Body {
    fn new(repo: &Repo) -> Result<Self, StoreError> {
        let tmp = repo.dir().create_dir_all("tmp", 0o775)?;
        Ok(Self {
            file: io::BufWriter::with_capacity(1 << 20, TempFile::new(&tmp, 0o600)?),
            space: SpaceBudget::of(repo)?,
            written: 0,
            groups: Vec::new(),
            frames: Vec::new(),
        })
    }

    fn write(&mut self, frame: Frame<Laid>) -> Result<(), StoreError> {
        let packed = frame.bytes.len() as u64;
        // It is written once more, after its index.
        self.space.take(packed.saturating_mul(2))?;
        self.file.write_all(&frame.bytes).map_err(writing)?;
        self.written += packed;
        self.frames.push(DeltaFrame {
            coding: frame.coding,
            packed,
            unpacked: frame.tag.unpacked,
            prefix: frame.tag.ranges,
        });
        if let Some(members) = frame.tag.ends {
            self.end_group(members);
        }
        Ok(())
    }

    fn end_group(&mut self, members: Vec<PackMember>) {
        let frames = std::mem::take(&mut self.frames);
        self.groups.push(DeltaGroup { members, frames });
    }
}

/// Gives the file its name, and lists it if it is one of the repository.
fn place(
    repo: &Repo,
    delta: &NativeDelta,
    index: &[u8],
    body: Body,
    placement: &Placement,
) -> Result<(), DeltaError> {
    let body = body.file.into_inner();
    let body = body.map_err(|error| writing(error.into_error()))?;
    if let Placement::At(path) = placement {
        let (folder, name) = folder_and_name(path)?;
        let (temp, _) = whole(&folder, index, &body)?;
        finish(repo, temp, &folder, &name, LinkPolicy::Replace)?;
        return Ok(());
    }
    let folder = repo.dir().create_dir_all(catalog::FOLDER, 0o775);
    let (temp, file) = whole(&folder.map_err(StoreError::from)?, index, &body)?;
    let entry = NativeEntry {
        from: delta.from,
        file,
        index_size: index.len() as u64,
    };
    let path = entry.path();
    let (folder, name) = path.rsplit_once('/').expect("it lies in a folder");
    // From its name on until it is listed nobody must sweep it.
    let _lock = repo.lock_exclusive()?;
    let folder = repo.dir().create_dir_all(folder, 0o775);
    let folder = folder.map_err(StoreError::from)?;
    finish(repo, temp, &folder, name, LinkPolicy::KeepExisting)?;
    Ok(catalog::add(repo, delta.to, entry)?)
}

/// Makes the file, without a name: its index, and what follows that.
fn whole(folder: &Dir, index: &[u8], body: &TempFile) -> Result<(TempFile, Pack), StoreError> {
    let mut temp = TempFile::new(folder, 0o644)?;
    let mut hasher = Hasher::new();
    hasher.update(index);
    temp.write_all(index).map_err(writing)?;
    let mut size = index.len() as u64;
    let mut from = body.file();
    from.rewind().map_err(writing)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match io::Read::read(&mut from, &mut buffer).map_err(writing)? {
            0 => break,
            got => {
                hasher.update(&buffer[..got]);
                temp.write_all(&buffer[..got]).map_err(writing)?;
                size += got as u64;
            }
        }
    }
    let checksum = hasher.finish();
    Ok((temp, Pack { checksum, size }))
}

fn finish(
    repo: &Repo,
    temp: TempFile,
    folder: &Dir,
    name: &str,
    policy: LinkPolicy,
) -> Result<(), StoreError> {
    let synced = repo.durability() == Durability::Synced;
    if synced {
        temp.sync()?;
    }
    temp.link_into(folder, name, policy)?;
    if synced {
        folder.sync()?;
    }
    Ok(())
}
