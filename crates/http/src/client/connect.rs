//! The connection pools: plain HTTP, TLS with HTTP/2 offered, and TLS with HTTP/1.1 alone for large bodies.
//!
//! The TLS pools are made when the first `https` URL is met: reading the system's roots takes milliseconds, and a machine without roots can
//! still fetch over plain HTTP.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::cookie::Jar;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, Url};

use crate::client::cookies::parse_cookies;
use crate::client::error::{FetchFault, SetupError};
use crate::client::mirrors::shown;
use crate::client::options::{ClientIdentity, FetcherOptions, Http2, ProxyChoice};
use crate::client::pace;

/// A body that is expected to be this long is fetched over a connection of its own: flow control halves what HTTP/2 moves.
const LARGE_BYTES: u64 = 8 << 20;

/// Whether a body of about `size_hint` bytes is kept off the connection that others share.
pub(crate) fn is_large(size_hint: u64) -> bool {
    size_hint >= LARGE_BYTES
}

const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The pools of one fetcher.
pub(crate) struct Clients {
    recipe: Recipe,
    plain: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
    tls_http1: OnceLock<Result<Client, String>>,
}

struct Recipe {
    roots: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    permissive: bool,
    proxy: Option<Proxy>,
    proxy_needs_tls: bool,
    direct: bool,
    cookies: Option<Arc<Jar>>,
    http2: Http2,
    idle_connections: usize,
    stream_window: u32,
    connection_window: u32,
    connect_timeout: Duration,
    user_agent: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pool {
    Plain,
    Tls,
    TlsHttp1,
}

impl Clients {
    /// Reads all files that the options name.
    pub(crate) fn new(options: &FetcherOptions) -> Result<Self, SetupError> {
        // reqwest panics without a provider; whoever has set another one is welcome to it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = match &options.proxy {
            ProxyChoice::Url(url) => Some(parse_proxy(url)?),
            ProxyChoice::Environment | ProxyChoice::Direct => None,
        };
        let limits = &options.limits;
        let recipe = Recipe {
            roots: options.tls.ca_file.as_deref().map(read_roots).transpose()?,
            identity: options
                .tls
                .identity
                .as_ref()
                .map(read_identity)
                .transpose()?,
            permissive: options.tls.permissive,
            proxy,
            proxy_needs_tls: proxy_needs_tls(&options.proxy),
            direct: options.proxy == ProxyChoice::Direct,
            cookies: options.cookies.as_deref().map(read_jar).transpose()?,
            http2: options.http2,
            idle_connections: limits.in_flight_most.max(limits.in_flight).max(1),
            stream_window: pace::window(limits.bytes_per_second, STREAM_WINDOW),
            connection_window: pace::window(limits.bytes_per_second, CONNECTION_WINDOW),
            connect_timeout: limits.idle_timeout,
            user_agent: match &options.user_agent {
                Some(name) => name.clone(),
                None => concat!("ostler/", env!("CARGO_PKG_VERSION")).to_owned(),
            },
        };
        let clients = Self {
            recipe,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
            tls_http1: OnceLock::new(),
        };
        // Options that no client accepts are refused here; roots alone can fail later.
        clients
            .recipe
            .build(Pool::Plain)
            .map(|client| clients.plain.set(Ok(client)))
            .map_err(|error| SetupError::Client(error_chain(&error)))?
            .expect("the cell was made above");
        Ok(clients)
    }

    /// The pool for a URL and a body of about `size_hint` bytes.
    pub(crate) fn pool(&self, url: &Url, size_hint: u64) -> Result<&Client, FetchFault> {
        let (cell, pool) = if url.scheme() == "http" && !self.recipe.proxy_needs_tls {
            (&self.plain, Pool::Plain)
        } else if is_large(size_hint) && self.recipe.http2 == Http2::Offered {
            (&self.tls_http1, Pool::TlsHttp1)
        } else {
            (&self.tls, Pool::Tls)
        };
        cell.get_or_init(|| self.recipe.build(pool).map_err(|error| error_chain(&error)))
            .as_ref()
            .map_err(|message| FetchFault::Certificate(message.clone()))
    }
}

impl Recipe {
    fn build(&self, pool: Pool) -> reqwest::Result<Client> {
        let mut builder = ClientBuilder::new()
            .user_agent(&self.user_agent)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(self.idle_connections)
            .http2_initial_stream_window_size(self.stream_window)
            .http2_initial_connection_window_size(self.connection_window);
        if pool == Pool::TlsHttp1 || self.http2 == Http2::Refused {
            builder = builder.http1_only();
        }
        if let Some(jar) = &self.cookies {
            builder = builder.cookie_provider(Arc::clone(jar));
        }
        if self.direct {
            builder = builder.no_proxy();
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        self.trust(builder, pool).build()
    }

    fn trust(&self, builder: ClientBuilder, pool: Pool) -> ClientBuilder {
        let builder = match (&self.roots, pool) {
            // No TLS is spoken on this pool, so the system's roots need not be read.
            (_, Pool::Plain) => return builder.tls_certs_only([]),
            (Some(roots), _) => builder.tls_certs_only(roots.clone()),
            (None, _) => builder,
        };
        let builder = match &self.identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        };
        builder.tls_danger_accept_invalid_certs(self.permissive)
    }
}

fn parse_proxy(text: &str) -> Result<Proxy, SetupError> {
    let refused = |url: String, message: String| SetupError::Proxy { url, message };
    let url = Url::parse(text).map_err(|error| refused(text.to_owned(), error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("`{}` proxies cannot be used", url.scheme());
        return Err(refused(shown(&url), message));
    }
    Proxy::all(url.clone()).map_err(|error| refused(shown(&url), error_chain(&error)))
}

fn proxy_needs_tls(choice: &ProxyChoice) -> bool {
    let is_https = |url: &str| {
        url.get(..8)
            .is_some_and(|s| s.eq_ignore_ascii_case("https://"))
    };
    match choice {
        ProxyChoice::Direct => false,
        ProxyChoice::Url(url) => is_https(url),
        ProxyChoice::Environment => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|url| is_https(&url))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::Read {
        path: path.to_owned(),
        source,
    })
}

fn read_roots(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let refused = |message: String| SetupError::Pem {
        path: path.to_owned(),
        expected: "a list of PEM certificates",
        message,
    };
    let roots =
        Certificate::from_pem_bundle(&read(path)?).map_err(|error| refused(error_chain(&error)))?;
    if roots.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

fn read_identity(files: &ClientIdentity) -> Result<Identity, SetupError> {
    let mut pem = read(&files.certificate)?;
    if files.key != files.certificate {
        pem.push(b'\n');
        pem.extend(read(&files.key)?);
    }
    Identity::from_pem(&pem).map_err(|error| SetupError::Pem {
        path: files.key.clone(),
        expected: "a PEM certificate with its private key",
        message: error_chain(&error),
    })
}

fn read_jar(path: &Path) -> Result<Arc<Jar>, SetupError> {
    let jar = Jar::default();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            let path = path.to_owned();
            return Err(SetupError::Read { path, source });
        }
    };
    let cookies = parse_cookies(&text).map_err(|source| SetupError::Cookies {
        path: path.to_owned(),
        source,
    })?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    for (header, url) in cookies.iter().filter_map(|c| c.as_set_cookie(now)) {
        if let Ok(url) = Url::parse(&url) {
            jar.add_cookie_str(&header, &url);
        }
    }
    Ok(Arc::new(jar))
}

/// An error with its causes in one line, each said once.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
