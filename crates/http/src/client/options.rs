//! How a [`Fetcher`](crate::Fetcher) connects, authenticates and gives up.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// Everything a [`Fetcher`](crate::Fetcher) is told once; the default is an anonymous client with the system's roots.
#[derive(Clone, Debug, Default)]
pub struct FetcherOptions {
    /// Whom to trust, and which certificate to show.
    pub tls: TlsOptions,
    /// Through which proxy to go.
    pub proxy: ProxyChoice,
    /// Sent with each request to the origins that the caller names, never to another origin that one of them redirects to.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization`, with the same care as `headers`. User and password inside a URL win over these.
    pub credentials: Option<Credentials>,
    /// The origins that get `credentials`; none means each that a request names. A list of mirrors names origins that
    /// nobody chose to trust with them.
    pub credentials_for: Vec<Url>,
    /// A netrc file, asked for hosts that have neither `credentials` nor a user in the URL.
    pub netrc: Option<PathBuf>,
    /// A cookie file in Netscape's format; a missing file is an empty one. Cookies that servers set live as long as the
    /// fetcher and are never written back.
    pub cookies: Option<PathBuf>,
    /// Whether HTTP/2 may be negotiated over TLS.
    pub http2: Http2,
    /// How much at once, and how slow is too slow.
    pub limits: Limits,
    /// How often to try again.
    pub retry: RetryPolicy,
    /// Replaces the `User-Agent` of `ostler/VERSION`.
    pub user_agent: Option<String>,
    /// Threads that run the network and call the sinks; `None` is one a core, at least two.
    pub worker_threads: Option<usize>,
}

/// Whether HTTP/2 is offered to TLS servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// Offered; the server chooses.
    #[default]
    Offered,
    /// HTTP/1.1 alone.
    Refused,
}

/// Trust and identity for `https`.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM certificates that replace the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The certificate shown to servers that ask for one.
    pub identity: Option<ClientIdentity>,
    /// Accepts any certificate for any name: the transport is then open to whoever sits between.
    pub permissive: bool,
}

/// A client certificate and its key, both PEM; one file may hold both.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Which proxy carries the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` of the environment.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This `http://` or `https://` URL for every request; user and password in it are sent to the proxy.
    Url(String),
}

/// What is sent as `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password.
    Basic {
        /// The user, without a colon.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic { user, .. } => write!(f, "Basic({user:?}, ..)"),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

/// How much runs at once, and when a silent server is given up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests in flight for one mirror over HTTP/1.1 to begin with; each has its own connection.
    pub in_flight: usize,
    /// As many at most where answers take long to begin, and do not begin later because of it.
    pub in_flight_most: usize,
    /// Requests in flight for one set of mirrors that answers in HTTP/2.
    pub in_flight_http2: usize,
    /// A connection that brings nothing for this long is given up, as is one that stays below `floor_bytes_per_second`
    /// on average over it. Counted while the network is waited for, not while a sink works.
    pub idle_timeout: Duration,
    /// The slowest average that is not a stall; 0 turns the average off, silence is still one.
    pub floor_bytes_per_second: u64,
    /// The most bytes of bodies in a second, over all connections together; `None` for no limit. With a low one fewer
    /// requests are in flight.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 8,
            in_flight_most: 32,
            in_flight_http2: 128,
            idle_timeout: Duration::from_secs(30),
            floor_bytes_per_second: 1000,
            bytes_per_second: None,
        }
    }
}

/// How a failed attempt is followed by another.
///
/// Refused or cut connections, short bodies, stalls and the statuses 408, 429 and 5xx are tried again; any other status is final
/// for the mirror that gave it. A wait doubles from `backoff` to `backoff_cap` (up to a half is taken off at random), and a
/// `Retry-After` stretches it to at most `retry_after_cap`. Each MiB received gives back all retries.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// The first wait.
    pub backoff: Duration,
    /// The longest wait of our own choice.
    pub backoff_cap: Duration,
    /// The longest wait that a server can ask for.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            backoff: Duration::from_millis(200),
            backoff_cap: Duration::from_secs(5),
            retry_after_cap: Duration::from_secs(30),
        }
    }
}
