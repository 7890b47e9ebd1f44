//! The sizes of the objects that a commit brings, for its metadata key `ostree.sizes`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ostler_format::{FileId, ObjectName, SizeEntry};

use crate::error::StoreError;
use crate::transaction::Transaction;

/// Gathers sizes from all threads, each object once.
#[derive(Debug, Default)]
pub(super) struct SizeLog(Mutex<BTreeMap<ObjectName, (u64, u64)>>);

impl SizeLog {
    /// Notes a metadata object, which takes as much to download as to store.
    pub(super) fn metadata(&self, name: ObjectName, bytes: usize) {
        self.insert(name, (bytes as u64, bytes as u64));
    }

    /// Notes a content object that the transaction has; `unpacked` is the length of the content or symlink target.
    pub(super) fn content(
        &self,
        transaction: &Transaction<'_>,
        id: FileId,
        unpacked: u64,
    ) -> Result<(), StoreError> {
        let name = ObjectName::from(id);
        let archived = transaction.stored_bytes(&name)?;
        self.insert(name, (archived, unpacked));
        Ok(())
    }

    /// All entries.
    pub(super) fn into_entries(self) -> Vec<SizeEntry> {
        let sizes = self.0.into_inner().expect("no holder of the log panics");
        sizes
            .into_iter()
            .map(|(name, (archived, unpacked))| SizeEntry::new(name, archived, unpacked))
            .collect()
    }

    fn insert(&self, name: ObjectName, sizes: (u64, u64)) {
        self.0
            .lock()
            .expect("no holder of the log panics")
            .insert(name, sizes);
    }
}
