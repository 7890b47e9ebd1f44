//! A socket that gives up on peers that neither send nor take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::server::ServeOptions;

/// Fails with `TimedOut` when nothing moved for the idle time, or when a body is owed and moved too slowly over it.
pub(super) struct Timed {
    stream: TcpStream,
    idle: Duration,
    floor_bytes: u64,
    window: Pin<Box<Sleep>>,
    moved_bytes: u64,
    owed_at_start: bool,
    owed: Arc<AtomicUsize>,
}

impl Timed {
    /// `owed` counts the answers whose bodies have not been handed over whole.
    pub(super) fn new(stream: TcpStream, options: &ServeOptions, owed: Arc<AtomicUsize>) -> Self {
        let idle = options.idle_timeout;
        let floor = options.floor_bytes_per_second as f64 * idle.as_secs_f64();
        Self {
            stream,
            idle,
            floor_bytes: floor as u64,
            window: Box::pin(sleep(idle)),
            moved_bytes: 0,
            owed_at_start: false,
            owed,
        }
    }

    /// To be called when the socket can do nothing now.
    fn poll_window(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        while self.window.as_mut().poll(context).is_ready() {
            let owes = self.owed.load(Ordering::Relaxed) > 0;
            // A body that began inside the window has not had all of it.
            let slow = owes && self.owed_at_start;
            let enough = if slow { self.floor_bytes.max(1) } else { 1 };
            if self.moved_bytes < enough {
                let message = "the client is too slow";
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            self.moved_bytes = 0;
            self.owed_at_start = owes;
            self.window.as_mut().reset(Instant::now() + self.idle);
        }
        Poll::Pending
    }

    fn moved<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        context: &mut Context<'_>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending => self.poll_window(context).map(Err),
            Poll::Ready(Ok(value)) => {
                self.moved_bytes += bytes(&value) as u64;
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.moved(result, context, |()| read)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(result, context, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.moved(result, context, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a client has sent beyond the end of the conversation, at most so much of it, is read and thrown away.
const DRAIN_BYTES: usize = 256 << 10;

impl Drop for Timed {
    /// A socket that is closed over unread bytes resets the connection, and the client may lose the answer that says why.
    fn drop(&mut self) {
        let mut scratch = [0; 4096];
        for _ in 0..DRAIN_BYTES / scratch.len() {
            if !matches!(self.stream.try_read(&mut scratch), Ok(read) if read > 0) {
                return;
            }
        }
    }
}
