//! The static file server: HTTP/1.1, GET and HEAD, conditional requests and ranges.
//!
//! What it must never do: open a path itself. A request's path is decoded once into plain segments (`path`), the caller's
//! [`Source`] opens them beneath a directory handle, and `answer` decides from the two what is sent.

mod answer;
mod body;
mod connection;
mod path;
mod timed;

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use body::Access;

/// The files that a server may send.
pub trait Source: Send + Sync + 'static {
    /// Opens the file named by `segments`, none of them empty, `.` or `..`, none with `/`, `\` or a NUL; no segment at all for the root.
    ///
    /// Called for each request, several at once, on threads that may wait for the disk. Symbolic links are the implementation's to refuse.
    ///
    /// # Errors
    /// `Ok(None)` is answered with 404, an error with 500 (403 if permission is denied).
    fn open(&self, segments: &[&str]) -> io::Result<Option<Opened>>;
}

/// A file to send.
#[derive(Debug)]
pub struct Opened {
    /// A regular file, read by offset.
    pub file: File,
    /// Its length in bytes. A file that turns out shorter ends the connection.
    pub len: u64,
    /// When it was last changed.
    pub modified: Option<SystemTime>,
    /// A strong `ETag` without its quotes: it must differ when a byte does. Visible ASCII without `"`; others are left out.
    pub etag: Option<String>,
}

/// Takes log entries, on any of the server's threads.
pub type AccessLog = Arc<dyn Fn(&Access) + Send + Sync>;

/// How a server behaves.
#[derive(Clone)]
pub struct ServeOptions {
    /// Connections at once; others wait to be accepted.
    pub max_connections: usize,
    /// A connection on which nothing moves for this long is closed, as is one that takes a body at less than
    /// `floor_bytes_per_second` over it.
    pub idle_timeout: Duration,
    /// A request's head must be complete within this time of its first chance to be sent, that is of the connection or of
    /// the end of the answer before: an idle connection lives no longer either.
    pub header_timeout: Duration,
    /// The slowest reader that is served, on average over `idle_timeout`.
    pub floor_bytes_per_second: u64,
    /// A longer request head is answered with 431. At least 8192.
    pub max_header_bytes: usize,
    /// Threads that run the connections. They open the files and read the small ones, so this many may wait for the disk at
    /// once; `None` is four a core.
    pub worker_threads: Option<usize>,
    /// Told of each answer when its body has been handed over or given up.
    pub access_log: Option<AccessLog>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 512,
            idle_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            floor_bytes_per_second: 100,
            max_header_bytes: 16 << 10,
            worker_threads: None,
            access_log: None,
        }
    }
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeOptions")
            .field("max_connections", &self.max_connections)
            .field("idle_timeout", &self.idle_timeout)
            .field("header_timeout", &self.header_timeout)
            .field("floor_bytes_per_second", &self.floor_bytes_per_second)
            .field("max_header_bytes", &self.max_header_bytes)
            .field("worker_threads", &self.worker_threads)
            .finish_non_exhaustive()
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used.
    #[error("cannot serve on this socket: {0}")]
    Listener(io::Error),
    /// Threads could not be started.
    #[error("cannot start the server's threads: {0}")]
    Runtime(io::Error),
}

/// A running server. Dropping it stops it at once.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every answer that had begun was sent.
    Clean,
    /// Time ran out and connections were cut.
    Cut,
}

/// Serves `source` on `listener` until the handle is stopped.
///
/// The caller chooses the address: `127.0.0.1` unless asked otherwise.
///
/// # Errors
/// [`ServeError`] before the first connection; later faults concern one connection and end it.
///
/// # Panics
/// If called on a thread of an asynchronous runtime.
pub fn serve(
    listener: TcpListener,
    source: Arc<dyn Source>,
    options: ServeOptions,
) -> Result<ServerHandle, ServeError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = options.worker_threads.unwrap_or(4 * cores).max(1);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("ostler-serve")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    listener
        .set_nonblocking(true)
        .map_err(ServeError::Listener)?;
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(ServeError::Listener)?
    };
    let (stop, stopping) = watch::channel(false);
    let serving = connection::accept_all(listener, source, options, stopping);
    Ok(ServerHandle {
        address,
        stop,
        accepting: Some(runtime.spawn(serving)),
        runtime: Some(runtime),
    })
}

impl ServerHandle {
    /// Where the server listens; the port that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the process is asked to end, by SIGINT or SIGTERM; from the first call on, they no longer end it by themselves.
    ///
    /// # Errors
    /// The signals cannot be waited for.
    pub fn wait_for_signal(&self) -> io::Result<()> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    }

    /// Accepts no more, lets answers that have begun end within `timeout`, and cuts what is left.
    pub fn stop(mut self, timeout: Duration) -> Stopped {
        self.stop.send_replace(true);
        let (Some(runtime), Some(accepting)) = (self.runtime.take(), self.accepting.take()) else {
            return Stopped::Clean;
        };
        let ended = runtime.block_on(async { tokio::time::timeout(timeout, accepting).await });
        runtime.shutdown_background();
        match ended {
            Ok(_) => Stopped::Clean,
            Err(_) => Stopped::Cut,
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
