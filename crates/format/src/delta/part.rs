//! A part's payload: `(a(uuu)aa(ayay)ayay)`, tables of owners and xattrs, data, and operations.
//!
//! A payload may be larger than memory, so [`PartLayout`] finds its members from its size and its last bytes;
//! [`Part`] is the same for one that is in memory.

use std::collections::HashMap;
use std::ops::Range;

use super::opcode::Operation;
use crate::dirmeta::be_u32;
use crate::error::{InObject as _, ObjectError};
use crate::variant::framing::{read_end, width_for, width_of};
use crate::variant::{Items, push_frame};
use crate::xattrs::Xattrs;

const OBJECT: &str = "delta part";
/// Bytes that each of a part's two tables may have.
pub const MAX_TABLE_SIZE: u64 = 16 << 20;
/// Bytes of an entry in the table of owners.
const OWNER_LEN: usize = 12;
/// Members whose end the frame stores: all but the last.
const ENDS: usize = 3;

/// How the bytes after the first one of a part's file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: 0.
    None,
    /// An XZ container: `x`.
    Xz,
}

impl Compression {
    /// The first byte of a part's file.
    pub const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Xz => b'x',
        }
    }

    /// What the first byte of a part's file says.
    pub const fn from_byte(byte: u8) -> Result<Self, ObjectError> {
        match byte {
            0 => Ok(Self::None),
            b'x' => Ok(Self::Xz),
            _ => Err(field("its compression is unknown")),
        }
    }
}

/// An entry of the table of owners; all three are stored big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileOwner {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions and file type. Whether a file may have them is checked when one does.
    pub mode: u32,
}

/// Where a payload's members are, in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartLayout {
    /// `a(uuu)`, at most [`MAX_TABLE_SIZE`]: for [`parse_owners`].
    pub owners: Range<u64>,
    /// `aa(ayay)`, at most [`MAX_TABLE_SIZE`]: for [`XattrsTable::parse`].
    pub xattrs: Range<u64>,
    /// The data that operations refer to.
    pub data: Range<u64>,
    /// The operations.
    pub operations: Range<u64>,
}

impl PartLayout {
    /// How many bytes at the end of a payload of `size` bytes say where its members are.
    pub fn frame_len(size: u64) -> Result<usize, ObjectError> {
        let size = usize::try_from(size).map_err(|_| field("it is too large"))?;
        Ok(ENDS * width_of(size))
    }

    /// Finds the members of a payload of `size` bytes from its last [`PartLayout::frame_len`] bytes.
    ///
    /// # Errors
    /// Members that overlap or lie outside; a table over [`MAX_TABLE_SIZE`].
    pub fn parse(size: u64, frame: &[u8]) -> Result<Self, ObjectError> {
        let frame_len = Self::frame_len(size)?;
        if frame.len() != frame_len {
            return Err(field("it is shorter than its framing"));
        }
        let body = size
            .checked_sub(frame_len as u64)
            .ok_or_else(|| field("it is shorter than its framing"))?;
        let width = frame_len / ENDS;
        if width_for(body as usize, ENDS) != width {
            return Err(field("its framing is wider than needed"));
        }
        let end = |member: usize| {
            let at = (ENDS - 1 - member) * width;
            read_end(&frame[at..at + width]) as u64
        };
        let (owners, xattrs, data) = (end(0), end(1), end(2));
        if owners > xattrs || xattrs > data || data > body {
            return Err(field("its members lie outside"));
        }
        check_table(owners)?;
        check_table(xattrs - owners)?;
        Ok(Self {
            owners: 0..owners,
            xattrs: owners..xattrs,
            data: xattrs..data,
            operations: data..body,
        })
    }
}

/// Parses the table of owners.
pub fn parse_owners(bytes: &[u8]) -> Result<Vec<FileOwner>, ObjectError> {
    if !bytes.len().is_multiple_of(OWNER_LEN) {
        return Err(field("its table of owners is not whole"));
    }
    let owner = |entry: &[u8]| FileOwner {
        uid: be_u32(&entry[..4]),
        gid: be_u32(&entry[4..8]),
        mode: be_u32(&entry[8..]),
    };
    Ok(bytes.chunks_exact(OWNER_LEN).map(owner).collect())
}

/// The table of xattrs, which takes no more memory than its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XattrsTable {
    bytes: Vec<u8>,
    /// Where the entries' ends are stored.
    frame: usize,
}

impl XattrsTable {
    /// Checks `aa(ayay)` and every entry of it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ObjectError> {
        let entries = Items::new(&bytes, 1).within(OBJECT)?;
        let frame = entries.body();
        for entry in entries {
            Xattrs::parse(entry.within(OBJECT)?)?;
        }
        Ok(Self { bytes, frame })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        (self.bytes.len() - self.frame) / width_of(self.bytes.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The entry of this index.
    ///
    /// # Errors
    /// An index that is not in the table.
    pub fn get(&self, index: u64) -> Result<Xattrs, ObjectError> {
        let index = usize::try_from(index)
            .ok()
            .filter(|index| *index < self.len());
        let index = index.ok_or_else(|| field("an index is outside of the table of xattrs"))?;
        let start = match index {
            0 => 0,
            _ => self.end(index - 1),
        };
        Xattrs::parse(&self.bytes[start..self.end(index)])
    }

    fn end(&self, index: usize) -> usize {
        let width = width_of(self.bytes.len());
        let at = self.frame + index * width;
        read_end(&self.bytes[at..at + width])
    }
}

/// A payload that is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The table of owners.
    pub owners: Vec<FileOwner>,
    /// The table of xattrs.
    pub xattrs: XattrsTable,
    /// The data that operations refer to.
    pub data: &'a [u8],
    /// The operations: for [`super::Operations`].
    pub operations: &'a [u8],
}

impl<'a> Part<'a> {
    /// Takes a payload apart; the operations are not looked at.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let size = bytes.len() as u64;
        let frame = bytes
            .len()
            .checked_sub(PartLayout::frame_len(size)?)
            .ok_or_else(|| field("it is shorter than its framing"))?;
        let layout = PartLayout::parse(size, &bytes[frame..])?;
        let member = |range: Range<u64>| &bytes[range.start as usize..range.end as usize];
        Ok(Self {
            owners: parse_owners(member(layout.owners))?,
            xattrs: XattrsTable::parse(member(layout.xattrs).to_vec())?,
            data: member(layout.data),
            operations: member(layout.operations),
        })
    }

    /// The payload's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.owners, &self.xattrs.bytes, self.data, self.operations)
    }
}

/// A payload that is being made.
#[derive(Clone, Debug, Default)]
pub struct PartBuilder {
    owners: Vec<FileOwner>,
    owner_indexes: HashMap<FileOwner, u64>,
    xattrs: Vec<Xattrs>,
    xattrs_indexes: HashMap<Xattrs, u64>,
    data: Vec<u8>,
    operations: Vec<u8>,
}

impl PartBuilder {
    /// An empty payload.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `owner` in its table, which gets it if it is new.
    pub fn owner_index(&mut self, owner: FileOwner) -> u64 {
        let next = self.owners.len() as u64;
        let index = *self.owner_indexes.entry(owner).or_insert(next);
        if index == next {
            self.owners.push(owner);
        }
        index
    }

    /// The index of `xattrs` in their table, which gets them if they are new.
    pub fn xattrs_index(&mut self, xattrs: &Xattrs) -> u64 {
        if let Some(index) = self.xattrs_indexes.get(xattrs) {
            return *index;
        }
        let index = self.xattrs.len() as u64;
        self.xattrs.push(xattrs.clone());
        self.xattrs_indexes.insert(xattrs.clone(), index);
        index
    }

    /// Appends data and returns the offset at which it begins.
    pub fn push_data(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.data.len() as u64;
        self.data.extend_from_slice(bytes);
        offset
    }

    /// Bytes of data so far.
    pub fn data_len(&self) -> u64 {
        self.data.len() as u64
    }

    /// Appends an operation.
    pub fn push(&mut self, operation: &Operation) {
        operation.write(&mut self.operations);
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// A table over [`MAX_TABLE_SIZE`], which no reader takes.
    pub fn finish(self) -> Result<Vec<u8>, ObjectError> {
        let mut table = Vec::new();
        let mut ends = Vec::with_capacity(self.xattrs.len());
        for xattrs in &self.xattrs {
            xattrs.encode(&mut table);
            ends.push(table.len());
        }
        push_frame(&mut table, 0, ends.into_iter());
        check_table(table.len() as u64)?;
        check_table((self.owners.len() * OWNER_LEN) as u64)?;
        Ok(encode(&self.owners, &table, &self.data, &self.operations))
    }
}

fn check_table(size: u64) -> Result<(), ObjectError> {
    if size > MAX_TABLE_SIZE {
        return Err(ObjectError::TooLarge {
            object: "table of a delta part",
            found: size,
            limit: MAX_TABLE_SIZE,
        });
    }
    Ok(())
}

fn encode(owners: &[FileOwner], xattrs: &[u8], data: &[u8], operations: &[u8]) -> Vec<u8> {
    let members = owners.len() * OWNER_LEN + xattrs.len() + data.len() + operations.len();
    let mut out = Vec::with_capacity(members + ENDS * 8);
    for owner in owners {
        for number in [owner.uid, owner.gid, owner.mode] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    let mut ends = vec![out.len()];
    for member in [xattrs, data] {
        out.extend_from_slice(member);
        ends.push(out.len());
    }
    out.extend_from_slice(operations);
    push_frame(&mut out, 0, ends.into_iter().rev());
    out
}

const fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}
