//! The bytes of the entry that is being read.

use std::io::{self, Read};

use super::error::{ArchiveError, shown};
use super::source::Source;
use super::tar::SparseMap;

/// What is left of an entry's content.
#[derive(Debug, Default)]
pub(super) struct Content {
    name: Vec<u8>,
    /// Bytes in the stream.
    packed: u64,
    /// Bytes in the stream between the content and the next header.
    padding: u64,
    holes: Option<Holes>,
}

/// Where a sparse file is being read.
#[derive(Debug)]
struct Holes {
    map: SparseMap,
    /// Which region comes next or is being read.
    region: usize,
    /// In the file as it will be.
    position: u64,
}

impl Content {
    /// `packed` bytes, and `padding` after them.
    pub(super) fn new(name: &[u8], packed: u64, padding: u64) -> Self {
        Self {
            name: name.to_owned(),
            packed,
            padding,
            holes: None,
        }
    }

    /// As [`Content::new`], for a file of which only the regions of the map are in the stream.
    pub(super) fn sparse(name: &[u8], padding: u64, map: SparseMap) -> Self {
        Self {
            holes: Some(Holes {
                map: map.clone(),
                region: 0,
                position: 0,
            }),
            ..Self::new(name, map.packed(), padding)
        }
    }

    /// Reads some of the content; 0 at its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the stream ends earlier.
    pub(super) fn read<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut limit = self.packed;
        if let Some(holes) = &self.holes {
            match holes.next() {
                Next::Hole(length) => return Ok(self.zeros(length, buffer)),
                Next::Data(length) => limit = length,
                Next::End => return Ok(0),
            }
        }
        let want = usize::try_from(limit).map_or(buffer.len(), |limit| limit.min(buffer.len()));
        if want == 0 {
            return Ok(0);
        }
        let got = source.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the archive ends early, within `{}`", shown(&self.name)),
            ));
        }
        self.packed -= got as u64;
        if let Some(holes) = &mut self.holes {
            holes.advance(got as u64);
        }
        Ok(got)
    }

    fn zeros(&mut self, length: u64, buffer: &mut [u8]) -> usize {
        let got = usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()));
        buffer[..got].fill(0);
        if let Some(holes) = &mut self.holes {
            holes.advance(got as u64);
        }
        got
    }

    /// Leaves the content behind.
    pub(super) fn skip<R: Read>(&mut self, source: &mut Source<R>) -> Result<(), ArchiveError> {
        if self.packed > 0 {
            source.skip(self.packed, &format!("`{}`", shown(&self.name)))?;
        }
        let mut padding = [0; 512];
        let length = usize::try_from(self.padding).unwrap_or(padding.len());
        // An archive may end without the padding of its last entry.
        source.fill(&mut padding[..length.min(512)])?;
        *self = Self::default();
        Ok(())
    }
}

/// What comes next in a sparse file.
enum Next {
    Hole(u64),
    Data(u64),
    End,
}

impl Holes {
    fn next(&self) -> Next {
        match self.map.regions().get(self.region) {
            Some(region) if self.position < region.offset => {
                Next::Hole(region.offset - self.position)
            }
            Some(region) => Next::Data(region.end() - self.position),
            None if self.position < self.map.size() => Next::Hole(self.map.size() - self.position),
            None => Next::End,
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        if let Some(region) = self.map.regions().get(self.region)
            && self.position == region.end()
        {
            self.region += 1;
        }
    }
}
