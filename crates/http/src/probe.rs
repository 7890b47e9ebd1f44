//! Whether a service answers: one look, without a retry.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::{
    Conditional, Fetched, Fetcher, FetcherOptions, Limits, Mirrors, ProxyChoice, RetryPolicy,
};

/// The most that is read of an answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Says whether `HOST:PORT` takes a connection within `limit`.
///
/// # Errors
/// Why not, in words.
pub fn connects(address: &str, limit: Duration) -> Result<(), String> {
    let found = address.to_socket_addrs();
    let mut last = "no address has that name".to_owned();
    for address in found.map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// Says whether `url` is answered with 200, and a text that holds `contains`; a server that is silent for `limit` does not answer.
///
/// # Errors
/// Why not, in words.
pub fn answers(url: &str, contains: Option<&str>, limit: Duration) -> Result<(), String> {
    let options = FetcherOptions {
        // What is asked is whether this host's own service works.
        proxy: ProxyChoice::Direct,
        limits: Limits {
            idle_timeout: limit,
            ..Limits::default()
        },
        retry: RetryPolicy {
            retries: 0,
            ..RetryPolicy::default()
        },
        worker_threads: Some(1),
        ..FetcherOptions::default()
    };
    let fetcher = Fetcher::new(&options).map_err(|error| error.to_string())?;
    let mirrors = Mirrors::parse([url]).map_err(|error| error.to_string())?;
    let fetched = fetcher.fetch_bytes(&mirrors, "", MAX_ANSWER_BYTES, &Conditional::default());
    match fetched.map_err(|error| error.to_string())? {
        Fetched::Body(document) => {
            let text = String::from_utf8_lossy(&document.bytes);
            match contains.filter(|wanted| !text.contains(wanted)) {
                None => Ok(()),
                Some(wanted) => Err(format!("the answer does not contain `{wanted}`")),
            }
        }
        Fetched::NotModified => Err("it answers 304".to_owned()),
        Fetched::NotFound { status } => Err(format!("it answers {status}")),
    }
}
