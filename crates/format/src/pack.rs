//! The index of a commit's packs: which bytes of which files hold its objects.
//!
//! A pack is a file of groups; a group is some objects one after the other, compressed as Zstandard frames. An index lists all objects that a
//! commit needs beside itself, some of them in packs that were made for earlier commits.

mod reader;

use std::fmt;

use crate::checksum::{Checksum, CommitId};
use crate::error::ObjectError;
use crate::object::{ObjectKind, ObjectName};
use crate::varint::write_varint;
pub(crate) use reader::Reader;

/// The longest index that is read, in bytes: some 900,000 objects.
pub const MAX_PACK_INDEX_SIZE: u64 = 32 << 20;
/// Bytes of several objects that are compressed together, at most: they are unpacked in memory.
pub const MAX_GROUP_SIZE: u64 = 4 << 20;

const OBJECT: &str = "pack index";
const MAGIC: &[u8; 8] = b"OSTLPACK";
const VERSION: u8 = 1;
/// The number in the place of a kind, of an object that the commit does not need.
const FOREIGN: u8 = 0;

/// Which packs, and where in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackIndex {
    /// The packs that groups are in.
    pub packs: Vec<Pack>,
    /// The groups, by pack and offset.
    pub groups: Vec<PackGroup>,
}

/// A file of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pack {
    /// SHA-256 of the file, which is its name.
    pub checksum: Checksum,
    /// Its length in bytes.
    pub size: u64,
}

/// Objects that are compressed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackGroup {
    /// Which of the index's packs.
    pub pack: usize,
    /// Where in the pack it begins.
    pub offset: u64,
    /// Its length there in bytes.
    pub packed: u64,
    /// Its objects, in order.
    pub members: Vec<PackMember>,
}

/// One object of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackMember {
    /// Its name; `None` for one that the commit does not need.
    pub name: Option<ObjectName>,
    /// Its length in bytes, unpacked. Metadata is as it is; a file is the header that an archive has before its content, and the content.
    pub size: u64,
}

impl Pack {
    /// Where the file lies in a repository.
    pub fn path(&self) -> String {
        let hex = self.checksum.to_string();
        format!("packs/{}/{}.pack", &hex[..2], &hex[2..])
    }
}

impl PackGroup {
    /// Bytes of its objects together.
    pub fn unpacked(&self) -> u64 {
        // `parse` has seen that it does not overflow.
        self.members.iter().map(|member| member.size).sum()
    }
}

impl PackIndex {
    /// Where the index of a commit lies in a repository.
    pub fn path(commit: CommitId) -> String {
        let hex = commit.to_string();
        format!("packs/{}/{}.index", &hex[..2], &hex[2..])
    }

    /// Where the index lies of content that a repository keeps in packs alone.
    pub const CONTENT_PATH: &'static str = "packs/content.index";

    /// Parses the file.
    ///
    /// # Errors
    /// It is not in this form, its checksum is wrong, a group lies outside its pack or overlaps another, its objects are none or
    /// those of a group of several are over [`MAX_GROUP_SIZE`], or it claims more than Zstandard can leave of so much.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let mut reader = Reader::of_sealed(OBJECT, bytes)?;
        reader.begin(MAGIC, VERSION)?;
        // A pack takes more than 32 bytes here, a group more than 4: a count that lies ends with the file.
        let mut packs = Vec::new();
        for _ in 0..reader.number()? {
            packs.push(Pack {
                checksum: reader.checksum()?,
                size: reader.number()?,
            });
        }
        let mut groups: Vec<PackGroup> = Vec::new();
        for _ in 0..reader.number()? {
            let group = read_group(&mut reader)?;
            check(&group, &packs, groups.last())?;
            groups.push(group);
        }
        reader.end()?;
        Ok(Self { packs, groups })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        write_varint(self.packs.len() as u64, &mut out);
        for pack in &self.packs {
            out.extend_from_slice(pack.checksum.as_bytes());
            write_varint(pack.size, &mut out);
        }
        write_varint(self.groups.len() as u64, &mut out);
        for group in &self.groups {
            let numbers = [group.pack as u64, group.offset, group.packed];
            for number in numbers.into_iter().chain([group.members.len() as u64]) {
                write_varint(number, &mut out);
            }
            for member in &group.members {
                member.write(&mut out);
            }
        }
        let sum = Checksum::of(&out);
        out.extend_from_slice(sum.as_bytes());
        out
    }
}

/// The largest that Zstandard makes of so many bytes, in frames of at least 4 MiB.
pub(crate) fn bound(unpacked: u64) -> u64 {
    unpacked.saturating_add(unpacked / 128).saturating_add(4096)
}

fn check(group: &PackGroup, packs: &[Pack], before: Option<&PackGroup>) -> Result<(), ObjectError> {
    let pack = packs
        .get(group.pack)
        .ok_or_else(|| bad("a group is in no pack"))?;
    let end = group.offset.checked_add(group.packed);
    if end.is_none_or(|end| end > pack.size) {
        return Err(bad("a group lies outside its pack"));
    }
    let follows = before.is_none_or(|before| {
        (before.pack, before.offset + before.packed) <= (group.pack, group.offset)
            || before.pack < group.pack
    });
    if !follows {
        return Err(bad("its groups overlap or are out of order"));
    }
    let unpacked = unpacked_size(&group.members).map_err(bad)?;
    if group.packed == 0 {
        return Err(bad("a group has no objects"));
    }
    if group.packed > bound(unpacked) {
        return Err(bad("a group is larger than its objects can be"));
    }
    Ok(())
}

/// Bytes of a group's objects together, of a group as it may be.
pub(crate) fn unpacked_size(members: &[PackMember]) -> Result<u64, &'static str> {
    let mut unpacked = 0_u64;
    for member in members {
        if member.size == 0 {
            return Err("an object has no bytes");
        }
        unpacked = unpacked
            .checked_add(member.size)
            .ok_or("a group's objects are larger than any")?;
    }
    if members.is_empty() {
        return Err("a group has no objects");
    }
    if members.len() > 1 && unpacked > MAX_GROUP_SIZE {
        return Err("a group of several objects is too large");
    }
    Ok(unpacked)
}

fn read_group(reader: &mut Reader<'_>) -> Result<PackGroup, ObjectError> {
    let pack = usize::try_from(reader.number()?).map_err(|_| bad("a group is in no pack"))?;
    let (offset, packed) = (reader.number()?, reader.number()?);
    let mut members = Vec::new();
    for _ in 0..reader.number()? {
        let member = reader.member()?;
        if member.name.is_some_and(|name| !is_packed(name.kind)) {
            return Err(bad("an object is of a kind that packs do not have"));
        }
        members.push(member);
    }
    Ok(PackGroup {
        pack,
        offset,
        packed,
        members,
    })
}

/// Whether packs have objects of that kind.
pub(crate) fn is_packed(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::File | ObjectKind::DirTree | ObjectKind::DirMeta
    )
}

impl PackMember {
    /// Appends it as an index has it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match &self.name {
            None => out.push(FOREIGN),
            Some(name) => {
                out.push(name.kind.number());
                out.extend_from_slice(name.checksum.as_bytes());
            }
        }
        write_varint(self.size, out);
    }
}

impl fmt::Display for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checksum.fmt(f)
    }
}

fn bad(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PackIndex {
        let name = |text: &[u8], kind| Some(ObjectName::new(Checksum::of(text), kind));
        let pack = |text: &[u8], size| Pack {
            checksum: Checksum::of(text),
            size,
        };
        let member = |name, size| PackMember { name, size };
        PackIndex {
            packs: vec![pack(b"old", 1000), pack(b"new", 300)],
            groups: vec![
                PackGroup {
                    pack: 0,
                    offset: 10,
                    packed: 90,
                    members: vec![
                        member(name(b"a", ObjectKind::DirTree), 70),
                        member(None, 200),
                        member(name(b"b", ObjectKind::DirMeta), 12),
                    ],
                },
                PackGroup {
                    pack: 1,
                    offset: 0,
                    packed: 300,
                    members: vec![member(name(b"c", ObjectKind::File), 1 << 40)],
                },
            ],
        }
    }

    /// The sample after a change, with a right checksum.
    fn changed(change: impl FnOnce(&mut PackIndex)) -> Result<PackIndex, ObjectError> {
        let mut index = sample();
        change(&mut index);
        PackIndex::parse(&index.to_bytes())
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let index = sample();
        assert_eq!(PackIndex::parse(&index.to_bytes()).unwrap(), index);
        assert_eq!(index.groups[0].unpacked(), 282);
        let commit = CommitId::new(Checksum::of(b"x"));
        assert!(PackIndex::path(commit).starts_with("packs/2d/711642b726b0"));
    }

    #[test]
    fn a_cut_or_changed_file_is_refused() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(PackIndex::parse(&bytes[..length]).is_err(), "{length}");
            let mut flipped = bytes.clone();
            flipped[length] ^= 0x10;
            assert!(PackIndex::parse(&flipped).is_err(), "{length}");
        }
    }

    #[test]
    fn groups_that_lie_are_refused() {
        assert!(changed(|_| {}).is_ok());
        let refused: [fn(&mut PackIndex); 10] = [
            |index| index.groups[0].members[1].size = 0,
            |index| index.groups[0].pack = 2,
            |index| index.groups[1].packed = 301,
            |index| index.groups[1].offset = u64::MAX,
            |index| index.groups.swap(0, 1),
            |index| index.groups[0].members.clear(),
            |index| index.groups[0].members[1].size = MAX_GROUP_SIZE,
            |index| index.groups[0].members[1].size = u64::MAX,
            |index| {
                index.packs[1].size = 1 << 30;
                index.groups[1].packed = 1 << 30;
                index.groups[1].members[0].size = 5;
            },
            |index| {
                index.groups[0].members[0].name =
                    Some(ObjectName::new(Checksum::of(b"x"), ObjectKind::Commit));
            },
        ];
        for (number, change) in refused.into_iter().enumerate() {
            assert!(changed(change).is_err(), "{number}");
        }
        let overlap = changed(|index| {
            let mut second = index.groups[0].clone();
            second.offset += 50;
            index.groups.insert(1, second);
        });
        assert!(overlap.is_err());
    }
}
