//! Writing one object into the staging directory.
//!
//! Content goes through one pass: it is hashed while it is written to a file without a name, which gets its name only
//! when it is whole and its metadata is on it.

use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use ostler_format::{
    Checksum, Commit, CommitId, FileHeader, FileId, Metadata, ObjectKind, ObjectName,
};
use ostler_fs::{LinkPolicy, TempFile};

use super::Transaction;
use super::content_file::{ContentFile, Hashing};
use crate::error::StoreError;

/// Content up to this length is hashed in memory first, and written only if the repository lacks it.
pub(crate) const SMALL_CONTENT: usize = 1 << 20;

/// The size of the buffer that content is copied through.
const COPY_BUFFER: usize = 128 * 1024;

impl Transaction<'_> {
    /// Writes a metadata object, named by its checksum.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn write_metadata(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Checksum, StoreError> {
        let name = ObjectName::new(Checksum::of(bytes), kind);
        self.write_metadata_named(name, bytes)?;
        Ok(name.checksum)
    }

    /// Writes a metadata object that must have the checksum of `name`.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`]; nothing is written then.
    pub fn write_metadata_expected(
        &self,
        name: ObjectName,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let actual = Checksum::of(bytes);
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        self.write_metadata_named(name, bytes)
    }

    /// Writes a metadata object under a name that is trusted, if it is not here.
    pub(crate) fn write_metadata_named(
        &self,
        name: ObjectName,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.intake
            .counters
            .metadata_total
            .fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(());
        }
        let temp = self.new_temp(0o644)?;
        temp.file()
            .write_all_at(bytes, 0)
            .map_err(|e| StoreError::io(name.to_string(), e))?;
        self.link_temp(temp, name, LinkPolicy::KeepExisting)?;
        self.intake
            .counters
            .metadata_written
            .fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a commit object.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn write_commit(&self, commit: &Commit) -> Result<CommitId, StoreError> {
        self.write_metadata(ObjectKind::Commit, &commit.to_bytes()?)
            .map(CommitId::new)
    }

    /// Writes or replaces a commit's detached metadata.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn write_detached_metadata(
        &self,
        commit: CommitId,
        metadata: &Metadata,
    ) -> Result<(), StoreError> {
        self.write_detached_metadata_bytes(commit, &metadata.to_bytes()?)?;
        Ok(())
    }

    /// As [`Transaction::write_detached_metadata`], serialized already; returns whether it differs from what was here.
    pub(crate) fn write_detached_metadata_bytes(
        &self,
        commit: CommitId,
        bytes: &[u8],
    ) -> Result<bool, StoreError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        if self.has_own(&name)? && self.read_metadata_optional(&name)?.as_deref() == Some(bytes) {
            return Ok(false);
        }
        let temp = self.new_temp(0o644)?;
        temp.file()
            .write_all_at(bytes, 0)
            .map_err(|e| StoreError::io(name.to_string(), e))?;
        self.link_temp(temp, name, LinkPolicy::Replace)?;
        Ok(true)
    }

    /// Writes content that is in memory.
    ///
    /// # Errors
    /// [`StoreError::MinFreeSpace`], [`StoreError::ModeNotCanonical`], [`StoreError::Fs`].
    pub fn write_content_bytes(
        &self,
        header: &FileHeader,
        content: &[u8],
    ) -> Result<FileId, StoreError> {
        let mut hasher = header.hasher()?;
        hasher.update(content);
        let id = FileId::new(hasher.finish());
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        self.intake
            .counters
            .content_total
            .fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(id);
        }
        let mut writer = ContentWriter::begin(self, header, Some(content.len() as u64))?;
        writer.put(content)?;
        writer.file.link(name)?;
        Ok(id)
    }

    /// Writes a symlink, whose header is all there is of it.
    ///
    /// # Errors
    /// As [`Transaction::write_content_bytes`].
    pub fn write_symlink(&self, header: &FileHeader) -> Result<FileId, StoreError> {
        let id = header.file_id_of_symlink()?;
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        self.intake
            .counters
            .content_total
            .fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(id);
        }
        self.intake.stage_symlink(header, name)?;
        Ok(id)
    }

    /// Starts writing content that is streamed; `expected_size` is what the space check counts ahead.
    ///
    /// # Errors
    /// As [`Transaction::write_content_bytes`].
    pub fn content_writer(
        &self,
        header: &FileHeader,
        expected_size: Option<u64>,
    ) -> Result<ContentWriter<'_>, StoreError> {
        self.intake
            .counters
            .content_total
            .fetch_add(1, Ordering::Relaxed);
        ContentWriter::begin(self, header, expected_size)
    }

    /// Writes all that `source` gives, and returns the id and the length.
    ///
    /// Small content is read into memory and written only if the repository lacks it.
    ///
    /// # Errors
    /// As [`Transaction::write_content_bytes`]; [`StoreError::Io`] if reading fails.
    pub fn write_content(
        &self,
        header: &FileHeader,
        source: &mut dyn Read,
        expected_size: u64,
    ) -> Result<(FileId, u64), StoreError> {
        let read_error = |e| StoreError::io("reading content", e);
        let capacity = usize::try_from(expected_size)
            .unwrap_or(usize::MAX)
            .min(SMALL_CONTENT)
            + 1;
        let mut start = Vec::with_capacity(capacity);
        source
            .take(SMALL_CONTENT as u64 + 1)
            .read_to_end(&mut start)
            .map_err(read_error)?;
        if start.len() <= SMALL_CONTENT {
            return Ok((
                self.write_content_bytes(header, &start)?,
                start.len() as u64,
            ));
        }
        let mut writer = self.content_writer(header, Some(expected_size))?;
        writer.put(&start)?;
        start.resize(COPY_BUFFER, 0);
        start.truncate(COPY_BUFFER);
        start.shrink_to_fit();
        loop {
            match source.read(&mut start) {
                Ok(0) => break,
                Ok(got) => writer.put(&start[..got])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(e)),
            }
        }
        writer.finish()
    }

    /// Makes a file without a name in the staging directory.
    pub(crate) fn new_temp(&self, mode: u32) -> Result<TempFile, StoreError> {
        self.intake.new_temp(mode)
    }

    /// Gives a finished temporary file its object name.
    pub(crate) fn link_temp(
        &self,
        temp: TempFile,
        name: ObjectName,
        policy: LinkPolicy,
    ) -> Result<(), StoreError> {
        self.intake.link_temp(temp, name, policy)
    }
}

/// Content on its way into the staging directory.
///
/// Dropping it before [`ContentWriter::finish`] leaves nothing.
pub struct ContentWriter<'t> {
    transaction: &'t Transaction<'t>,
    file: ContentFile,
}

impl<'t> ContentWriter<'t> {
    fn begin(
        transaction: &'t Transaction<'_>,
        header: &FileHeader,
        expected_size: Option<u64>,
    ) -> Result<Self, StoreError> {
        let intake = transaction.intake.clone();
        let file = ContentFile::begin(intake, header.clone(), expected_size, Hashing::Sha256)?;
        Ok(Self { transaction, file })
    }

    /// Appends content.
    ///
    /// # Errors
    /// [`StoreError::MinFreeSpace`] once more than was reserved is written and no room is left; [`StoreError::Io`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.put(bytes)
    }

    /// Ends the content, gives the object its name, and returns its id and length.
    ///
    /// # Errors
    /// [`StoreError::Fs`], [`StoreError::Io`].
    pub fn finish(self) -> Result<(FileId, u64), StoreError> {
        let id = FileId::new(self.checksum());
        let written = self.file.written();
        if !self.transaction.has(&id.into())? {
            self.file.link(id.into())?;
        }
        Ok((id, written))
    }

    /// As [`ContentWriter::finish`], for content that must have the id `expected`.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`]; nothing is left then.
    pub fn finish_expected(self, expected: FileId) -> Result<u64, StoreError> {
        let actual = self.checksum();
        if actual != expected.checksum() {
            let name = expected.into();
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        Ok(self.finish()?.1)
    }

    fn checksum(&self) -> Checksum {
        self.file
            .checksum()
            .expect("a content writer hashes what it writes")
    }
}

impl Write for ContentWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
