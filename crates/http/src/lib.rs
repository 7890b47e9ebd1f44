//! The HTTP client and the static file server: the only crate that dials out.
//!
//! ```text
//! client/  Fetcher      TLS, proxy, credentials, cookies; one hidden runtime, shared by its clones
//!            fetch_bytes  one small document by name (summary, config, refs), with conditional requests
//!            batch        many objects: priorities, bounded in flight, bodies streamed into a `Sink`
//!          a transfer is retried, resumed by range, moved to the next mirror; it is never accepted short
//! server/  serve        static HTTP/1.1 over a `Source` that opens files beneath a directory handle
//! probe    whether a service answers, once
//! range, date           the two header grammars that both sides share; pure
//! ```
//!
//! Calls block; no asynchronous type is public. Nothing here knows what an object is: bodies are opaque, checksums are the
//! caller's, and `file://` is not HTTP.

#![forbid(unsafe_code)]

mod client;
mod date;
pub mod probe;
mod range;
mod server;

pub use client::batch::Batch;
pub use client::cookies::{Cookie, CookieError, parse_cookies, render_cookies};
pub use client::error::{FetchError, FetchFault, SetupError};
pub use client::fetcher::{Counters, Fetcher};
pub use client::mirrors::Mirrors;
pub use client::options::{
    ClientIdentity, Credentials, FetcherOptions, Http2, Limits, ProxyChoice, RetryPolicy,
    TlsOptions,
};
pub use client::request::{
    BodyStart, BoxError, Conditional, Document, Fetched, Naming, Part, Priority, Request, Resume,
    Sink, SinkFault, Transferred, Validator,
};
pub use reqwest::Url;
pub use server::{
    Access, AccessLog, Opened, ServeError, ServeOptions, ServerHandle, Source, Stopped, serve,
};
