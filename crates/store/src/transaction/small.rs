//! Content that is in memory: hashed first, and written in one call only if the repository lacks it.

use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use flate2::{Compress, Compression, FlushCompress, Status};
use ostler_format::{Checksum, FileHeader, FileId, Hasher, ObjectName};
use ostler_fs::LinkPolicy;

use super::Transaction;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::physical_mode;

/// Buffers that one thread uses for object after object; a compressor costs more to make than a small file to compress.
#[derive(Default)]
pub(crate) struct Scratch {
    prefix: Vec<u8>,
    packed: Vec<u8>,
    compressor: Option<Compress>,
}

impl Transaction<'_> {
    /// As [`Transaction::write_content_bytes`], with buffers that are used again.
    pub(crate) fn write_small(
        &self,
        scratch: &mut Scratch,
        header: &FileHeader,
        content: &[u8],
    ) -> Result<FileId, StoreError> {
        header.write_content_prefix(&mut scratch.prefix)?;
        let mut hasher = Hasher::new();
        hasher.update(&scratch.prefix);
        hasher.update(content);
        let id = FileId::new(hasher.finish());
        let name = ObjectName::from(id);
        self.count_known_content();
        if !self.has(&name)? {
            self.put_small(scratch, header, content, name)?;
        }
        Ok(id)
    }

    fn put_small(
        &self,
        scratch: &mut Scratch,
        header: &FileHeader,
        content: &[u8],
        name: ObjectName,
    ) -> Result<(), StoreError> {
        let intake = &self.intake;
        physical_mode(intake.mode, header)?;
        let bytes = content.len() as u64;
        intake.space.take(bytes)?;
        let mut put = || -> Result<(), StoreError> {
            let stored = match intake.mode {
                RepoMode::Archive => {
                    scratch.pack(header, content, intake.zlib_level)?;
                    &scratch.packed
                }
                _ => content,
            };
            let (temp, has_mode) = intake.new_content_temp(header)?;
            if !stored.is_empty() {
                temp.file()
                    .write_all_at(stored, 0)
                    .map_err(|e| StoreError::io(name.to_string(), e))?;
            }
            if intake.shares_payload(bytes) {
                intake.share_payload(&temp, bytes, Checksum::of(content), name)?;
            }
            intake.seal_born(&temp, header, has_mode)?;
            intake.link_temp(temp, name, LinkPolicy::KeepExisting)
        };
        put().inspect_err(|_| intake.space.give_back(bytes))?;
        intake.count_content(bytes);
        Ok(())
    }

    /// Counts a content object that was given and need not be written.
    pub(crate) fn count_known_content(&self) {
        self.intake
            .counters
            .content_total
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a metadata object that was given and need not be written.
    pub(crate) fn count_known_metadata(&self) {
        self.intake
            .counters
            .metadata_total
            .fetch_add(1, Ordering::Relaxed);
    }
}

impl Scratch {
    /// Fills `packed` with the whole `.filez`.
    fn pack(&mut self, header: &FileHeader, content: &[u8], level: u32) -> Result<(), StoreError> {
        self.packed.clear();
        self.packed
            .extend_from_slice(&header.archive_prefix(content.len() as u64)?);
        let compressor = self
            .compressor
            .get_or_insert_with(|| Compress::new(Compression::new(level), false));
        compressor.reset();
        let mut rest = content;
        loop {
            // Deflate never makes much more of its input than it was; where it does, another round follows.
            self.packed.reserve(rest.len() / 2 + 256);
            let before = compressor.total_in();
            let status = compressor
                .compress_vec(rest, &mut self.packed, FlushCompress::Finish)
                .map_err(|e| StoreError::io("compressing content", e.into()))?;
            let taken = usize::try_from(compressor.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken..];
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}
