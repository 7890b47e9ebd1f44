//! The content of an object that is there, read at any place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ostler_format::FileId;

use super::payload::{Room, Spool};
use crate::error::StoreError;
use crate::transaction::Transaction;

/// An old object's content.
pub(super) struct Source {
    file: File,
    pub(super) size: u64,
}

impl Source {
    /// Opens it; one that is compressed is unpacked into a file without a name.
    pub(super) fn open(transaction: &Transaction<'_>, id: FileId) -> Result<Self, StoreError> {
        let mut object = transaction.open_file_object(id)?;
        let size = object.size;
        let failed = |error| StoreError::io(id.checksum().to_string(), error);
        if let Some(file) = object.plain_file() {
            let file = file.try_clone().map_err(failed)?;
            return Ok(Self { file, size });
        }
        let mut spool = Spool::new(Room::Transaction(transaction))?;
        spool
            .copy(&mut object, size)?
            .map_err(|problem| failed(io::Error::new(io::ErrorKind::InvalidData, problem)))?;
        Ok(Self {
            file: spool.into_file(),
            size,
        })
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the content is shorter.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it refers to more than its source has",
            ));
        }
        self.file.read_exact_at(buffer, offset)
    }

    /// Fills `buffer` from `offset` on, with zeros where the content is not.
    pub(super) fn read_around(&self, offset: i64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let length = buffer.len() as i64;
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let first = offset.clamp(0, size);
        let end = offset.saturating_add(length).clamp(0, size);
        if first >= end {
            return Ok(());
        }
        let at = (first - offset) as usize;
        let count = (end - first) as usize;
        self.file
            .read_exact_at(&mut buffer[at..at + count], first as u64)
    }
}
