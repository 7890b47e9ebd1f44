//! One content object between its first byte and its name.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use ostler_format::{Checksum, FileHeader, Hasher, ObjectName};
use ostler_fs::{LinkPolicy, TempFile};

use super::deflate::{BlockDeflater, PARALLEL_FROM};
use super::intake::Intake;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::physical_mode;

/// Whether the bytes are hashed while they pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// They are; the checksum can be asked for at the end.
    Sha256,
    /// They are not: their source is trusted, or they are hashed elsewhere.
    None,
}

/// Content that is hashed and written in one pass; dropped before [`ContentFile::link`] it leaves nothing.
pub(crate) struct ContentFile {
    intake: Intake,
    header: FileHeader,
    hasher: Option<Hasher>,
    /// Of the content alone, where files of equal content are to share their blocks.
    payload: Option<Hasher>,
    /// `None` once it is sealed.
    body: Option<Body>,
    has_mode: bool,
    written: u64,
    reserved: u64,
}

enum Body {
    Plain(TempFile),
    Deflated(Box<DeflateEncoder<TempFile>>),
    InBlocks(Box<BlockDeflater<TempFile>>),
}

impl ContentFile {
    /// Starts a file; `expected_size` is what the space check counts ahead.
    pub(crate) fn begin(
        intake: Intake,
        header: FileHeader,
        expected_size: Option<u64>,
        hashing: Hashing,
    ) -> Result<Self, StoreError> {
        physical_mode(intake.mode, &header)?;
        // Of content whose length is not known yet the checksum may be needed.
        let shares = intake.shares_payload(expected_size.unwrap_or(u64::MAX));
        let payload = shares.then(Hasher::new);
        let hasher = match hashing {
            Hashing::Sha256 => Some(header.hasher()?),
            Hashing::None => None,
        };
        let (mut temp, has_mode) = intake.new_content_temp(&header)?;
        let body = if intake.mode == RepoMode::Archive {
            // The size is not known yet; `seal` writes the prefix again.
            let prefix = header.archive_prefix(0)?;
            temp.write_all(&prefix)
                .map_err(|e| StoreError::io("writing content", e))?;
            let level = intake.zlib_level;
            if expected_size.is_some_and(|size| size >= PARALLEL_FROM) {
                let deflater = BlockDeflater::new(temp, level)
                    .map_err(|e| StoreError::io("compressing content", e))?;
                Body::InBlocks(Box::new(deflater))
            } else {
                let level = Compression::new(level);
                Body::Deflated(Box::new(DeflateEncoder::new(temp, level)))
            }
        } else {
            Body::Plain(temp)
        };
        // Last, so that a failure above leaves the budget as it was.
        let reserved = expected_size.unwrap_or(0);
        intake.space.take(reserved)?;
        Ok(Self {
            intake,
            header,
            hasher,
            payload,
            body: Some(body),
            has_mode,
            written: 0,
            reserved,
        })
    }

    /// Appends content.
    ///
    /// # Errors
    /// [`StoreError::MinFreeSpace`] once more than was reserved is written and no room is left; [`StoreError::Io`].
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.written += bytes.len() as u64;
        if self.written > self.reserved {
            self.intake.space.take(self.written - self.reserved)?;
            self.reserved = self.written;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        if let Some(payload) = &mut self.payload {
            payload.update(bytes);
        }
        match &mut self.body {
            Some(Body::Plain(temp)) => temp.write_all(bytes),
            Some(Body::Deflated(encoder)) => encoder.write_all(bytes),
            Some(Body::InBlocks(encoder)) => encoder.write_all(bytes),
            None => Err(io::Error::other("the content has ended")),
        }
        .map_err(|e| StoreError::io("writing content", e))
    }

    /// Bytes of content so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The content's checksum, if it was hashed.
    pub(crate) fn checksum(&self) -> Option<Checksum> {
        self.hasher.clone().map(Hasher::finish)
    }

    /// Gives the finished file, which was asked to be hashed, a name that must be its checksum.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`]; nothing is left then.
    pub(crate) fn link_verified(self, name: ObjectName) -> Result<(), StoreError> {
        let actual = self.checksum().expect("what is verified is hashed");
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        self.link(name)
    }

    /// Gives the finished file its name, which the caller has compared with the checksum or trusts.
    pub(crate) fn link(mut self, name: ObjectName) -> Result<(), StoreError> {
        let temp = self.seal()?;
        if let Some(payload) = self.payload.take() {
            self.intake
                .share_payload(&temp, self.written, payload.finish(), name)?;
        }
        self.intake
            .link_temp(temp, name, LinkPolicy::KeepExisting)?;
        self.intake.count_content(self.written);
        // What was written now counts in the file system itself.
        self.reserved = 0;
        Ok(())
    }

    /// Ends the stream and puts the mode's metadata on the file.
    fn seal(&mut self) -> Result<TempFile, StoreError> {
        let io_error = |e| StoreError::io("writing content", e);
        let temp = match self.body.take() {
            None => return Err(io_error(io::Error::other("the content has ended"))),
            Some(Body::Plain(temp)) => temp,
            Some(Body::Deflated(encoder)) => encoder.finish().map_err(io_error)?,
            Some(Body::InBlocks(encoder)) => encoder.finish().map_err(io_error)?,
        };
        if self.intake.mode == RepoMode::Archive {
            temp.file()
                .write_all_at(&self.header.archive_prefix(self.written)?, 0)
                .map_err(io_error)?;
        }
        self.intake.seal_born(&temp, &self.header, self.has_mode)?;
        Ok(temp)
    }
}

impl Drop for ContentFile {
    fn drop(&mut self) {
        self.intake.space.give_back(self.reserved);
    }
}
