//! The fetcher: pools, secrets and counters behind one cheap handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

use crate::client::batch::Batch;
use crate::client::connect::Clients;
use crate::client::credentials::Secrets;
use crate::client::error::{FetchError, FetchFault, SetupError};
use crate::client::mirrors::{Mirrors, shown};
use crate::client::options::{FetcherOptions, Limits, RetryPolicy};
use crate::client::pace::{self, Pace};
use crate::client::request::{
    BodyStart, Conditional, Document, Fetched, Naming, Request, Sink, SinkFault,
};
use crate::client::transfer::transfer;

/// An HTTP client; clones share connections, threads and counters.
///
/// Make one for each remote. Its threads end when the last clone and the last batch are gone.
#[derive(Clone)]
pub struct Fetcher(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    runtime: Option<Runtime>,
}

/// What transfers need; they hold no runtime, so that none ends on its own thread.
pub(crate) struct Core {
    pub(crate) clients: Clients,
    pub(crate) secrets: Secrets,
    pub(crate) limits: Limits,
    pub(crate) retry: RetryPolicy,
    pub(crate) counters: Tally,
    pub(crate) pace: Pace,
    /// Places for bodies that have a connection of their own.
    pub(crate) large_bodies: Arc<Semaphore>,
}

/// What a fetcher has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Body bytes that came, those of failed attempts included.
    pub bytes: u64,
    /// Requests sent, redirects and retries included.
    pub requests: u64,
    /// Attempts that followed a failed one.
    pub retries: u64,
}

#[derive(Default)]
pub(crate) struct Tally {
    bytes: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
}

impl Tally {
    pub(crate) fn received(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
}

impl Fetcher {
    /// Reads the files that `options` names and starts the threads; dials nobody.
    ///
    /// # Errors
    /// A file that is missing or holds something else, a proxy or header that cannot be used.
    pub fn new(options: &FetcherOptions) -> Result<Self, SetupError> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = options.worker_threads.unwrap_or(cores.max(2)).max(1);
        let mut limits = options.limits.clone();
        let rate = limits.bytes_per_second;
        limits.in_flight = pace::in_flight(rate, limits.in_flight);
        limits.in_flight_most = pace::in_flight(rate, limits.in_flight_most);
        limits.in_flight_http2 = pace::in_flight(rate, limits.in_flight_http2);
        let core = Core {
            clients: Clients::new(options)?,
            secrets: Secrets::new(options)?,
            retry: options.retry.clone(),
            counters: Tally::default(),
            pace: Pace::new(rate),
            large_bodies: Arc::new(Semaphore::new(limits.in_flight.clamp(1, 64))),
            limits,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("ostler-http")
            .enable_all()
            .build()
            .map_err(SetupError::Runtime)?;
        Ok(Self(Arc::new(Shared {
            core: Arc::new(core),
            runtime: Some(runtime),
        })))
    }

    /// Fetches a document of at most `cap_bytes` into memory, by name, and waits for it.
    ///
    /// An empty `path` asks for the mirrors' URLs themselves. Bytes are never decompressed.
    ///
    /// # Errors
    /// Whatever is left after the retries on all mirrors; "not found" is no error here.
    pub fn fetch_bytes(
        &self,
        mirrors: &Mirrors,
        path: &str,
        cap_bytes: u64,
        unless: &Conditional,
    ) -> Result<Fetched, FetchError> {
        if Handle::try_current().is_ok() {
            return Err(FetchError {
                url: shown(mirrors.base(0)),
                attempts: 0,
                fault: FetchFault::Reentrant,
            });
        }
        let mut request = Request::new(mirrors.clone(), path, cap_bytes);
        request.naming = Naming::ByName;
        let mut sink = Memory::default();
        let work = transfer(&self.0.core, &request, unless, &mut sink);
        match self.handle().block_on(work) {
            Ok(Some(done)) => Ok(Fetched::Body(Document {
                bytes: sink.bytes,
                url: done.url,
                etag: done.etag,
                last_modified: done.last_modified,
            })),
            Ok(None) => Ok(Fetched::NotModified),
            Err(FetchError {
                fault: FetchFault::NotFound { status },
                ..
            }) => Ok(Fetched::NotFound { status }),
            Err(error) => Err(error),
        }
    }

    /// Opens a batch: many requests, bounded in flight.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// What has been done so far, by all clones.
    pub fn counters(&self) -> Counters {
        let tally = &self.0.core.counters;
        Counters {
            bytes: tally.bytes.load(Ordering::Relaxed),
            requests: tally.requests.load(Ordering::Relaxed),
            retries: tally.retries.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn handle(&self) -> &Handle {
        let runtime = self.0.runtime.as_ref();
        runtime.expect("the runtime lives until drop").handle()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last clone may go in a completion, on a thread that must not wait for itself.
            runtime.shutdown_background();
        }
    }
}

/// Takes a body into memory.
#[derive(Default)]
pub(crate) struct Memory {
    bytes: Vec<u8>,
}

/// A server's word is not enough to allocate more than this at once.
const TRUSTED_ALLOCATION: u64 = 1 << 20;

impl Memory {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Memory {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        let kept = usize::try_from(start.resumed_at).unwrap_or(usize::MAX);
        self.bytes.truncate(kept);
        let expected = start.total_bytes.unwrap_or(0).min(TRUSTED_ALLOCATION);
        self.bytes.reserve(expected as usize);
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        Ok(())
    }
}
