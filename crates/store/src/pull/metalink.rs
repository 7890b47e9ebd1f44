//! Remotes that are configured by a metalink: it says where the summary is, and which one.

use ostler_format::{Metalink, MetalinkMismatch};
use ostler_http::{Conditional, Fetched, Fetcher, Mirrors, Url};

use super::error::PullError;
use super::origin::check_scheme;
use super::summary_cache::{Part, SummaryStore};
use crate::summary::MAX_SUMMARY_SIZE;

/// The file that a metalink of a repository is of.
const SUMMARY: &str = "summary";

/// Where a metalink leads.
pub(crate) struct Found {
    /// The repository, where the summary came from first.
    pub(crate) mirrors: Mirrors,
    /// The summary that the metalink means.
    pub(crate) summary: Vec<u8>,
}

/// Fetches the metalink at `url`, and the summary from the first of its URLs that has the right one.
pub(crate) fn resolve(
    fetcher: &Fetcher,
    url: &str,
    store: &SummaryStore,
) -> Result<Found, PullError> {
    let link = fetch_metalink(fetcher, url)?;
    let kept = store
        .load(Part::Summary, url)
        .filter(|kept| link.check(&kept.bytes).is_ok());
    if let Some(kept) = kept {
        return Ok(Found {
            mirrors: repositories(&link.urls, 0)?,
            summary: kept.bytes,
        });
    }
    let mut last = None;
    for (index, source) in link.urls.iter().enumerate() {
        match fetch_summary(fetcher, source, &link) {
            Ok(document) => {
                store.save(Part::Summary, url, &document);
                return Ok(Found {
                    mirrors: repositories(&link.urls, index)?,
                    summary: document.bytes,
                });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("a metalink has a URL"))
}

fn fetch_metalink(fetcher: &Fetcher, url: &str) -> Result<Metalink, PullError> {
    check_scheme(url)?;
    let source = Mirrors::parse([url])?;
    let cap = Metalink::MAX_BYTES as u64;
    let fetched = fetcher.fetch_bytes(&source, "", cap, &Conditional::default())?;
    let Fetched::Body(document) = fetched else {
        return Err(PullError::MetalinkMissing {
            url: url.to_owned(),
        });
    };
    Metalink::parse(&document.bytes, SUMMARY).map_err(|source| PullError::Metalink {
        url: url.to_owned(),
        source,
    })
}

fn fetch_summary(
    fetcher: &Fetcher,
    url: &str,
    link: &Metalink,
) -> Result<ostler_http::Document, PullError> {
    let source = Mirrors::parse([url])?;
    let cap = link.size.min(MAX_SUMMARY_SIZE);
    let document = match fetcher.fetch_bytes(&source, "", cap, &Conditional::default())? {
        Fetched::Body(document) => document,
        Fetched::NotFound { status } => {
            return Err(PullError::MetalinkSummaryMissing {
                url: url.to_owned(),
                status,
            });
        }
        Fetched::NotModified => unreachable!("no condition was sent"),
    };
    link.check(&document.bytes)
        .map_err(|source: MetalinkMismatch| PullError::MetalinkMismatch {
            url: url.to_owned(),
            source,
        })?;
    Ok(document)
}

/// The repositories that the URLs are of: that of the URL `first`, then those of others which name a summary.
fn repositories(urls: &[String], first: usize) -> Result<Mirrors, PullError> {
    let mut bases: Vec<Url> = Vec::new();
    let others = urls.iter().enumerate().filter(|(index, _)| *index != first);
    let candidates = std::iter::once((first, &urls[first])).chain(others);
    for (index, url) in candidates {
        let Ok(url) = Url::parse(url) else { continue };
        let is_summary = url.path().ends_with("/summary");
        let base = (index == first || is_summary)
            .then(|| parent(url))
            .flatten();
        if let Some(base) = base.filter(|base| !bases.contains(base)) {
            bases.push(base);
        }
    }
    let mirrors = Mirrors::new(bases)?;
    // Those before it have been asked, and had another summary or none: they are behind.
    for url in urls.iter().take(first) {
        if let Some(base) = Url::parse(url).ok().and_then(parent) {
            mirrors.leave_out(&base);
        }
    }
    Ok(mirrors)
}

/// The URL without its last segment.
fn parent(mut url: Url) -> Option<Url> {
    url.path_segments_mut().ok()?.pop();
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_where_its_summary_is() {
        let urls = [
            "http://a/repo/summary.bad",
            "https://b/x/summary",
            "http://c/repo/summary?token=1",
            "http://a/repo/summary",
            "ftp:nothing",
        ];
        let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
        let found = |first| -> Vec<String> {
            let mirrors = repositories(&urls, first).unwrap();
            mirrors.urls().map(ToString::to_string).collect()
        };
        assert_eq!(
            found(1),
            ["https://b/x", "http://c/repo?token=1", "http://a/repo"]
        );
        assert_eq!(
            found(0),
            ["http://a/repo", "https://b/x", "http://c/repo?token=1"]
        );
    }
}
