//! The only writer of objects.
//!
//! A transaction gathers objects in a staging directory, and [`Transaction::commit`] makes them durable, moves them into
//! `objects/` (commits last), and then moves the refs. A crash before the move leaves the repository as it was; a crash
//! after it leaves objects that no ref names yet. The methods that write objects take `&self` and may be called from
//! several threads.

mod adopt;
mod content_file;
mod deflate;
mod flush;
mod intake;
mod payload;
mod publish;
mod small;
mod space;
mod staging;
mod swap;
mod write;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ostler_format::{CommitId, DirMeta, DirMetaId, DirTree, DirTreeId, ObjectKind, ObjectName};
use ostler_fs::Trusted;

pub(crate) use adopt::Adoption;
pub(crate) use content_file::{ContentFile, Hashing};
pub(crate) use intake::Intake;
pub(crate) use payload::target as payload_link_target;
pub(crate) use small::Scratch;
pub use space::format_size;
pub(crate) use staging::remove_leftovers;
pub use write::ContentWriter;
pub(crate) use write::SMALL_CONTENT;

use crate::error::StoreError;
use crate::lock::RepoLock;
use crate::object::FileObject;
use crate::refs::RefKey;
use crate::repo::Repo;
use flush::Flusher;
use payload::PayloadLinks;
pub(crate) use space::SpaceBudget;
use staging::Staging;

/// How a transaction makes its objects durable; `None` follows the repository's config.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionOptions {
    /// Whether anything is synced at all.
    pub fsync: Option<bool>,
    /// Whether each object is synced as it is written, instead of all of them at the end.
    pub per_object_fsync: Option<bool>,
}

/// What a transaction wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TransactionStats {
    /// Metadata objects given to it.
    pub metadata_objects_total: u64,
    /// Metadata objects that the repository did not have.
    pub metadata_objects_written: u64,
    /// Content objects given to it.
    pub content_objects_total: u64,
    /// Content objects that the repository did not have.
    pub content_objects_written: u64,
    /// Bytes of content in the objects written, before compression.
    pub content_bytes_written: u64,
    /// Content objects whose id came from a cache instead of from reading the file.
    pub content_cache_hits: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) metadata_total: AtomicU64,
    pub(crate) metadata_written: AtomicU64,
    pub(crate) content_total: AtomicU64,
    content_written: AtomicU64,
    content_bytes: AtomicU64,
    cache_hits: AtomicU64,
}

/// A set of objects and refs that join the repository together.
#[derive(Debug)]
pub struct Transaction<'r> {
    repo: &'r Repo,
    intake: Intake,
    fsync: bool,
    refs: Mutex<BTreeMap<RefKey, Option<CommitId>>>,
    _lock: RepoLock,
}

impl Repo {
    /// Begins a transaction: takes the shared lock and a staging directory.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] in a mode that is only read; [`StoreError::Fs`] if locking or `tmp/` fails.
    pub fn begin(&self, options: TransactionOptions) -> Result<Transaction<'_>, StoreError> {
        if !self.mode().is_writable() {
            return Err(StoreError::NotWritable { mode: self.mode() });
        }
        let lock = self.lock_shared()?;
        let staging = Staging::acquire(self)?;
        let space = SpaceBudget::of(self)?;
        let fsync = options.fsync.unwrap_or(self.config().fsync);
        let per_object = options
            .per_object_fsync
            .unwrap_or(self.config().per_object_fsync);
        let intake = Intake {
            staging: Arc::new(staging),
            space: Arc::new(space),
            counters: Arc::default(),
            flusher: Arc::new(Flusher::new(
                fsync && !per_object,
                self.config().flush_every_bytes,
            )),
            mode: self.mode(),
            fsverity: self.config().fsverity,
            zlib_level: self.config().zlib_level,
            per_object_fsync: fsync && per_object,
            payload_links: PayloadLinks::of(self)?.map(Arc::new),
        };
        Ok(Transaction {
            repo: self,
            intake,
            fsync,
            refs: Mutex::default(),
            _lock: lock,
        })
    }
}

impl<'r> Transaction<'r> {
    /// The repository that is written.
    #[must_use]
    pub fn repo(&self) -> &'r Repo {
        self.repo
    }

    /// Whether the object is staged, or in the repository or a parent.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn has(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(self.intake.staging.contains(name) || self.repo.has_object(name)?)
    }

    /// Whether the object is staged or in the repository itself, parents aside.
    pub(crate) fn has_own(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(self.intake.staging.contains(name) || self.repo.has_own_object(name)?)
    }

    /// Reads a metadata object, staged or not; `None` if nothing has it.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub fn read_metadata_optional(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        if self.intake.staging.contains(name) {
            let path = name.loose_path(self.repo.mode().storage_form());
            return Ok(Some(
                self.intake
                    .staging
                    .dir
                    .read(Trusted(&path), ostler_format::MAX_METADATA_SIZE)?,
            ));
        }
        self.repo.read_metadata_optional(name)
    }

    /// Reads and parses a directory listing, staged or not.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`], [`StoreError::Malformed`].
    pub fn read_dirtree(&self, id: DirTreeId) -> Result<DirTree, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::DirTree);
        let bytes = self
            .read_metadata_optional(&name)?
            .ok_or(StoreError::ObjectMissing { name })?;
        DirTree::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })
    }

    /// Reads and parses a directory's metadata, staged or not.
    ///
    /// # Errors
    /// [`StoreError::ObjectMissing`], [`StoreError::Malformed`].
    pub fn read_dirmeta(&self, id: DirMetaId) -> Result<DirMeta, StoreError> {
        let name = ObjectName::from(id);
        let bytes = self
            .read_metadata_optional(&name)?
            .ok_or(StoreError::ObjectMissing { name })?;
        DirMeta::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })
    }

    /// Opens a content object, staged or not.
    ///
    /// # Errors
    /// As [`Repo::open_file_object`].
    pub fn open_file_object(&self, id: ostler_format::FileId) -> Result<FileObject, StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        if self.intake.staging.contains(&name) {
            let path = name.loose_path(self.repo.mode().storage_form());
            if let Some(object) = crate::object::open_file_object_at(
                self.repo,
                &self.intake.staging.dir,
                &path,
                name,
            )? {
                return Ok(object);
            }
        }
        self.repo.open_file_object(id)
    }

    /// Sets a ref (`None` deletes it) when the transaction is committed.
    pub fn set_ref(&self, key: RefKey, target: Option<CommitId>) {
        self.refs
            .lock()
            .expect("no holder of the refs panics")
            .insert(key, target);
    }

    /// Bytes of content that may still be written before `core.min-free-space-*` is reached.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.intake.space.left()
    }

    /// Bytes that the object takes on disk, staged or not.
    pub(crate) fn stored_bytes(&self, name: &ObjectName) -> Result<u64, StoreError> {
        if self.intake.staging.contains(name) {
            let path = name.loose_path(self.repo.mode().storage_form());
            return Ok(self.intake.staging.dir.metadata(Trusted(&path))?.size);
        }
        self.repo.object_size_on_disk(name)
    }

    /// Counts a content object whose id a cache knew; such objects are not among those given.
    pub(crate) fn count_cache_hit(&self) {
        self.intake
            .counters
            .cache_hits
            .fetch_add(1, Ordering::Relaxed);
    }

    /// What has been given and written so far.
    #[must_use]
    pub fn stats(&self) -> TransactionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransactionStats {
            metadata_objects_total: read(&self.intake.counters.metadata_total),
            metadata_objects_written: read(&self.intake.counters.metadata_written),
            content_objects_total: read(&self.intake.counters.content_total),
            content_objects_written: read(&self.intake.counters.content_written),
            content_bytes_written: read(&self.intake.counters.content_bytes),
            content_cache_hits: read(&self.intake.counters.cache_hits),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.intake.counters
    }

    /// What threads that outlive no borrow need to write objects.
    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }
}
