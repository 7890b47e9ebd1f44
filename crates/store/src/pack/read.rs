//! From the objects of a repository to blocks: small ones laid together, large ones cut.

use std::io::{self, Read};

use ostler_format::delta::SourceRange;
use ostler_format::pack::PackMember;
use ostler_format::{Checksum, FileId, Hasher, ObjectName};

use super::pipeline::{Block, Blocks};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;

/// How objects are laid.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Objects up to this length are laid together.
    pub(crate) small: u64,
    /// Bytes of objects that are laid together, at most.
    pub(crate) group: usize,
    /// What is compressed at once of a large object.
    pub(crate) block: usize,
}

/// What the writer is to know of a block.
pub(crate) struct Laid {
    /// Bytes of the block.
    pub(crate) unpacked: u64,
    /// What stands before it.
    pub(crate) ranges: Vec<SourceRange>,
    /// The objects of the group that ends with it.
    pub(crate) ends: Option<Vec<PackMember>>,
}

/// A part of a large object.
pub(crate) struct Cut {
    pub(crate) name: ObjectName,
    /// Where it begins in the object, whose length is `size`.
    pub(crate) at: u64,
    pub(crate) length: u64,
    pub(crate) size: u64,
}

/// Bytes that stand before a block, and which pieces of old objects they are.
pub(crate) type Standing = (Vec<u8>, Vec<SourceRange>);

/// Says what stands before blocks.
pub(crate) trait Before {
    /// Puts what is like a small object before its group; false if there is no room, which there always is before the first.
    fn join(&mut self, name: &ObjectName, is_first: bool) -> Result<bool, StoreError>;

    /// Takes what has joined, or for a part of a large object what that is like.
    fn stand(&mut self, cut: Option<&Cut>) -> Result<Standing, StoreError>;
}

/// Nothing stands before any block.
impl Before for () {
    fn join(&mut self, _name: &ObjectName, _is_first: bool) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn stand(&mut self, _cut: Option<&Cut>) -> Result<Standing, StoreError> {
        Ok(Standing::default())
    }
}

/// Reads objects and cuts them into blocks.
pub(crate) struct ObjectReader<'r, B> {
    pub(crate) repo: &'r Repo,
    pub(crate) blocks: Blocks<Laid>,
    pub(crate) sink: &'r dyn Sink,
    pub(crate) phase: Phase,
    pub(crate) limits: Limits,
    pub(crate) before: B,
    bytes: Vec<u8>,
    members: Vec<PackMember>,
}

impl<'r, B: Before> ObjectReader<'r, B> {
    pub(crate) fn new(
        repo: &'r Repo,
        blocks: Blocks<Laid>,
        (sink, phase): (&'r dyn Sink, Phase),
        limits: Limits,
        before: B,
    ) -> Self {
        Self {
            repo,
            blocks,
            sink,
            phase,
            limits,
            before,
            bytes: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Adds a metadata object, whose checksum is verified.
    pub(crate) fn metadata(&mut self, name: ObjectName) -> Result<(), StoreError> {
        let bytes = self.repo.read_metadata(&name)?;
        let actual = Checksum::of(&bytes);
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        self.object(name, &bytes, 0, &mut io::empty())
    }

    /// Adds a content object, whose checksum is verified.
    pub(crate) fn file(&mut self, id: FileId) -> Result<(), StoreError> {
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
    pub(crate) fn object(
        &mut self,
        name: ObjectName,
        prefix: &[u8],
        rest_bytes: u64,
        rest: &mut dyn Read,
    ) -> Result<(), StoreError> {
        let size = prefix.len() as u64 + rest_bytes;
        let is_small = size <= self.limits.small;
        let fits = is_small && self.bytes.len() as u64 + size <= self.limits.group as u64;
        if !fits || !self.before.join(&name, self.members.is_empty())? {
            self.end_group()?;
            if is_small {
                self.before.join(&name, true)?;
            }
        }
        self.members.push(PackMember {
            name: Some(name),
            size,
        });
        self.bytes.extend_from_slice(prefix);
        if is_small {
            let read = rest.read_to_end(&mut self.bytes);
            read.map_err(|error| StoreError::io(name.to_string(), error))?;
        } else {
            self.cut(name, size, rest)?;
        }
        self.sink.event(Event::Advance {
            phase: self.phase,
            objects: 1,
            bytes: size,
        });
        Ok(())
    }

    /// Cuts a large object, which is a group by itself.
    fn cut(&mut self, name: ObjectName, size: u64, rest: &mut dyn Read) -> Result<(), StoreError> {
        let mut at = 0;
        loop {
            let room = self.limits.block.saturating_sub(self.bytes.len()) as u64;
            // Doubling would take more than the block.
            self.bytes.reserve_exact(size.min(room) as usize);
            let got = rest
                .take(room)
                .read_to_end(&mut self.bytes)
                .map_err(|error| StoreError::io(name.to_string(), error))?;
            let length = self.bytes.len() as u64;
            let ends = (got as u64) < room || at + length == size;
            let cut = Cut {
                name,
                at,
                length,
                size,
            };
            let members = ends.then(|| std::mem::take(&mut self.members));
            self.send(members, Some(&cut))?;
            if ends {
                // What follows the end is found, too.
                return match rest.read(&mut [0]) {
                    Ok(0) => Ok(()),
                    Ok(_) => Err(writing_long(name)),
                    Err(error) => Err(StoreError::io(name.to_string(), error)),
                };
            }
            at += length;
        }
    }

    /// Ends the group of small objects.
    pub(crate) fn end_group(&mut self) -> Result<(), StoreError> {
        if self.members.is_empty() {
            return Ok(());
        }
        let members = std::mem::take(&mut self.members);
        self.send(Some(members), None)
    }

    fn send(&mut self, ends: Option<Vec<PackMember>>, cut: Option<&Cut>) -> Result<(), StoreError> {
        let (prefix, ranges) = self.before.stand(cut)?;
        let bytes = std::mem::take(&mut self.bytes);
        let tag = Laid {
            unpacked: bytes.len() as u64,
            ranges,
            ends,
        };
        self.blocks.send(Block { bytes, prefix, tag })
    }
}

fn writing_long(name: ObjectName) -> StoreError {
    StoreError::Damaged {
        name,
        reason: "it is longer than it says".to_owned(),
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
