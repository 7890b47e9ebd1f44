//! Writing directories' owners, modes and xattrs.

use std::collections::HashMap;

use ostler_format::{DirMeta, DirMetaId, ObjectError, ObjectKind, ObjectName};

use super::sizes::SizeLog;
use crate::error::StoreError;
use crate::transaction::Transaction;

/// Ids of directories' metadata by their bytes: most directories share one of a few.
#[derive(Debug, Default)]
pub(super) struct MetaCache(HashMap<Vec<u8>, DirMetaId>);

impl MetaCache {
    /// Writes the object if it is a new one; `unwritable` says what cannot be one.
    pub(super) fn write<E: From<StoreError>>(
        &mut self,
        transaction: &Transaction<'_>,
        sizes: Option<&SizeLog>,
        meta: &DirMeta,
        unwritable: impl FnOnce(ObjectError) -> E,
    ) -> Result<DirMetaId, E> {
        let bytes = meta.to_bytes().map_err(unwritable)?;
        if let Some(id) = self.0.get(&bytes) {
            transaction.count_known_metadata();
            return Ok(*id);
        }
        let checksum = transaction.write_metadata(ObjectKind::DirMeta, &bytes)?;
        if let Some(sizes) = sizes {
            sizes.metadata(ObjectName::new(checksum, ObjectKind::DirMeta), bytes.len());
        }
        self.0.insert(bytes, checksum.into());
        Ok(checksum.into())
    }
}
