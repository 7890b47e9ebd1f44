//! What is asked for, where its bytes go, and what comes back.

use std::time::SystemTime;

use crate::client::mirrors::Mirrors;

/// An error of the caller's own, carried through a transfer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One body to fetch in a [`Batch`](crate::Batch).
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it may be had; share one value between the requests of one remote, it remembers what works.
    pub mirrors: Mirrors,
    /// Appended to a mirror's URL, segment by segment; neither encoded nor starting with `/`. Empty for the URL itself.
    pub path: String,
    /// Which requests of a batch go first.
    pub priority: Priority,
    /// A longer body is refused, before its first byte where the server announces its length.
    pub cap_bytes: u64,
    /// A guess of the length: large bodies are kept off the one connection that HTTP/2 shares.
    pub size_hint_bytes: Option<u64>,
    /// Whether the name proves the content.
    pub naming: Naming,
    /// Bytes that an earlier run left behind.
    pub resume: Option<Resume>,
    /// The part of the body that is wanted; `None` for all of it. A server that has no ranges fails.
    pub part: Option<Part>,
}

/// A part of a body, which the sink sees as if it were all of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte, from 0.
    pub first: u64,
    /// How many bytes, more than 0.
    pub length: u64,
    /// Length of the whole body, which the server must agree to.
    pub whole: u64,
}

impl Part {
    /// The last byte.
    pub(crate) fn last(&self) -> u64 {
        self.first + (self.length - 1)
    }
}

impl Request {
    /// A request for the content-addressed `path`, with nothing to resume.
    pub fn new(mirrors: Mirrors, path: impl Into<String>, cap_bytes: u64) -> Self {
        Self {
            mirrors,
            path: path.into(),
            priority: Priority::Content,
            cap_bytes,
            size_hint_bytes: None,
            naming: Naming::ByContent,
            resume: None,
            part: None,
        }
    }
}

/// The order inside a batch; equal ones go in the order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What others wait for: commits, trees, superblocks.
    Metadata,
    /// Parts that unlock much work.
    Delta,
    /// Everything else.
    Content,
}

/// What a name says about the bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The caller verifies a checksum that the name carries: parts of equal total length may be joined, even from two mirrors, and a
    /// redirect that one request met is taken at once by the next.
    ByContent,
    /// The bytes may change under the name: a cut body is resumed only on the same mirror and only by a strong `ETag`.
    ByName,
}

/// Where an earlier run stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Bytes that the sink already has, more than 0.
    pub offset: u64,
    /// What must still hold for them to be a beginning of today's body.
    pub validator: Validator,
}

/// Evidence that two answers are parts of one body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validator {
    /// A strong `ETag`, with its quotes.
    Etag(String),
    /// The total length in bytes.
    TotalBytes(u64),
}

/// Says that a body begins, or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyStart {
    /// The length of the whole body, `None` where the server does not tell.
    pub total_bytes: Option<u64>,
    /// 0: forget what you have, the next chunk is the first. Otherwise all the bytes that you were given (or named in
    /// [`Resume`]) stand and the next chunk follows them.
    pub resumed_at: u64,
    /// The server's `ETag`, to resume by in a later run.
    pub etag: Option<String>,
}

/// Takes a body as it arrives.
///
/// Called on the fetcher's threads, one call at a time; it may block on the disk or compute, and the server then waits. It must not call
/// [`Fetcher::fetch_bytes`](crate::Fetcher::fetch_bytes) nor wait for another transfer. After a cut, `start` comes again.
pub trait Sink: Send {
    /// The head of an answer came; see [`BodyStart::resumed_at`].
    ///
    /// # Errors
    /// Any fault ends or restarts the transfer, as it says.
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault>;

    /// The next bytes, never empty and never beyond the request's cap.
    ///
    /// # Errors
    /// As `start`.
    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault>;

    /// The body is whole by the server's account: verify it here.
    ///
    /// # Errors
    /// As `start`.
    fn finish(&mut self) -> Result<(), SinkFault>;
}

/// Why a sink refuses.
#[derive(Debug, thiserror::Error)]
pub enum SinkFault {
    /// The bytes are not what was asked for: another mirror, or the same one once more, may have them.
    #[error("{0}")]
    Wrong(BoxError),
    /// The fault is on this side (disk full, cancelled): no other attempt.
    #[error("{0}")]
    Fatal(BoxError),
}

/// A body that was received and accepted by its sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The length of the whole body.
    pub total_bytes: u64,
    /// The bytes that this run moved, repeated ones included.
    pub moved_bytes: u64,
    /// The URL that answered, redirects followed, without user and password.
    pub url: String,
    /// The server's `ETag`, with its quotes.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub last_modified: Option<SystemTime>,
    /// How many attempts it took.
    pub attempts: u32,
}

/// What is known of an earlier copy, so that an unchanged document is not sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditional {
    /// Its `ETag`, with its quotes.
    pub etag: Option<String>,
    /// Its `Last-Modified`, of use where there is no `ETag`.
    pub last_modified: Option<SystemTime>,
}

/// The answer to a request for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The document.
    Body(Document),
    /// It is still as the [`Conditional`] describes it.
    NotModified,
    /// Every mirror says that there is none.
    NotFound {
        /// 404 or 410; or 403, which object stores answer for what they lack.
        status: u16,
    },
}

/// A whole document in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The content.
    pub bytes: Vec<u8>,
    /// The URL that answered, redirects followed, without user and password.
    pub url: String,
    /// The server's `ETag`, with its quotes.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub last_modified: Option<SystemTime>,
}
