//! The superblock: `(a{sv}tayay(a{sv}aya(say)sstayay)aya(uayttay)a(yaytt))`, and its signed form `(taya{sv})`.

use super::name::DeltaName;
use crate::checksum::{CHECKSUM_LEN, Checksum};
use crate::commit::Commit;
use crate::dirmeta::{be_u64, check_size};
use crate::error::{InObject as _, ObjectError};
use crate::metadata::Metadata;
use crate::object::{ObjectKind, ObjectName};
use crate::variant::{Items, Member, Value, pad, push_frame, split_tuple};

use super::part::Compression;

const OBJECT: &str = "delta superblock";
const BYTES: Member = Member::variable(1);
const U64: Member = Member::fixed(8, 8);
const LAYOUT: [Member; 8] = [
    Member::variable(8),
    U64,
    BYTES,
    BYTES,
    Member::variable(8),
    BYTES,
    Member::variable(8),
    Member::variable(8),
];
const PART: [Member; 5] = [Member::fixed(4, 4), BYTES, U64, U64, BYTES];
const FALLBACK: [Member; 4] = [Member::fixed(1, 1), BYTES, U64, U64];
const SIGNED: [Member; 3] = [U64, BYTES, Member::variable(8)];
/// The first eight bytes of a signed superblock.
const MAGIC: &[u8; 8] = b"OSTSGNDT";
/// Bytes of an object's name in a part header: its kind's number and its checksum.
const NAME_LEN: usize = 1 + CHECKSUM_LEN;

/// The metadata key of the byte that says the [`ByteOrder`].
pub const ENDIANNESS_KEY: &str = "ostree.endianness";

/// The order of bytes in the numbers of part headers and fallbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant first, marked `l`.
    #[default]
    Little,
    /// Most significant first, marked `B`.
    Big,
}

/// A delta's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Free-form metadata, with the parts that lie in the superblock and the commit's detached metadata.
    pub metadata: Metadata,
    /// When it was made: seconds since 1970-01-01 UTC, stored big-endian.
    pub timestamp: u64,
    /// What it leads from and to.
    pub name: DeltaName,
    /// The commit object that it leads to, as its bytes.
    pub commit: Vec<u8>,
    /// Deltas that must be applied before, from and to; every known writer leaves it empty.
    pub prerequisites: Vec<(Checksum, Checksum)>,
    /// What each part holds.
    pub parts: Vec<PartHeader>,
    /// Objects that are not in the parts and are fetched by themselves.
    pub fallbacks: Vec<Fallback>,
    /// The order of bytes in `parts` and `fallbacks`, which [`ENDIANNESS_KEY`] says if it is there.
    pub byte_order: ByteOrder,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHeader {
    /// The SHA-256 of the part's file.
    pub checksum: Checksum,
    /// Bytes in the part's file.
    pub compressed_size: u64,
    /// Bytes of the objects that it makes; the payload is smaller or larger.
    pub uncompressed_size: u64,
    /// The objects, in the order in which they are made: files, dirtrees, dirmetas, commits.
    pub objects: Vec<ObjectName>,
}

/// An object that is fetched by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The object.
    pub object: ObjectName,
    /// Bytes to download.
    pub compressed_size: u64,
    /// Bytes when unpacked.
    pub uncompressed_size: u64,
}

/// A superblock in its signed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSuperblock {
    /// The bytes of the [`Superblock`], which the signatures are over.
    pub superblock: Vec<u8>,
    /// Lists of signatures, a key a kind.
    pub signatures: Metadata,
}

impl ByteOrder {
    /// The byte under [`ENDIANNESS_KEY`].
    pub const fn mark(self) -> u8 {
        match self {
            Self::Little => b'l',
            Self::Big => b'B',
        }
    }

    fn from_metadata(metadata: &Metadata) -> Result<Option<Self>, ObjectError> {
        let Some(value) = metadata.get(ENDIANNESS_KEY) else {
            return Ok(None);
        };
        match value.as_byte() {
            Some(b'l') => Ok(Some(Self::Little)),
            Some(b'B') => Ok(Some(Self::Big)),
            _ => Err(field("its endianness is neither `l` nor `B`")),
        }
    }

    fn u32(self, bytes: &[u8]) -> u32 {
        let number = bytes.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b));
        self.swap_u32(number)
    }

    fn u64(self, bytes: &[u8]) -> u64 {
        let number = be_u64(bytes).swap_bytes();
        self.swap_u64(number)
    }

    const fn swap_u32(self, number: u32) -> u32 {
        match self {
            Self::Little => number,
            Self::Big => number.swap_bytes(),
        }
    }

    const fn swap_u64(self, number: u64) -> u64 {
        match self {
            Self::Little => number,
            Self::Big => number.swap_bytes(),
        }
    }
}

impl Superblock {
    /// Parses an unsigned superblock; what it accepts, [`Superblock::to_bytes`] writes back byte for byte.
    ///
    /// # Errors
    /// Broken bytes; a commit that is not the one it leads to; a part of a later version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [
            metadata,
            timestamp,
            from,
            to,
            commit,
            before,
            parts,
            fallbacks,
        ] = split_tuple(bytes, &LAYOUT).within(OBJECT)?;
        let metadata = Metadata::parse(metadata)?;
        let from = match from {
            [] => None,
            bytes => Some(checksum(bytes)?.into()),
        };
        let byte_order = match ByteOrder::from_metadata(&metadata)? {
            Some(order) => order,
            None => guess_byte_order(&parse_parts(parts, ByteOrder::Little)?),
        };
        let superblock = Self {
            timestamp: be_u64(timestamp),
            name: DeltaName {
                from,
                to: checksum(to)?.into(),
            },
            commit: commit.to_vec(),
            prerequisites: parse_prerequisites(before)?,
            parts: parse_parts(parts, byte_order)?,
            fallbacks: parse_fallbacks(fallbacks, byte_order)?,
            metadata,
            byte_order,
        };
        superblock.check()?;
        Ok(superblock)
    }

    /// The superblock's bytes, without signatures.
    ///
    /// # Errors
    /// A commit that is not the one it leads to; a `byte_order` that is not the one that its metadata says; metadata
    /// that can't be serialized.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        self.check()?;
        let mut out = self.metadata.to_bytes()?;
        let mut ends = vec![out.len()];
        pad(&mut out, 8);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        if let Some(from) = self.name.from {
            out.extend_from_slice(from.checksum().as_bytes());
        }
        ends.push(out.len());
        out.extend_from_slice(self.name.to.checksum().as_bytes());
        ends.push(out.len());
        pad(&mut out, 8);
        out.extend_from_slice(&self.commit);
        ends.push(out.len());
        for (from, to) in &self.prerequisites {
            out.extend_from_slice(from.as_bytes());
            out.extend_from_slice(to.as_bytes());
        }
        ends.push(out.len());
        pad(&mut out, 8);
        let parts = self.parts.iter();
        push_array(&mut out, parts, |part, out| {
            part.encode(self.byte_order, out)
        });
        ends.push(out.len());
        pad(&mut out, 8);
        let fallbacks = self.fallbacks.iter();
        push_array(&mut out, fallbacks, |it, out| {
            it.encode(self.byte_order, out)
        });
        push_frame(&mut out, 0, ends.into_iter().rev());
        check_size(OBJECT, out.len())?;
        Ok(out)
    }

    fn check(&self) -> Result<(), ObjectError> {
        Commit::parse(&self.commit)?;
        if Checksum::of(&self.commit) != self.name.to.checksum() {
            return Err(field("its commit is not the one that it leads to"));
        }
        let said = ByteOrder::from_metadata(&self.metadata)?;
        if said.unwrap_or(self.byte_order) != self.byte_order {
            return Err(field("its metadata says another endianness"));
        }
        Ok(())
    }

    /// The file of a part that lies in the superblock: how it is compressed, and the rest.
    ///
    /// # Errors
    /// A value that is no part; an unknown compression.
    pub fn inline_part(&self, index: usize) -> Result<Option<(Compression, &[u8])>, ObjectError> {
        let Some(value) = self.metadata.get(&self.name.part_path(index)) else {
            return Ok(None);
        };
        match value {
            Value::Tuple(members) => match &members[..] {
                [Value::Byte(compression), Value::Bytes(rest)] => {
                    Ok(Some((Compression::from_byte(*compression)?, rest)))
                }
                _ => Err(field("a part in it is not of type (yay)")),
            },
            _ => Err(field("a part in it is not of type (yay)")),
        }
    }

    /// Puts the file of a part into the superblock.
    pub fn insert_inline_part(&mut self, index: usize, compression: Compression, rest: Vec<u8>) {
        let members = vec![Value::Byte(compression.byte()), Value::Bytes(rest)];
        self.metadata
            .insert(self.name.part_path(index), Value::Tuple(members));
    }

    /// The commit's detached metadata, if it travels with the delta.
    pub fn detached_metadata(&self) -> Result<Option<Metadata>, ObjectError> {
        let value = self.metadata.get(&self.name.detached_metadata_key());
        value.map(|v| Metadata::from_value(v.clone())).transpose()
    }
}

impl PartHeader {
    fn parse(bytes: &[u8], order: ByteOrder) -> Result<Self, ObjectError> {
        let [version, sum, compressed, uncompressed, objects] =
            split_tuple(bytes, &PART).within(OBJECT)?;
        if order.u32(version) != 0 {
            return Err(field("a part is of a later version than 0"));
        }
        if !objects.len().is_multiple_of(NAME_LEN) {
            return Err(field("a part's list of objects is not whole"));
        }
        let objects = objects.chunks_exact(NAME_LEN);
        Ok(Self {
            checksum: checksum(sum)?,
            compressed_size: order.u64(compressed),
            uncompressed_size: order.u64(uncompressed),
            objects: objects
                .map(|name| object(name[0], &name[1..]))
                .collect::<Result<_, _>>()?,
        })
    }

    fn encode(&self, order: ByteOrder, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(self.checksum.as_bytes());
        let sum_end = out.len();
        pad(out, 8);
        for size in [self.compressed_size, self.uncompressed_size] {
            out.extend_from_slice(&order.swap_u64(size).to_le_bytes());
        }
        for name in &self.objects {
            out.push(name.kind.number());
            out.extend_from_slice(name.checksum.as_bytes());
        }
        push_frame(out, start, [sum_end].into_iter());
    }
}

impl Fallback {
    fn parse(bytes: &[u8], order: ByteOrder) -> Result<Self, ObjectError> {
        let [kind, sum, compressed, uncompressed] = split_tuple(bytes, &FALLBACK).within(OBJECT)?;
        Ok(Self {
            object: object(kind[0], sum)?,
            compressed_size: order.u64(compressed),
            uncompressed_size: order.u64(uncompressed),
        })
    }

    fn encode(&self, order: ByteOrder, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(self.object.kind.number());
        out.extend_from_slice(self.object.checksum.as_bytes());
        let sum_end = out.len();
        pad(out, 8);
        for size in [self.compressed_size, self.uncompressed_size] {
            out.extend_from_slice(&order.swap_u64(size).to_le_bytes());
        }
        push_frame(out, start, [sum_end].into_iter());
    }
}

impl SignedSuperblock {
    /// Whether a superblock's file is in the signed form.
    pub fn is_signed(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Parses the signed form; the superblock in it is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [magic, superblock, signatures] = split_tuple(bytes, &SIGNED).within(OBJECT)?;
        if magic != MAGIC {
            return Err(field("it is not in the signed form"));
        }
        Ok(Self {
            superblock: superblock.to_vec(),
            signatures: Metadata::parse(signatures)?,
        })
    }

    /// The bytes of the signed form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.superblock);
        let superblock_end = out.len();
        pad(&mut out, 8);
        out.extend_from_slice(&self.signatures.to_bytes()?);
        push_frame(&mut out, 0, [superblock_end].into_iter());
        check_size(OBJECT, out.len())?;
        Ok(out)
    }
}

/// Appends an array of items of variable size that are aligned to 8; `out` is aligned too.
fn push_array<'a, T: 'a>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = &'a T>,
    encode: impl Fn(&T, &mut Vec<u8>),
) {
    let start = out.len();
    let mut ends = Vec::new();
    for item in items {
        pad(out, 8);
        encode(item, out);
        ends.push(out.len());
    }
    push_frame(out, start, ends.into_iter());
}

fn parse_parts(bytes: &[u8], order: ByteOrder) -> Result<Vec<PartHeader>, ObjectError> {
    let parts = Items::new(bytes, 8).within(OBJECT)?;
    parts
        .map(|part| PartHeader::parse(part.within(OBJECT)?, order))
        .collect()
}

fn parse_fallbacks(bytes: &[u8], order: ByteOrder) -> Result<Vec<Fallback>, ObjectError> {
    let fallbacks = Items::new(bytes, 8).within(OBJECT)?;
    fallbacks
        .map(|item| Fallback::parse(item.within(OBJECT)?, order))
        .collect()
}

fn parse_prerequisites(bytes: &[u8]) -> Result<Vec<(Checksum, Checksum)>, ObjectError> {
    if !bytes.len().is_multiple_of(2 * CHECKSUM_LEN) {
        return Err(field("its list of prerequisites is not whole"));
    }
    let pairs = bytes.chunks_exact(2 * CHECKSUM_LEN);
    pairs
        .map(|pair| {
            let (from, to) = pair.split_at(CHECKSUM_LEN);
            Ok((checksum(from)?, checksum(to)?))
        })
        .collect()
}

/// The order in which the sizes make sense, for deltas of before the mark, `parts` read as little-endian.
///
/// libostree's rule: no part is a fifth larger than what it makes, and an object takes no 4 GiB on average.
fn guess_byte_order(parts: &[PartHeader]) -> ByteOrder {
    let grows = |part: &PartHeader| {
        u128::from(part.compressed_size) * 5 > u128::from(part.uncompressed_size) * 6
    };
    let sizes = parts.iter().map(|part| u128::from(part.compressed_size));
    let objects: usize = parts.iter().map(|part| part.objects.len()).sum();
    let average = sizes.sum::<u128>().checked_div(objects as u128);
    if parts.iter().any(grows) || average.is_some_and(|bytes| bytes > u128::from(u32::MAX)) {
        ByteOrder::Big
    } else {
        ByteOrder::Little
    }
}

fn object(number: u8, sum: &[u8]) -> Result<ObjectName, ObjectError> {
    let kind = ObjectKind::from_number(number).ok().filter(|kind| {
        matches!(
            kind,
            ObjectKind::File | ObjectKind::DirTree | ObjectKind::DirMeta | ObjectKind::Commit
        )
    });
    let kind = kind.ok_or_else(|| field("an object is of a kind that deltas do not carry"))?;
    Ok(ObjectName::new(checksum(sum)?, kind))
}

fn checksum(bytes: &[u8]) -> Result<Checksum, ObjectError> {
    Checksum::from_slice(bytes).map_err(|_| ObjectError::ChecksumLength {
        object: OBJECT,
        found: bytes.len(),
    })
}

fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}
