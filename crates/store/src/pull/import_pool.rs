//! Threads that import content objects from repositories on this machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};
use ostler_format::FileId;

use crate::error::StoreError;
use crate::object::{ImportOptions, Imported, Importer};
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::transaction::Transaction;

/// Objects handed over at once: a hardlink takes less time than waking a thread.
const BATCH: usize = 64;
/// Batches that wait, at most.
const WAITING: usize = 16;

/// Receives ids and imports them on all cores.
pub(crate) struct ImportPool<'scope> {
    sender: Sender<Vec<FileId>>,
    batch: Vec<FileId>,
    shared: &'scope Shared,
}

/// What the threads share; outlives their scope.
#[derive(Default)]
pub(crate) struct Shared {
    failed: AtomicBool,
    error: Mutex<Option<StoreError>>,
}

impl Shared {
    fn fail(&self, error: StoreError) {
        let mut first = self.error.lock().expect("no holder of the error panics");
        first.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Takes the first error of any thread, after the scope has ended.
    pub(crate) fn into_result(self) -> Result<(), StoreError> {
        let error = self.error.into_inner();
        match error.expect("no holder of the error panics") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl<'scope> ImportPool<'scope> {
    /// Starts one thread a core.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        shared: &'scope Shared,
        transaction: &'scope Transaction<'scope>,
        source: &'scope Repo,
        options: ImportOptions,
        sink: &'scope dyn Sink,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = bounded(WAITING);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            let importer = Importer::new(transaction, source, options)?;
            let receiver = receiver.clone();
            scope.spawn(move || work(importer, &receiver, shared, sink));
        }
        Ok(Self {
            sender,
            batch: Vec::with_capacity(BATCH),
            shared,
        })
    }

    /// Queues one object; waits while too many are queued.
    pub(crate) fn import(&mut self, id: FileId) {
        self.batch.push(id);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    /// Whether a thread has failed, so that more work is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn flush(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // The threads receive until this end is dropped, even after a failure.
        let _ = self.sender.send(batch);
    }
}

impl Drop for ImportPool<'_> {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.flush();
        }
    }
}

fn work(
    mut importer: Importer<'_>,
    receiver: &Receiver<Vec<FileId>>,
    shared: &Shared,
    sink: &dyn Sink,
) {
    for id in receiver.iter().flatten() {
        if shared.failed.load(Ordering::Relaxed) {
            continue;
        }
        match importer.import(id.into()) {
            Ok(imported) => sink.event(Event::Advance {
                phase: Phase::Pull,
                objects: 1,
                bytes: match imported {
                    Imported::Written(bytes) => bytes,
                    Imported::Present | Imported::Linked => 0,
                },
            }),
            Err(error) => shared.fail(error),
        }
    }
}
