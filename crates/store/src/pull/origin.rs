//! A remote that is reached over HTTP: its mirrors, and the small files that say what it has.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ostler_format::{Checksum, CollectionId, CommitId, KeyFile, RefName};
use ostler_fs::Dir;
use ostler_http::{
    ClientIdentity, Conditional, Credentials, Document, Fetched, Fetcher, FetcherOptions, Http2,
    Mirrors, ProxyChoice, TlsOptions, Url,
};

use super::error::PullError;
use super::metalink;
use super::options::NetworkOptions;
use super::summary_cache::SummaryStore;
use crate::config::RepoConfig;
use crate::mode::RepoMode;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::sign::{RemoteVerifier, TrustRoots};

/// The longest list of mirrors that is read.
const MAX_MIRROR_LIST: u64 = 1 << 20;
/// The longest file of a ref that is read, more than any is: an error page is quoted in the message.
const MAX_REF_FILE: u64 = 1 << 20;
/// The longest file of a bearer token that is read.
const MAX_TOKEN_FILE: u64 = 64 << 10;
/// Refs that are asked for at once.
const REFS_AT_ONCE: usize = 8;

/// A remote that answers over HTTP.
pub(crate) struct Origin {
    pub(crate) name: String,
    pub(crate) fetcher: Fetcher,
    /// Where configuration, refs, summary and detached metadata are.
    pub(crate) metadata: Mirrors,
    /// Where objects are.
    pub(crate) content: Mirrors,
    /// Summaries of earlier pulls.
    pub(super) store: SummaryStore,
    /// The summary that a metalink led to.
    pub(super) metalinked: Option<Vec<u8>>,
    /// Holds commits and the summary to what the remote's configuration asks for.
    pub(crate) verifier: RemoteVerifier,
}

/// What the remote's own `config` says.
#[derive(Clone, Debug)]
pub(crate) struct OriginConfig {
    /// Whether deleted commits leave tombstones.
    pub(crate) tombstone_commits: bool,
    /// Whether each commit's deltas are listed in a file of their own.
    pub(crate) indexed_deltas: bool,
    /// Whether it has packs.
    pub(crate) packs: bool,
    /// Whether some content is in packs alone.
    pub(crate) packed_content: bool,
    /// Whether it has native deltas.
    pub(crate) native_deltas: bool,
    /// The collection that its refs belong to.
    pub(crate) collection_id: Option<CollectionId>,
}

impl Origin {
    /// Prepares the network for `remote`; dials only for a list of mirrors or a metalink.
    pub(crate) fn open(
        repo: &Repo,
        remote: &Remote,
        network: &NetworkOptions,
    ) -> Result<Self, PullError> {
        let fetcher = Fetcher::new(&fetcher_options(repo, remote, network)?)?;
        let store = SummaryStore::for_remote(repo, remote, network);
        let (metadata, metalinked) = match (&network.url, &remote.metalink) {
            (Some(url), _) => (mirrors(&fetcher, url)?, None),
            (None, Some(url)) => {
                let found = metalink::resolve(&fetcher, url, &store)?;
                (found.mirrors, Some(found.summary))
            }
            (None, None) => (mirrors(&fetcher, remote.require_url()?)?, None),
        };
        let content = match &remote.content_url {
            Some(url) if network.url.is_none() => {
                if url.starts_with("file:") {
                    return Err(PullError::MixedUrls {
                        remote: remote.name.clone(),
                    });
                }
                mirrors(&fetcher, url)?
            }
            // The same value, so that what is learnt of a mirror holds for both.
            _ => metadata.clone(),
        };
        Ok(Self {
            name: remote.name.clone(),
            fetcher,
            metadata,
            content,
            store,
            metalinked,
            verifier: RemoteVerifier::for_remote(repo, remote, &TrustRoots::of_host())?,
        })
    }

    /// Fetches and checks the remote's `config`.
    pub(crate) fn config(&self) -> Result<OriginConfig, PullError> {
        let cap = KeyFile::MAX_BYTES as u64;
        let document = self.require("config", cap)?;
        let parsed = KeyFile::parse(&document.bytes)
            .map_err(crate::config::ConfigError::from)
            .and_then(RepoConfig::from_key_file);
        let config = parsed.map_err(|source| PullError::RemoteConfig {
            url: document.url.clone(),
            source,
        })?;
        if config.mode != RepoMode::Archive {
            return Err(PullError::RemoteMode {
                url: document.url,
                mode: config.mode.to_string(),
            });
        }
        Ok(OriginConfig {
            tombstone_commits: config.tombstone_commits,
            indexed_deltas: config.indexed_deltas,
            packs: config.packs,
            packed_content: config.packed_content,
            native_deltas: config.native_deltas,
            collection_id: config.collection_id,
        })
    }

    fn require(&self, path: &str, cap_bytes: u64) -> Result<Document, PullError> {
        let unless = Conditional::default();
        let fetched = self
            .fetcher
            .fetch_bytes(&self.metadata, path, cap_bytes, &unless)?;
        match fetched {
            Fetched::Body(document) => Ok(document),
            Fetched::NotFound { status } => Err(PullError::FileMissing {
                remote: self.name.clone(),
                path: path.to_owned(),
                status,
            }),
            Fetched::NotModified => unreachable!("no condition was sent"),
        }
    }

    /// Fetches a file from `mirrors`; `None` if it is not there.
    pub(crate) fn optional(
        &self,
        mirrors: &Mirrors,
        path: &str,
        cap_bytes: u64,
    ) -> Result<Option<Vec<u8>>, PullError> {
        let unless = Conditional::default();
        let fetched = self
            .fetcher
            .fetch_bytes(mirrors, path, cap_bytes, &unless)?;
        match fetched {
            Fetched::Body(document) => Ok(Some(document.bytes)),
            Fetched::NotFound { .. } => Ok(None),
            Fetched::NotModified => unreachable!("no condition was sent"),
        }
    }

    /// Reads the files of refs, several at once; `None` for those that the server lacks.
    pub(crate) fn read_refs(&self, names: &[RefName]) -> Result<Vec<Option<CommitId>>, PullError> {
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut found = Vec::new();
            while let Some(name) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                names.get(index).map(|name| (index, name))
            } {
                found.push((name.0, self.read_ref(name.1)));
            }
            found
        };
        let mut all = thread::scope(|scope| {
            let count = names.len().min(REFS_AT_ONCE);
            let others: Vec<_> = (1..count).map(|_| scope.spawn(worker)).collect();
            let mut all = worker();
            for other in others {
                all.extend(other.join().expect("reading a ref does not panic"));
            }
            all
        });
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, result)| result).collect()
    }

    fn read_ref(&self, name: &RefName) -> Result<Option<CommitId>, PullError> {
        let path = format!("refs/heads/{name}");
        let Some(bytes) = self.optional(&self.metadata, &path, MAX_REF_FILE)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        match Checksum::from_hex(text.trim_end()) {
            Ok(checksum) => Ok(Some(CommitId::new(checksum))),
            Err(_) => Err(PullError::RefMalformed {
                name: name.to_string(),
                found: excerpt(&text),
            }),
        }
    }
}

fn mirrors(fetcher: &Fetcher, url: &str) -> Result<Mirrors, PullError> {
    let Some(list_url) = url.strip_prefix("mirrorlist=") else {
        check_scheme(url)?;
        return Ok(Mirrors::parse([url])?);
    };
    check_scheme(list_url)?;
    let list = Mirrors::parse([list_url])?;
    let fetched = fetcher.fetch_bytes(&list, "", MAX_MIRROR_LIST, &Conditional::default())?;
    let Fetched::Body(document) = fetched else {
        return Err(PullError::MirrorListMissing {
            url: list_url.to_owned(),
        });
    };
    let text = String::from_utf8_lossy(&document.bytes);
    let urls = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("http://") || line.starts_with("https://"));
    Ok(Mirrors::parse(urls)?)
}

/// Refuses a URL that is not one of HTTP.
pub(crate) fn check_scheme(url: &str) -> Result<(), PullError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(PullError::Scheme {
        url: url.to_owned(),
    })
}

fn fetcher_options(
    repo: &Repo,
    remote: &Remote,
    network: &NetworkOptions,
) -> Result<FetcherOptions, PullError> {
    let cookies = crate::remote::cookies::file_name(&remote.name);
    let has_cookies = repo.dir().exists(&cookies)?;
    let certificate = remote.tls_client_cert_path.as_ref();
    let mut options = FetcherOptions {
        tls: TlsOptions {
            ca_file: remote.tls_ca_path.clone(),
            identity: certificate.map(|certificate| ClientIdentity {
                certificate: certificate.clone(),
                key: remote
                    .tls_client_key_path
                    .clone()
                    .unwrap_or_else(|| certificate.clone()),
            }),
            permissive: remote.tls_permissive,
        },
        headers: network.headers.clone(),
        cookies: has_cookies.then(|| repo.path().join(cookies)),
        user_agent: network.user_agent.clone(),
        credentials: bearer_token(remote)?,
        credentials_for: named_origins(remote, network),
        netrc: network.netrc.clone(),
        ..FetcherOptions::default()
    };
    if let Some(proxy) = &remote.proxy {
        options.proxy = ProxyChoice::Url(proxy.clone());
    }
    if !remote.http2 {
        options.http2 = Http2::Refused;
    }
    options.retry.retries = network.retries;
    options.limits.idle_timeout = network.idle_timeout;
    options.limits.floor_bytes_per_second = network.floor_bytes_per_second;
    let rate = network.limit_rate.or(remote.limit_rate);
    let rate = rate.or(repo.config().limit_rate);
    options.limits.bytes_per_second = rate.and_then(NonZeroU64::new);
    if let Some(limit) = network.max_requests {
        options.limits.in_flight = limit.get();
        options.limits.in_flight_most = limit.get();
        options.limits.in_flight_http2 = limit.get();
    }
    Ok(options)
}

/// The URLs that a person gave; what a mirror list or a metalink names is the word of a server.
fn named_origins(remote: &Remote, network: &NetworkOptions) -> Vec<Url> {
    let named = match &network.url {
        Some(url) => vec![url],
        None => [&remote.url, &remote.metalink, &remote.content_url]
            .into_iter()
            .flatten()
            .collect(),
    };
    let urls = named.into_iter();
    urls.filter_map(|url| Url::parse(url.strip_prefix("mirrorlist=").unwrap_or(url)).ok())
        .collect()
}

/// Reads the token that the remote's `bearer-token-path` names.
fn bearer_token(remote: &Remote) -> Result<Option<Credentials>, PullError> {
    let Some(path) = &remote.bearer_token_path else {
        return Ok(None);
    };
    let unreadable = |reason: String| PullError::BearerToken {
        path: path.clone(),
        reason,
    };
    let (parent, name) = (path.parent(), path.file_name());
    let (Some(parent), Some(name)) = (parent, name) else {
        return Err(unreadable("it names no file".into()));
    };
    let bytes = Dir::open_ambient(parent)
        .and_then(|dir| dir.read_optional(name, MAX_TOKEN_FILE))
        .map_err(|error| unreadable(error.to_string()))?
        .ok_or_else(|| unreadable("it is not there".into()))?;
    let token = String::from_utf8(bytes).unwrap_or_default();
    let token = token.trim();
    // RFC 6750, section 2.1.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.is_empty() || !token.chars().all(allowed) {
        return Err(unreadable("it holds no bearer token".into()));
    }
    Ok(Some(Credentials::Bearer(token.to_owned())))
}

/// The beginning of a text, in one line.
fn excerpt(text: &str) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(100).collect()
}
