//! Which parts of a sparse file are in the archive; the others are zeros.

use std::io::Read;

use super::pax::decimal;
use super::{BLOCK, number};
use crate::archive::error::ArchiveError;
use crate::archive::source::Source;

/// Regions of one file, at most.
const MAX_REGIONS: usize = 1 << 18;

/// A part of a file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Region {
    pub(in crate::archive) offset: u64,
    length: u64,
}

impl Region {
    /// Where it ends in the file.
    pub(in crate::archive) fn end(self) -> u64 {
        self.offset + self.length
    }
}

/// Regions that have data: in order, apart from each other, within the file, none of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct SparseMap {
    regions: Vec<Region>,
    size: u64,
    packed: u64,
}

impl SparseMap {
    /// Checks pairs of offset and length against the size of the file and of what is in the archive.
    pub(super) fn new(pairs: &[(u64, u64)], size: u64, packed: u64) -> Result<Self, &'static str> {
        let mut regions: Vec<Region> = Vec::new();
        let (mut end, mut total) = (0_u64, 0_u64);
        for (offset, length) in pairs.iter().copied() {
            let region_end = offset.checked_add(length).filter(|end| *end <= size);
            let region_end = region_end.ok_or("its sparse map goes beyond its size")?;
            if offset < end {
                return Err("its sparse map overlaps itself");
            }
            end = region_end;
            total += length;
            if length > 0 {
                regions.push(Region { offset, length });
            }
        }
        if total != packed {
            return Err("its sparse map is not of as many bytes as follow");
        }
        Ok(Self {
            regions,
            size,
            packed,
        })
    }

    pub(in crate::archive) fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Bytes of the file.
    pub(in crate::archive) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes in the archive.
    pub(in crate::archive) fn packed(&self) -> u64 {
        self.packed
    }
}

/// Reads GNU's old form: pairs in the header's block and in as many blocks after it as say that there is more.
pub(super) fn read_old<R: Read>(
    source: &mut Source<R>,
    header: &[u8; BLOCK],
    packed: u64,
) -> Result<SparseMap, ArchiveError> {
    let offset = source.offset() - BLOCK as u64;
    let broken = |problem: &'static str| ArchiveError::header(offset, problem);
    let size = number::parse(&header[483..495]).map_err(broken)?;
    let mut pairs = Vec::new();
    push_old(&mut pairs, &header[386..482]).map_err(broken)?;
    let mut more = header[482] != 0;
    let mut block = [0; BLOCK];
    while more {
        source.exact(&mut block, "a sparse map")?;
        push_old(&mut pairs, &block[..504]).map_err(broken)?;
        more = block[504] != 0;
    }
    SparseMap::new(&pairs, size, packed).map_err(broken)
}

fn push_old(pairs: &mut Vec<(u64, u64)>, fields: &[u8]) -> Result<(), &'static str> {
    for pair in fields.chunks_exact(24).filter(|pair| pair[0] != 0) {
        push(
            pairs,
            number::parse(&pair[..12])?,
            number::parse(&pair[12..])?,
        )?;
    }
    Ok(())
}

fn push(pairs: &mut Vec<(u64, u64)>, offset: u64, length: u64) -> Result<(), &'static str> {
    if pairs.len() == MAX_REGIONS {
        return Err("its sparse map has more than 262144 regions");
    }
    pairs.push((offset, length));
    Ok(())
}

/// What pax records say of a sparse file.
#[derive(Clone, Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Version 1.0: the map is before the data.
    map_in_data: bool,
    pairs: Vec<(u64, u64)>,
    offset: Option<u64>,
}

impl PaxSparse {
    /// Takes a record `GNU.sparse.WHAT`.
    pub(super) fn take(&mut self, what: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match what {
            b"name" => self.name = Some(value.to_owned()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"major" => self.map_in_data = decimal(value)? == 1,
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or("no offset is before it")?;
                push(&mut self.pairs, offset, decimal(value)?)?;
            }
            b"map" => {
                let mut numbers = value.split(|byte| *byte == b',');
                while let Some(offset) = numbers.next() {
                    let length = numbers.next().ok_or("a length is missing")?;
                    push(&mut self.pairs, decimal(offset)?, decimal(length)?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The map of a file with `packed` bytes in the archive; `None` if it is not sparse.
    pub(super) fn read_map<R: Read>(
        &self,
        source: &mut Source<R>,
        packed: u64,
    ) -> Result<Option<SparseMap>, ArchiveError> {
        let Some(size) = self.size else {
            return Ok(None);
        };
        let start = source.offset();
        let broken = |problem: &'static str| ArchiveError::header(start, problem);
        if !self.map_in_data {
            return SparseMap::new(&self.pairs, size, packed)
                .map(Some)
                .map_err(broken);
        }
        let mut numbers = Numbers {
            source,
            left: packed,
            block: [0; BLOCK],
            at: BLOCK,
        };
        let count = numbers.next()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            let (offset, length) = (numbers.next()?, numbers.next()?);
            push(&mut pairs, offset, length).map_err(broken)?;
        }
        SparseMap::new(&pairs, size, numbers.left)
            .map(Some)
            .map_err(broken)
    }
}

/// The map of version 1.0: decimal numbers, a line each, in whole blocks before the data.
struct Numbers<'s, R> {
    source: &'s mut Source<R>,
    /// Bytes of the entry that have not been read.
    left: u64,
    block: [u8; BLOCK],
    at: usize,
}

impl<R: Read> Numbers<'_, R> {
    fn next(&mut self) -> Result<u64, ArchiveError> {
        let mut digits = Vec::with_capacity(20);
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if digits.len() < 20 => digits.push(byte),
                _ => return Err(self.broken("a number of its sparse map is too long")),
            }
        }
        decimal(&digits).map_err(|_| self.broken("its sparse map is no list of numbers"))
    }

    fn byte(&mut self) -> Result<u8, ArchiveError> {
        if self.at == BLOCK {
            self.left = self
                .left
                .checked_sub(BLOCK as u64)
                .ok_or_else(|| self.broken("its sparse map goes beyond its data"))?;
            self.source.exact(&mut self.block, "a sparse map")?;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.block[self.at - 1])
    }

    fn broken(&self, problem: &'static str) -> ArchiveError {
        ArchiveError::header(self.source.offset(), problem)
    }
}
