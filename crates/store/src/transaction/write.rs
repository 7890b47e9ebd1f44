//! Writing one object into the staging directory.
//!
//! Content goes through one pass: it is hashed while it is written to a file without a name, which gets its name only
//! when it is whole and its metadata is on it.

use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use ostler_format::{
    Checksum, Commit, CommitId, FileHeader, FileId, Hasher, Metadata, ObjectKind, ObjectName,
};
use ostler_fs::inode_flags::{self, Verity};
use ostler_fs::{Access, LinkPolicy, TempFile, Timestamp, Trusted, file, unique_name, xattr};

use super::Transaction;
use crate::config::Tristate;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::object::{USER_META_XATTR, physical_mode};

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

    fn write_metadata_named(&self, name: ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        self.counters.metadata_total.fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(());
        }
        let temp = self.new_temp(0o644)?;
        temp.file()
            .write_all_at(bytes, 0)
            .map_err(|e| StoreError::io(name.to_string(), e))?;
        self.link_temp(temp, name, LinkPolicy::KeepExisting)?;
        self.counters
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
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        let temp = self.new_temp(0o644)?;
        temp.file()
            .write_all_at(&metadata.to_bytes()?, 0)
            .map_err(|e| StoreError::io(name.to_string(), e))?;
        self.link_temp(temp, name, LinkPolicy::Replace)
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
        self.counters.content_total.fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(id);
        }
        let mut writer = ContentWriter::begin(self, header, Some(content.len() as u64))?;
        writer.put(content)?;
        writer.link(name)?;
        Ok(id)
    }

    /// Writes a symlink, whose header is all there is of it.
    ///
    /// # Errors
    /// As [`Transaction::write_content_bytes`].
    pub fn write_symlink(&self, header: &FileHeader) -> Result<FileId, StoreError> {
        let id = header.file_id_of_symlink()?;
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        self.counters.content_total.fetch_add(1, Ordering::Relaxed);
        if self.has(&name)? {
            return Ok(id);
        }
        let mode = self.repo.mode();
        if mode.keeps_symlinks() {
            self.stage_real_symlink(header, name)?;
        } else {
            let temp = self.new_temp(0o644)?;
            let mut bytes = Vec::new();
            if mode == RepoMode::Archive {
                bytes = header.archive_prefix(0)?;
            } else {
                bytes.extend_from_slice(header.symlink_target.as_bytes());
                bytes.push(0);
                xattr::set(temp.file(), USER_META_XATTR, &header.to_user_meta()?)?;
            }
            temp.file()
                .write_all_at(&bytes, 0)
                .map_err(|e| StoreError::io(name.to_string(), e))?;
            self.link_temp(temp, name, LinkPolicy::KeepExisting)?;
        }
        self.counters
            .content_written
            .fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    fn stage_real_symlink(&self, header: &FileHeader, name: ObjectName) -> Result<(), StoreError> {
        let dir = &self.staging.dir;
        let path = self.staging.path_for(&name)?;
        let temp = unique_name(dir, |name| {
            match dir.symlink(&header.symlink_target, name) {
                Ok(()) => Ok(true),
                Err(error) if error.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        let finish = || -> Result<(), StoreError> {
            if self.repo.mode() == RepoMode::Bare {
                dir.set_owner(&temp, header.uid, header.gid)?;
                for (key, value) in header.xattrs.iter() {
                    dir.set_xattr(&temp, key, value)?;
                }
            }
            dir.rename(&temp, dir, Trusted(&path))?;
            Ok(())
        };
        finish().inspect_err(|_| {
            let _ = dir.unlink_optional(&temp);
        })?;
        self.staging.note(name);
        Ok(())
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
        self.counters.content_total.fetch_add(1, Ordering::Relaxed);
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
        Ok(TempFile::new(&self.staging.dir, mode)?)
    }

    /// Gives a finished temporary file its object name.
    pub(crate) fn link_temp(
        &self,
        temp: TempFile,
        name: ObjectName,
        policy: LinkPolicy,
    ) -> Result<(), StoreError> {
        if self.per_object_fsync {
            temp.file()
                .sync_all()
                .map_err(|e| StoreError::io(name.to_string(), e))?;
        }
        let path = self.staging.path_for(&name)?;
        temp.link_into(&self.staging.dir, Trusted(&path), policy)?;
        if name.kind == ObjectKind::File {
            self.enable_verity(&path)?;
        }
        self.staging.note(name);
        Ok(())
    }

    fn enable_verity(&self, path: &str) -> Result<(), StoreError> {
        let wanted = self.repo.config().fsverity;
        if wanted == Tristate::No || self.repo.mode() == RepoMode::Archive {
            return Ok(());
        }
        let object = self.staging.dir.open_file(Trusted(path), Access::Read)?;
        match inode_flags::enable_verity(&object) {
            Ok(Verity::Unsupported) if wanted == Tristate::Yes => {
                Err(StoreError::VerityUnsupported)
            }
            Ok(_) => Ok(()),
            Err(_) if wanted == Tristate::Maybe => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// Content on its way into the staging directory.
///
/// Dropping it before [`ContentWriter::finish`] leaves nothing.
pub struct ContentWriter<'t> {
    transaction: &'t Transaction<'t>,
    header: FileHeader,
    hasher: Hasher,
    /// `None` once it is sealed.
    body: Option<Body>,
    written: u64,
    reserved: u64,
}

enum Body {
    Plain(TempFile),
    Deflated(Box<DeflateEncoder<TempFile>>),
}

impl<'t> ContentWriter<'t> {
    fn begin(
        transaction: &'t Transaction<'_>,
        header: &FileHeader,
        expected_size: Option<u64>,
    ) -> Result<Self, StoreError> {
        let mode = transaction.repo.mode();
        physical_mode(mode, header)?;
        let reserved = expected_size.unwrap_or(0);
        transaction.space.take(reserved)?;
        let temp = transaction.new_temp(0o600)?;
        let body = if mode == RepoMode::Archive {
            // The size is not known yet; `seal` writes the prefix again.
            let prefix = header.archive_prefix(0)?;
            let mut temp = temp;
            temp.write_all(&prefix)
                .map_err(|e| StoreError::io("writing content", e))?;
            let level = Compression::new(transaction.repo.config().zlib_level);
            Body::Deflated(Box::new(DeflateEncoder::new(temp, level)))
        } else {
            Body::Plain(temp)
        };
        Ok(Self {
            transaction,
            header: header.clone(),
            hasher: header.hasher()?,
            body: Some(body),
            written: 0,
            reserved,
        })
    }

    /// Appends content.
    ///
    /// # Errors
    /// [`StoreError::MinFreeSpace`] once more than was reserved is written and no room is left; [`StoreError::Io`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.written += bytes.len() as u64;
        if self.written > self.reserved {
            self.transaction.space.take(self.written - self.reserved)?;
            self.reserved = self.written;
        }
        self.hasher.update(bytes);
        match &mut self.body {
            Some(Body::Plain(temp)) => temp.write_all(bytes),
            Some(Body::Deflated(encoder)) => encoder.write_all(bytes),
            None => Err(io::Error::other("the content has ended")),
        }
        .map_err(|e| StoreError::io("writing content", e))
    }

    /// Ends the content, gives the object its name, and returns its id and length.
    ///
    /// # Errors
    /// [`StoreError::Fs`], [`StoreError::Io`].
    pub fn finish(self) -> Result<(FileId, u64), StoreError> {
        let id = FileId::new(self.hasher.clone().finish());
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        let written = self.written;
        if self.transaction.has(&name)? {
            return Ok((id, written));
        }
        self.link(name)?;
        Ok((id, written))
    }

    /// As [`ContentWriter::finish`], for content that must have the id `expected`.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`]; nothing is left then.
    pub fn finish_expected(self, expected: FileId) -> Result<u64, StoreError> {
        let actual = self.hasher.clone().finish();
        let name = ObjectName::new(expected.checksum(), ObjectKind::File);
        if actual != expected.checksum() {
            return Err(StoreError::ChecksumMismatch { name, actual });
        }
        let written = self.written;
        if !self.transaction.has(&name)? {
            self.link(name)?;
        }
        Ok(written)
    }

    /// The content ended and was hashed to `name`.
    fn link(mut self, name: ObjectName) -> Result<(), StoreError> {
        let transaction = self.transaction;
        let temp = self.seal()?;
        transaction.link_temp(temp, name, LinkPolicy::KeepExisting)?;
        transaction
            .counters
            .content_written
            .fetch_add(1, Ordering::Relaxed);
        transaction
            .counters
            .content_bytes
            .fetch_add(self.written, Ordering::Relaxed);
        // What was written now counts in the file system itself.
        self.reserved = 0;
        Ok(())
    }

    /// Ends the stream and puts the mode's metadata on the file.
    fn seal(&mut self) -> Result<TempFile, StoreError> {
        let io_error = |e| StoreError::io("writing content", e);
        let mode = self.transaction.repo.mode();
        let temp = match self.body.take() {
            None => return Err(io_error(io::Error::other("the content has ended"))),
            Some(Body::Plain(temp)) => temp,
            Some(Body::Deflated(encoder)) => {
                let temp = encoder.finish().map_err(io_error)?;
                temp.file()
                    .write_all_at(&self.header.archive_prefix(self.written)?, 0)
                    .map_err(io_error)?;
                temp
            }
        };
        match mode {
            RepoMode::Bare => {
                file::set_owner(temp.file(), self.header.uid, self.header.gid)?;
                // After chown, which clears file capabilities and set-user-id bits.
                for (key, value) in self.header.xattrs.iter() {
                    xattr::set(temp.file(), key, value)?;
                }
            }
            RepoMode::BareUser => {
                xattr::set(temp.file(), USER_META_XATTR, &self.header.to_user_meta()?)?;
            }
            RepoMode::BareUserOnly | RepoMode::BareSplitXattrs | RepoMode::Archive => {}
        }
        file::set_mode(temp.file(), physical_mode(mode, &self.header)?)?;
        if mode != RepoMode::Archive {
            file::set_times(
                temp.file(),
                Timestamp {
                    seconds: 0,
                    nanoseconds: 0,
                },
            )?;
        }
        Ok(temp)
    }
}

impl Drop for ContentWriter<'_> {
    fn drop(&mut self) {
        self.transaction.space.give_back(self.reserved);
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
