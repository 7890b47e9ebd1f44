//! Taking an object from another repository on this machine: by hardlink, by shared blocks, by copy, or by writing it
//! anew in this repository's mode.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

use ostler_format::{CommitId, FileHeader, FileId, ObjectKind, ObjectName, S_IFMT};
use ostler_fs::copy::{Copied, copy_contents};
use ostler_fs::{HardLink, LinkPolicy, Trusted};

use super::content::FileObject;
use super::physical::physical_mode;
use super::verify::ObjectVerifier;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;
use crate::transaction::{ContentFile, Hashing, Transaction};

/// The size of the buffer that content is unpacked and compressed through.
const BUFFER: usize = 128 * 1024;

/// Whether a repository on this machine is taken at its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Objects are taken as they are, whatever their bytes.
    #[default]
    Trusted,
    /// Each object's checksum is verified before it is taken.
    Verify,
}

/// How objects are imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Whether checksums are verified.
    pub trust: Trust,
    /// Whether regular files with mode bits beyond 0775 are refused.
    pub bare_user_only_files: bool,
}

/// How an object came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The repository had it.
    Present,
    /// It is another name of the source's file.
    Linked,
    /// It is a file of its own, of so many bytes of content (0 for a symlink and for metadata).
    Written(u64),
}

/// Imports objects one after another, with one buffer; one for each thread.
#[derive(Debug)]
pub struct Importer<'t> {
    transaction: &'t Transaction<'t>,
    source: &'t Repo,
    /// The repositories of the source's chain whose files may get a second name here.
    linkable: Vec<&'t Repo>,
    options: ImportOptions,
    verifier: ObjectVerifier<'t>,
    buffer: Vec<u8>,
}

impl<'t> Importer<'t> {
    /// Makes an importer of objects of `source` and its parents into `transaction`.
    ///
    /// # Errors
    /// [`StoreError::Fs`] if a repository's directory cannot be examined.
    pub fn new(
        transaction: &'t Transaction<'t>,
        source: &'t Repo,
        options: ImportOptions,
    ) -> Result<Self, StoreError> {
        let own = transaction.repo().objects().self_metadata()?;
        let mut linkable = Vec::new();
        for repo in source.chain() {
            let stat = repo.objects().self_metadata()?;
            // Whoever owns an inode can change it later: only the owner of this repository may.
            if (stat.dev, stat.uid) == (own.dev, own.uid) {
                linkable.push(repo);
            }
        }
        Ok(Self {
            transaction,
            source,
            linkable,
            options,
            verifier: ObjectVerifier::new(source),
            buffer: Vec::new(),
        })
    }

    /// Imports a commit, dirtree, dirmeta or content object.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`]; with [`Trust::Verify`] [`StoreError::ChecksumMismatch`] and
    /// [`StoreError::Malformed`], and nothing of the object is left then; those of writing an object.
    pub fn import(&mut self, name: ObjectName) -> Result<Imported, StoreError> {
        if name.kind == ObjectKind::File {
            return self.import_content(FileId::new(name.checksum));
        }
        let counters = self.transaction.counters();
        if self.transaction.has(&name)? {
            counters.metadata_total.fetch_add(1, Ordering::Relaxed);
            return Ok(Imported::Present);
        }
        self.import_metadata(name)
    }

    fn import_metadata(&mut self, name: ObjectName) -> Result<Imported, StoreError> {
        if self.options.trust == Trust::Verify {
            self.verifier.verify(name)?;
        }
        // Metadata has one form in every mode.
        if self.link(name, |_| true)? {
            let counters = self.transaction.counters();
            counters.metadata_total.fetch_add(1, Ordering::Relaxed);
            counters.metadata_written.fetch_add(1, Ordering::Relaxed);
            return Ok(Imported::Linked);
        }
        let bytes = self.source.read_metadata(&name)?;
        match self.options.trust {
            Trust::Verify => self.transaction.write_metadata_expected(name, &bytes)?,
            Trust::Trusted => self.transaction.write_metadata_named(name, &bytes)?,
        }
        Ok(Imported::Written(0))
    }

    fn import_content(&mut self, id: FileId) -> Result<Imported, StoreError> {
        let name = ObjectName::from(id);
        let counters = self.transaction.counters();
        counters.content_total.fetch_add(1, Ordering::Relaxed);
        if self.transaction.has(&name)? {
            return Ok(Imported::Present);
        }
        if self.options.bare_user_only_files {
            check_bare_user_only(name, &self.source.open_file_object(id)?.header)?;
        }
        let mode = self.transaction.repo().mode();
        if self.linkable.iter().any(|repo| repo.mode() == mode) {
            if self.options.trust == Trust::Verify {
                self.verifier.verify(name)?;
            }
            if self.link(name, |repo| repo.mode() == mode)? {
                self.transaction.intake().count_content(0);
                return Ok(Imported::Linked);
            }
        }
        let trusted = self.options.trust == Trust::Trusted;
        if mode == RepoMode::Archive && trusted && self.copy_archived(name)? {
            return Ok(Imported::Written(0));
        }
        let object = self.source.open_file_object_as_named(id)?;
        if mode == RepoMode::BareUserOnly && self.link_bare_user(name, &object)? {
            return Ok(Imported::Linked);
        }
        self.write_content(id, object)
    }

    /// Links the object's file from the first repository of the chain that has it and is `eligible`.
    fn link(&self, name: ObjectName, eligible: impl Fn(&Repo) -> bool) -> Result<bool, StoreError> {
        for source in self.linkable.iter().filter(|repo| eligible(repo)) {
            let path = name.loose_path(source.mode().storage_form());
            let intake = self.transaction.intake();
            match intake.link_existing(source.objects(), &path, name) {
                Ok(HardLink::Linked | HardLink::AlreadyExists) => return Ok(true),
                Ok(HardLink::TooManyLinks | HardLink::CrossDevice | HardLink::NotPermitted) => {}
                Err(StoreError::Fs(error)) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// A regular file of `bare-user` is one of `bare-user-only`, too, if its owner, mode and xattrs are canonical.
    fn link_bare_user(&self, name: ObjectName, object: &FileObject) -> Result<bool, StoreError> {
        let header = &object.header;
        let same_mode = physical_mode(RepoMode::BareUser, header)?
            == physical_mode(RepoMode::BareUserOnly, header)?;
        if header.is_symlink() || !same_mode || self.options.trust == Trust::Verify {
            return Ok(false);
        }
        let linked = self.link(name, |repo| repo.mode() == RepoMode::BareUser)?;
        if linked {
            self.transaction.intake().count_content(0);
        }
        Ok(linked)
    }

    /// Copies a `.filez` that cannot be linked, compressed as it is; false if no source has one.
    fn copy_archived(&mut self, name: ObjectName) -> Result<bool, StoreError> {
        for source in self.source.chain() {
            if source.mode() != RepoMode::Archive {
                continue;
            }
            let path = name.loose_path(source.mode().storage_form());
            let Some((file, stat)) = source.objects().open_regular_optional(Trusted(&path))? else {
                continue;
            };
            let intake = self.transaction.intake();
            let temp = intake.new_temp(0o644)?;
            self.copy_file(&file, temp.file(), stat.size)?;
            ostler_fs::file::set_mode(temp.file(), 0o644)?;
            intake.link_temp(temp, name, LinkPolicy::KeepExisting)?;
            intake.count_content(0);
            return Ok(true);
        }
        Ok(false)
    }

    /// Copies a file, sharing blocks if possible; only what takes room is counted.
    fn copy_file(&self, from: &File, to: &File, size: u64) -> Result<(), StoreError> {
        let intake = self.transaction.intake();
        intake.take_space(size)?;
        let copied = copy_contents(from, to);
        if !matches!(copied, Ok(Copied::Bytes)) {
            intake.give_space_back(size);
        }
        copied?;
        Ok(())
    }

    fn write_content(&mut self, id: FileId, object: FileObject) -> Result<Imported, StoreError> {
        let name = ObjectName::from(id);
        let intake = self.transaction.intake();
        if object.is_symlink() {
            match self.options.trust {
                Trust::Verify => intake.stage_symlink_verified(&object.header, name)?,
                Trust::Trusted => intake.stage_symlink(&object.header, name)?,
            }
            return Ok(Imported::Written(0));
        }
        let size = object.size;
        let trusted = self.options.trust == Trust::Trusted;
        match object.plain_file() {
            Some(file) if trusted && intake.mode() != RepoMode::Archive => {
                physical_mode(intake.mode(), &object.header)?;
                let temp = intake.new_temp(0o600)?;
                self.copy_file(file, temp.file(), size)?;
                intake.seal(&temp, &object.header)?;
                intake.link_temp(temp, name, LinkPolicy::KeepExisting)?;
                intake.count_content(size);
            }
            _ => self.stream_content(name, object)?,
        }
        Ok(Imported::Written(size))
    }

    fn stream_content(
        &mut self,
        name: ObjectName,
        mut object: FileObject,
    ) -> Result<(), StoreError> {
        let hashing = match self.options.trust {
            Trust::Trusted => Hashing::None,
            Trust::Verify => Hashing::Sha256,
        };
        let intake = self.transaction.intake().clone();
        let header = object.header.clone();
        let mut file = ContentFile::begin(intake, header, Some(object.size), hashing)
            .map_err(|e| e.of(name))?;
        self.buffer.resize(BUFFER, 0);
        loop {
            match object.read_bytes(&mut self.buffer) {
                Ok(0) => break,
                Ok(got) => file.put(&self.buffer[..got]).map_err(|e| e.of(name))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io(name.to_string(), error)),
            }
        }
        match self.options.trust {
            Trust::Trusted => file.link(name),
            Trust::Verify => file.link_verified(name),
        }
    }

    /// Stages a verified copy of the object whether or not the repository has one of that name, for
    /// [`Transaction::commit_replacing`]. With [`Trust::Verify`] only.
    ///
    /// # Errors
    /// As [`Importer::import`].
    pub(crate) fn stage_copy(&mut self, name: ObjectName) -> Result<(), StoreError> {
        if name.kind == ObjectKind::File {
            let id = FileId::new(name.checksum);
            let object = self.source.open_file_object_as_named(id)?;
            return self.write_content(id, object).map(drop);
        }
        let bytes = self.source.read_metadata(&name)?;
        self.transaction.stage_metadata(name, &bytes)
    }

    /// Imports a commit's detached metadata if the source has some, replacing what is here; returns whether it did.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn import_detached_metadata(&self, commit: CommitId) -> Result<bool, StoreError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        let Some(bytes) = self.source.read_metadata_optional(&name)? else {
            return Ok(false);
        };
        self.transaction
            .write_detached_metadata_bytes(commit, &bytes)
    }
}

/// Refuses a regular file with mode bits beyond 0775.
pub(crate) fn check_bare_user_only(
    name: ObjectName,
    header: &FileHeader,
) -> Result<(), StoreError> {
    let bits = header.mode & !(S_IFMT | 0o775);
    if header.is_symlink() || bits == 0 {
        return Ok(());
    }
    let mode = header.mode & !S_IFMT;
    Err(StoreError::ModeRefused { name, mode, bits })
}
