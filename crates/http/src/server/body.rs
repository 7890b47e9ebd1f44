//! The body of an answer: a part of a file, read in pieces as the connection takes them.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// What is read before the head is sent.
pub(super) const FIRST_PIECE_BYTES: u64 = 64 << 10;

/// The most that is read at once, and with what the socket holds the memory of one connection.
const PIECE_BYTES: u64 = 256 << 10;

/// One answer, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who asked.
    pub peer: SocketAddr,
    /// As it was sent: `GET`.
    pub method: String,
    /// As it was sent, encoded, with its query.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
    /// Body bytes handed to the connection.
    pub bytes: u64,
    /// The `User-Agent`, as far as it is text.
    pub user_agent: Option<String>,
}

/// Receives the log entry when the body is dropped, and knows whether the connection owes bytes.
pub(super) type OnEnd = Box<dyn FnOnce(u64) + Send>;

/// A body of known length.
pub(super) struct AnswerBody {
    left: u64,
    sent: u64,
    state: State,
    on_end: Option<OnEnd>,
}

enum State {
    /// Nothing is read ahead.
    Idle(Option<Reader>),
    /// The next piece is in memory.
    Ready(Bytes, Option<Reader>),
    /// A thread is reading.
    Reading(JoinHandle<io::Result<(Bytes, Reader)>>),
}

/// A file and the offset of its next byte.
pub(super) struct Reader {
    pub(super) file: File,
    pub(super) offset: u64,
}

impl Reader {
    /// Reads up to `len` bytes, fewer only at the end of the file. Blocks.
    pub(super) fn read(&mut self, len: u64) -> io::Result<Bytes> {
        let mut buffer = vec![0; len.min(PIECE_BYTES) as usize];
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], self.offset) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer.into())
    }
}

impl AnswerBody {
    /// A body in memory, possibly empty.
    pub(super) fn text(text: &'static str) -> Self {
        Self::new(text.len() as u64, Bytes::from_static(text.as_bytes()), None)
    }

    /// `len` bytes: `first` and then what `reader` gives.
    pub(super) fn new(len: u64, first: Bytes, reader: Option<Reader>) -> Self {
        let state = if first.is_empty() {
            State::Idle(reader)
        } else {
            State::Ready(first, reader)
        };
        Self {
            left: len,
            sent: 0,
            state,
            on_end: None,
        }
    }

    pub(super) fn on_end(&mut self, on_end: OnEnd) {
        self.on_end = Some(on_end);
    }

    fn hand_over(&mut self, piece: Bytes, reader: Option<Reader>) -> io::Result<Frame<Bytes>> {
        if piece.is_empty() {
            // The head has promised more: the connection must end, or the next answer would be taken for the rest.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.left -= piece.len() as u64;
        self.sent += piece.len() as u64;
        self.state = State::Idle(reader);
        Ok(Frame::data(piece))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        loop {
            match std::mem::replace(&mut this.state, State::Idle(None)) {
                State::Ready(piece, reader) => {
                    return Poll::Ready(Some(this.hand_over(piece, reader)));
                }
                State::Idle(None) => {
                    return Poll::Ready(Some(this.hand_over(Bytes::new(), None)));
                }
                State::Idle(Some(mut reader)) => {
                    let len = this.left;
                    this.state = State::Reading(tokio::task::spawn_blocking(move || {
                        let piece = reader.read(len)?;
                        Ok((piece, reader))
                    }));
                }
                State::Reading(mut task) => {
                    let Poll::Ready(read) = Pin::new(&mut task).poll(context) else {
                        this.state = State::Reading(task);
                        return Poll::Pending;
                    };
                    let result = read.map_err(io::Error::other).flatten();
                    return Poll::Ready(Some(
                        result.and_then(|(piece, reader)| this.hand_over(piece, Some(reader))),
                    ));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.sent);
        }
    }
}
