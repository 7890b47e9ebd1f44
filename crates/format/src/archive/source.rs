//! The stream that an archive is read from.

use std::io::{self, Read};

use super::error::ArchiveError;

/// A reader that knows how far it has come.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, offset: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    /// Reads some bytes; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(got) => {
                    self.offset += got as u64;
                    return Ok(got);
                }
            }
        }
    }

    /// Fills the buffer as far as the stream goes, and returns how far that was.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < buffer.len() {
            match self.read(&mut buffer[length..])? {
                0 => break,
                got => length += got,
            }
        }
        Ok(length)
    }

    /// Fills the buffer.
    pub(super) fn exact(&mut self, buffer: &mut [u8], within: &str) -> Result<(), ArchiveError> {
        match self.fill(buffer)? == buffer.len() {
            true => Ok(()),
            false => Err(ArchiveError::truncated(within)),
        }
    }

    /// Reads the next `length` bytes, which the caller has compared with a limit.
    pub(super) fn bytes(&mut self, length: u64, within: &str) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let mut left = length;
        let mut chunk = [0; 4096];
        while left > 0 {
            let want = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            self.exact(&mut chunk[..want], within)?;
            bytes.extend_from_slice(&chunk[..want]);
            left -= want as u64;
        }
        Ok(bytes)
    }

    /// Reads `length` bytes for nothing.
    pub(super) fn skip(&mut self, length: u64, within: &str) -> Result<(), ArchiveError> {
        let mut chunk = [0; 16 * 1024];
        let mut left = length;
        while left > 0 {
            let want = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            match self.read(&mut chunk[..want])? {
                0 => return Err(ArchiveError::truncated(within)),
                got => left -= got as u64,
            }
        }
        Ok(())
    }
}
