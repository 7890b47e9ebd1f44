//! Threads that import content objects from repositories on this machine.

use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};
use ostler_format::FileId;

use crate::error::StoreError;
use crate::object::{ImportOptions, Imported, Importer};
use crate::repo::Repo;
use crate::transaction::Transaction;

/// Objects handed over at once: a hardlink takes less time than waking a thread.
const BATCH: usize = 64;
/// Batches that wait, at most.
const WAITING: usize = 16;

/// What becomes of each object; called on the pool's threads.
pub(crate) trait OnImport: Fn(FileId, Result<Imported, StoreError>) + Sync {}

impl<F: Fn(FileId, Result<Imported, StoreError>) + Sync> OnImport for F {}

/// Receives ids and imports them on all cores.
pub(crate) struct ImportPool {
    sender: Sender<Vec<FileId>>,
    batch: Vec<FileId>,
}

impl ImportPool {
    /// Starts one thread a core; they end when the pool is dropped and its queue is empty.
    pub(crate) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        transaction: &'scope Transaction<'scope>,
        source: &'scope Repo,
        options: ImportOptions,
        on_import: &'scope impl OnImport,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = bounded(WAITING);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            let mut importer = Importer::new(transaction, source, options)?;
            let receiver: Receiver<Vec<FileId>> = receiver.clone();
            scope.spawn(move || {
                for id in receiver.iter().flatten() {
                    on_import(id, importer.import(id.into()));
                }
            });
        }
        Ok(Self {
            sender,
            batch: Vec::with_capacity(BATCH),
        })
    }

    /// Queues one object; waits while too many are queued.
    pub(crate) fn import(&mut self, id: FileId) {
        self.batch.push(id);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    /// Hands over what has been gathered.
    pub(crate) fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            // The threads receive until this end is dropped.
            let _ = self.sender.send(batch);
        }
    }
}

impl Drop for ImportPool {
    fn drop(&mut self) {
        self.flush();
    }
}
