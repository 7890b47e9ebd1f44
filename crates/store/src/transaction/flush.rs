//! Writing out while more is written, so that the disk is not idle until the end of the transaction and the processors then.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};
use ostler_fs::{Dir, FsError};

/// Syncs the file system in the background each time `batch_bytes` more have been written.
///
/// It promises nothing: the transaction still syncs at its end. An error of the background is that of the transaction, as
/// the kernel tells it only once.
#[derive(Debug)]
pub(super) struct Flusher {
    /// 0 if nothing is synced before the end.
    batch_bytes: u64,
    unsynced: AtomicU64,
    thread: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    wake: Sender<()>,
    handle: JoinHandle<Result<(), FsError>>,
}

impl Flusher {
    /// Without `enabled`, or with batches of no bytes, nothing is ever synced.
    pub(super) fn new(enabled: bool, batch_bytes: u64) -> Self {
        Self {
            batch_bytes: if enabled { batch_bytes } else { 0 },
            unsynced: AtomicU64::new(0),
            thread: Mutex::new(None),
        }
    }

    /// Notes that `bytes` were written somewhere below `dir`.
    pub(super) fn wrote(&self, bytes: u64, dir: &Dir) {
        if self.batch_bytes == 0 {
            return;
        }
        let before = self.unsynced.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes < self.batch_bytes {
            return;
        }
        self.unsynced.store(0, Ordering::Relaxed);
        let mut thread = self.thread.lock().expect("no holder of the thread panics");
        if thread.is_none() {
            *thread = Running::start(dir);
        }
        if let Some(running) = &*thread {
            // Full: it is at work, and takes this batch with the next one.
            let _ = running.wake.try_send(());
        }
    }

    /// Waits for what is being written out.
    ///
    /// # Errors
    /// That of the first sync that failed.
    pub(super) fn finish(&self) -> Result<(), FsError> {
        let running = self
            .thread
            .lock()
            .expect("no holder of the thread panics")
            .take();
        let Some(Running { wake, handle }) = running else {
            return Ok(());
        };
        drop(wake);
        handle.join().expect("syncing does not panic")
    }
}

impl Running {
    /// `None` if there are no more threads or descriptors: then all is written out at the end.
    fn start(dir: &Dir) -> Option<Self> {
        let dir = dir.try_clone().ok()?;
        let (wake, woken) = bounded::<()>(1);
        let work = move || -> Result<(), FsError> {
            for () in woken {
                dir.sync_file_system()?;
            }
            Ok(())
        };
        let handle = thread::Builder::new().spawn(work).ok()?;
        Some(Self { wake, handle })
    }
}
