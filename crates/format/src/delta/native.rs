//! Ostler's own delta: a pack whose frames may refer to files of an old commit.
//!
//! ```text
//! delta   index: commits, old objects that are referred to, groups with their frames      sealed by a SHA-256
//!         groups, one after the other; a group is some objects, one after the other
//!           frame    at most 8 MiB of a group, coded in one of two ways, with pieces of old objects before it: its prefix
//!                      a Zstandard frame, to which the prefix is what has been unpacked already
//!                      or what differs from the prefix, a [`Difference`](super::Difference)
//! list    the deltas that lead to a commit: from which one, name and length of the file, length of its index
//! ```
//! A client reads the list, the index of the best delta and then the groups of which it lacks an object, each by a range of the file.
//! Small objects are laid together as in a [pack](crate::pack), with their old versions before them; a large one is cut into frames, each with
//! the part of its old version that it is like, so that neither side needs more memory for a larger file.

use super::DeltaName;
use crate::checksum::{Checksum, CommitId};
use crate::error::ObjectError;
use crate::object::{ObjectKind, ObjectName};
use crate::pack::{Pack, PackMember, Reader, bound, is_packed, unpacked_size};
use crate::varint::write_varint;

/// The longest index that is read, in bytes: some 400,000 objects.
pub const MAX_NATIVE_INDEX: u64 = 16 << 20;
/// The longest list that is read, in bytes: some 13,000 deltas.
pub const MAX_NATIVE_LIST: u64 = 1 << 20;
/// Bytes that a frame holds, at most: they are unpacked in memory.
pub const MAX_FRAME: u64 = 8 << 20;
/// Bytes that a frame that is not the last of its group holds, at least.
pub const MIN_FRAME: u64 = 1 << 20;
/// Bytes that may stand before a frame: they are in memory while it is unpacked.
pub const MAX_PREFIX: u64 = 16 << 20;

const OBJECT: &str = "native delta";
const MAGIC: &[u8; 8] = b"OSTLDELT";
const LIST: &str = "list of native deltas";
const LIST_MAGIC: &[u8; 8] = b"OSTLDLST";
/// Of a delta. The first had no codings, and prefixes of up to 32 MiB: who reads only that does without deltas of this one.
const VERSION: u8 = 2;
const LIST_VERSION: u8 = 1;
/// Bytes from which the length of an index is known: the magic, the version and the length.
pub const NATIVE_HEAD: usize = MAGIC.len() + 1 + 8;

/// What a delta's file holds, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeDelta {
    /// The commit that it leads from.
    pub from: CommitId,
    /// The commit that it leads to.
    pub to: CommitId,
    /// Objects of the old commit that frames refer to.
    pub sources: Vec<Source>,
    /// In the order in which they follow the index.
    pub groups: Vec<DeltaGroup>,
}

/// An object of the old commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name: a file or a dirtree.
    pub name: ObjectName,
    /// Its bytes; of a file those of its content.
    pub size: u64,
}

/// Objects that are compressed together, or a part of a frame each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaGroup {
    /// Its objects, in order; files as in a pack. All have names.
    pub members: Vec<PackMember>,
    /// What they are compressed as, in order.
    pub frames: Vec<DeltaFrame>,
}

/// How a frame is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// As a Zstandard frame, to which its prefix has been unpacked already.
    #[default]
    AfterPrefix,
    /// As what differs from its prefix: a [`Difference`](super::Difference), whose parts are LZMA2 streams.
    Difference,
}

impl Coding {
    fn number(self) -> u64 {
        match self {
            Self::AfterPrefix => 0,
            Self::Difference => 1,
        }
    }

    fn of_number(number: u64) -> Option<Self> {
        [Self::AfterPrefix, Self::Difference]
            .into_iter()
            .find(|coding| coding.number() == number)
    }
}

/// A piece of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaFrame {
    /// How it is to be read.
    pub coding: Coding,
    /// Its length in the delta.
    pub packed: u64,
    /// Bytes that it holds.
    pub unpacked: u64,
    /// What stands before it.
    pub prefix: Vec<SourceRange>,
}

/// A piece of an old object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRange {
    /// Which of the sources.
    pub source: u32,
    /// Where it begins there.
    pub offset: u64,
    /// How many bytes, more than 0.
    pub length: u32,
}

impl DeltaGroup {
    /// Bytes in the delta.
    pub fn packed(&self) -> u64 {
        self.frames.iter().map(|frame| frame.packed).sum()
    }
}

impl DeltaFrame {
    /// Bytes that stand before it.
    pub fn prefix_bytes(&self) -> u64 {
        let lengths = self.prefix.iter().map(|range| u64::from(range.length));
        lengths.sum()
    }
}

impl NativeDelta {
    /// The name by which people call it.
    pub fn name(&self) -> DeltaName {
        DeltaName {
            from: Some(self.from),
            to: self.to,
        }
    }

    /// Parses the index.
    ///
    /// # Errors
    /// It is not in this form, its checksum is wrong, it leads nowhere, a frame is larger than [`MAX_FRAME`] or has a prefix larger than
    /// [`MAX_PREFIX`] or one that its sources do not have, or the frames of a group do not hold what its objects need.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let mut reader = Reader::of_sealed(OBJECT, bytes)?;
        reader.begin(MAGIC, VERSION)?;
        if reader.take(8)? != (bytes.len() as u64).to_le_bytes() {
            return Err(bad("its index is of another length"));
        }
        let from = CommitId::new(reader.checksum()?);
        let to = CommitId::new(reader.checksum()?);
        if from == to {
            return Err(bad("it leads nowhere"));
        }
        // A source takes more than 33 bytes here, a group more than 37: a count that lies ends with the file.
        let mut sources = Vec::new();
        for _ in 0..reader.number()? {
            sources.push(read_source(&mut reader)?);
        }
        let mut groups = Vec::new();
        let mut ends = bytes.len() as u64;
        for _ in 0..reader.number()? {
            let group = read_group(&mut reader, &sources)?;
            let is_stranger =
                |name: ObjectName| is_of_commit(name.kind) && name.checksum != to.checksum();
            if group
                .members
                .iter()
                .filter_map(|member| member.name)
                .any(is_stranger)
            {
                return Err(bad("it brings a commit that it does not lead to"));
            }
            let after = ends.checked_add(group.packed());
            ends = after.ok_or_else(|| bad("it is larger than any file"))?;
            groups.push(group);
        }
        reader.end()?;
        Ok(Self {
            from,
            to,
            sources,
            groups,
        })
    }

    /// The length of the index that begins so; `None` if none does, or it is longer than [`MAX_NATIVE_INDEX`].
    pub fn index_size(head: &[u8; NATIVE_HEAD]) -> Option<u64> {
        let (magic, rest) = head.split_first_chunk::<8>()?;
        let (version, length) = rest.split_first()?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        let is_one = magic == MAGIC && *version == VERSION && length <= MAX_NATIVE_INDEX;
        (is_one && length > NATIVE_HEAD as u64).then_some(length)
    }

    /// The index.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(self.from.checksum().as_bytes());
        out.extend_from_slice(self.to.checksum().as_bytes());
        write_varint(self.sources.len() as u64, &mut out);
        for source in &self.sources {
            let member = PackMember {
                name: Some(source.name),
                size: source.size,
            };
            member.write(&mut out);
        }
        write_varint(self.groups.len() as u64, &mut out);
        for group in &self.groups {
            group.write(&mut out);
        }
        let length = out.len() as u64 + 32;
        out[NATIVE_HEAD - 8..NATIVE_HEAD].copy_from_slice(&length.to_le_bytes());
        seal(out)
    }
}

impl DeltaGroup {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.members.len() as u64, out);
        for member in &self.members {
            member.write(out);
        }
        write_varint(self.frames.len() as u64, out);
        for frame in &self.frames {
            let count = frame.prefix.len() as u64;
            let coding = frame.coding.number();
            for number in [coding, frame.packed, frame.unpacked, count] {
                write_varint(number, out);
            }
            for range in &frame.prefix {
                let numbers = [range.source.into(), range.offset, range.length.into()];
                for number in numbers {
                    write_varint(number, out);
                }
            }
        }
    }
}

fn seal(mut out: Vec<u8>) -> Vec<u8> {
    let sum = Checksum::of(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

fn read_source(reader: &mut Reader<'_>) -> Result<Source, ObjectError> {
    let PackMember { name, size } = reader.member()?;
    let is_source = |name: &ObjectName| matches!(name.kind, ObjectKind::File | ObjectKind::DirTree);
    match name.filter(is_source) {
        Some(name) => Ok(Source { name, size }),
        None => Err(bad("a source is of a kind that none may be")),
    }
}

fn read_group(reader: &mut Reader<'_>, sources: &[Source]) -> Result<DeltaGroup, ObjectError> {
    let mut members = Vec::new();
    for _ in 0..reader.number()? {
        let member = reader.member()?;
        if member.name.is_none_or(|name| !is_brought(name.kind)) {
            return Err(bad("an object is of a kind that deltas do not have"));
        }
        members.push(member);
    }
    let needed = unpacked_size(&members).map_err(bad)?;
    let mut frames: Vec<DeltaFrame> = Vec::new();
    let mut unpacked = 0_u64;
    for _ in 0..reader.number()? {
        if frames.last().is_some_and(|last| last.unpacked < MIN_FRAME) {
            return Err(bad("a frame is too small"));
        }
        let frame = read_frame(reader, sources)?;
        let after = unpacked.checked_add(frame.unpacked);
        unpacked = after.ok_or_else(|| bad("a group's frames are larger than any"))?;
        frames.push(frame);
    }
    if unpacked != needed {
        return Err(bad("a group's frames hold more or less than its objects"));
    }
    Ok(DeltaGroup { members, frames })
}

fn read_frame(reader: &mut Reader<'_>, sources: &[Source]) -> Result<DeltaFrame, ObjectError> {
    let coding = Coding::of_number(reader.number()?);
    let coding = coding.ok_or_else(|| bad("a frame is coded in a way that is not known"))?;
    let (packed, unpacked) = (reader.number()?, reader.number()?);
    if unpacked == 0 || unpacked > MAX_FRAME {
        return Err(bad("a frame is too large, or holds nothing"));
    }
    if packed == 0 || packed > bound(unpacked) {
        return Err(bad("a frame is larger than what it holds can be"));
    }
    let mut prefix = Vec::new();
    let mut total = 0_u64;
    for _ in 0..reader.number()? {
        let range = read_range(reader, sources)?;
        total += u64::from(range.length);
        if total > MAX_PREFIX {
            return Err(bad("a frame has too much before it"));
        }
        prefix.push(range);
    }
    Ok(DeltaFrame {
        coding,
        packed,
        unpacked,
        prefix,
    })
}

fn read_range(reader: &mut Reader<'_>, sources: &[Source]) -> Result<SourceRange, ObjectError> {
    let outside = || bad("a piece lies outside its source");
    let number = u32::try_from(reader.number()?).map_err(|_| outside())?;
    let offset = reader.number()?;
    let length = u32::try_from(reader.number()?).map_err(|_| outside())?;
    let source = sources.get(number as usize).ok_or_else(outside)?;
    let end = offset.checked_add(length.into());
    if length == 0 || end.is_none_or(|end| end > source.size) {
        return Err(outside());
    }
    Ok(SourceRange {
        source: number,
        offset,
        length,
    })
}

/// Whether deltas bring objects of that kind.
fn is_brought(kind: ObjectKind) -> bool {
    is_packed(kind) || is_of_commit(kind)
}

fn is_of_commit(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Commit | ObjectKind::CommitMeta)
}

fn bad(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}

/// The native deltas that lead to a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeList {
    /// By the commit that they lead from, each once.
    pub deltas: Vec<NativeEntry>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeEntry {
    /// The commit that it leads from.
    pub from: CommitId,
    /// Its file.
    pub file: Pack,
    /// Bytes of the index, with which the file begins.
    pub index_size: u64,
}

impl NativeEntry {
    /// Where the file lies in a repository.
    pub fn path(&self) -> String {
        let hex = self.file.checksum.to_string();
        format!("native-deltas/{}/{}.delta", &hex[..2], &hex[2..])
    }
}

impl NativeList {
    /// Where the list of the deltas to a commit lies in a repository.
    pub fn path(to: CommitId) -> String {
        let hex = to.to_string();
        format!("native-deltas/{}/{}.list", &hex[..2], &hex[2..])
    }

    /// Parses the file.
    ///
    /// # Errors
    /// It is not in this form, its checksum is wrong, it is out of order, or an index is longer than [`MAX_NATIVE_INDEX`] or than its file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let mut reader = Reader::of_sealed(LIST, bytes)?;
        reader.begin(LIST_MAGIC, LIST_VERSION)?;
        let mut deltas: Vec<NativeEntry> = Vec::new();
        for _ in 0..reader.number()? {
            let entry = NativeEntry {
                from: CommitId::new(reader.checksum()?),
                file: Pack {
                    checksum: reader.checksum()?,
                    size: reader.number()?,
                },
                index_size: reader.number()?,
            };
            let follows = |last: &NativeEntry| last.from < entry.from;
            if !deltas.last().is_none_or(follows) {
                return Err(reader.bad("its deltas are out of order"));
            }
            let most = entry.file.size.min(MAX_NATIVE_INDEX);
            if entry.index_size <= NATIVE_HEAD as u64 || entry.index_size > most {
                return Err(reader.bad("an index is longer than it may be, or shorter than any"));
            }
            deltas.push(entry);
        }
        reader.end()?;
        Ok(Self { deltas })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = LIST_MAGIC.to_vec();
        out.push(LIST_VERSION);
        write_varint(self.deltas.len() as u64, &mut out);
        for entry in &self.deltas {
            out.extend_from_slice(entry.from.checksum().as_bytes());
            out.extend_from_slice(entry.file.checksum.as_bytes());
            write_varint(entry.file.size, &mut out);
            write_varint(entry.index_size, &mut out);
        }
        seal(out)
    }
}
