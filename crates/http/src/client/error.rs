//! What can go wrong: before a client exists, and in a transfer.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::cookies::CookieError;
use crate::client::request::BoxError;

/// Why no [`Fetcher`](crate::Fetcher) or [`Mirrors`](crate::Mirrors) could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file named in the options cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A certificate or key file holds none that can be used.
    #[error("`{}` is not {expected}: {message}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The cookie file has a line that is not a cookie.
    #[error("`{}`: {source}", path.display())]
    Cookies {
        /// The file.
        path: PathBuf,
        /// The line.
        source: CookieError,
    },
    /// A netrc file breaks off inside an entry.
    #[error("`{}` line {line}: {message}", path.display())]
    Netrc {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: &'static str,
    },
    /// The proxy is not an `http` or `https` URL.
    #[error("proxy `{url}`: {message}")]
    Proxy {
        /// As it was given, without a password.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// A header name or value has characters that HTTP forbids.
    #[error("header `{name}` cannot be sent: {message}")]
    Header {
        /// The header.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A mirror is not an `http` or `https` URL with a host.
    #[error("`{url}` is not an http or https URL: {message}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// There is no mirror to ask.
    #[error("the list of mirrors is empty")]
    NoMirrors,
    /// Threads could not be started.
    #[error("cannot start the network threads: {0}")]
    Runtime(#[source] std::io::Error),
    /// The TLS library refuses the options.
    #[error("cannot set up the client: {0}")]
    Client(String),
}

/// A transfer that failed, with the last URL asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch `{url}`: {fault} (attempt {attempts})")]
pub struct FetchError {
    /// The URL that failed, redirects followed, without user and password.
    pub url: String,
    /// How many attempts were made, on all mirrors together.
    pub attempts: u32,
    /// What happened on the last of them that says more than "not found".
    pub fault: FetchFault,
}

impl FetchError {
    /// Whether every mirror answered that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self.fault, FetchFault::NotFound { .. })
    }

    /// Whether the transfer was cancelled with its batch.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.fault, FetchFault::Cancelled)
    }
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// 403, 404 or 410: object stores answer 403 for what they lack.
    #[error("not found, status {status}")]
    NotFound {
        /// The status.
        status: u16,
    },
    /// Any other status that brings no body.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The body is longer than the request allows.
    #[error("the body exceeded maximum size of {cap_bytes} bytes{}", announced_text(*.announced_bytes))]
    TooLarge {
        /// The limit.
        cap_bytes: u64,
        /// The length in the head, `None` where the body simply went on.
        announced_bytes: Option<u64>,
    },
    /// Nothing came, or too little, for too long.
    #[error("stalled: {received_bytes} bytes in the last {} seconds", idle.as_secs_f32())]
    Stalled {
        /// The time.
        idle: Duration,
        /// What came in it.
        received_bytes: u64,
    },
    /// The connection ended inside the body.
    #[error("the body ended after {received_bytes} of {expected_bytes} bytes")]
    Short {
        /// The length of the whole body.
        expected_bytes: u64,
        /// What came, earlier parts included.
        received_bytes: u64,
    },
    /// A partial answer does not fit what was asked.
    #[error("asked for the bytes from {expected_start} on, the server answered `{found}`")]
    BadRange {
        /// The first byte asked for.
        expected_start: u64,
        /// `Content-Range` of the answer, or what stood in its place.
        found: String,
    },
    /// The answer contradicts itself or the protocol.
    #[error("the server's answer makes no sense: {0}")]
    Protocol(String),
    /// More redirects in a row than are followed.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// How many are followed.
        limit: u32,
    },
    /// A redirect leads nowhere that can be followed.
    #[error("redirected to `{location}`, which is not an http or https URL")]
    BadRedirect {
        /// `Location`, empty where it is missing.
        location: String,
    },
    /// The server's certificate is not trusted, or it does not accept ours.
    #[error("TLS: {0}")]
    Certificate(String),
    /// The connection could not be made or broke.
    #[error("{0}")]
    Transport(String),
    /// The sink found the bytes to be wrong, on every mirror that was tried.
    #[error("{0}")]
    Wrong(BoxError),
    /// The sink cannot go on.
    #[error("{0}")]
    Sink(BoxError),
    /// The path cannot be a part of a URL.
    #[error("`{0}` is not a relative path")]
    BadPath(String),
    /// The batch was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A blocking call was made on one of the fetcher's own threads.
    #[error("a blocking fetch was called from a sink or a completion")]
    Reentrant,
}

fn announced_text(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!(", {bytes} bytes announced"))
}
