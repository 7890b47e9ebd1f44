//! A list of base URLs that hold the same tree, and what was learnt of them.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use reqwest::{Url, Version};

use crate::client::error::{FetchFault, SetupError};
use crate::client::lanes::Lanes;
use crate::client::options::Limits;
use crate::client::share::{self, InFlight, LeftOut, Share};

/// Base URLs in the order of preference, at least one.
///
/// Clones share what transfers learn: the mirror that works, whether it speaks HTTP/2, and where it redirects to.
#[derive(Clone, Debug)]
pub struct Mirrors(Arc<Set>);

#[derive(Debug)]
struct Set {
    mirrors: Box<[Mirror]>,
    preferred: AtomicUsize,
    protocol: AtomicU8,
    lanes: Lanes,
    /// Why mirrors were left out, as far as nobody has asked yet.
    news: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Mirror {
    base: Url,
    moved_to: RwLock<Option<Url>>,
    share: Share,
}

const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

impl Mirrors {
    /// Checks that each URL is one that can be dialled.
    ///
    /// # Errors
    /// [`SetupError::NoMirrors`], or [`SetupError::Url`] for a URL that is not `http` or `https` or has no host.
    pub fn new(urls: impl IntoIterator<Item = Url>) -> Result<Self, SetupError> {
        let mirrors = urls
            .into_iter()
            .map(checked)
            .collect::<Result<Box<[_]>, _>>()?;
        if mirrors.is_empty() {
            return Err(SetupError::NoMirrors);
        }
        Ok(Self(Arc::new(Set {
            mirrors,
            preferred: AtomicUsize::new(0),
            protocol: AtomicU8::new(0),
            lanes: Lanes::default(),
            news: Mutex::default(),
        })))
    }

    /// Parses URLs as configuration files write them.
    ///
    /// # Errors
    /// As [`Mirrors::new`].
    pub fn parse<S: AsRef<str>>(urls: impl IntoIterator<Item = S>) -> Result<Self, SetupError> {
        let parsed = urls.into_iter().map(|url| {
            Url::parse(url.as_ref()).map_err(|error| SetupError::Url {
                url: url.as_ref().to_owned(),
                message: error.to_string(),
            })
        });
        Self::new(parsed.collect::<Result<Vec<_>, _>>()?)
    }

    /// The URLs, as they were given.
    pub fn urls(&self) -> impl Iterator<Item = &Url> {
        self.0.mirrors.iter().map(|mirror| &mirror.base)
    }

    /// Tells which mirrors have been left out since the last call, and why: they are asked only when others fail.
    #[must_use]
    pub fn take_news(&self) -> Vec<String> {
        let mut news = self.0.news.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *news)
    }

    /// Has a mirror asked only when others fail; the first one stays.
    pub fn leave_out(&self, base: &Url) {
        let others = self.0.mirrors.iter().skip(1);
        for mirror in others.filter(|mirror| mirror.base == *base) {
            mirror.share.leave_out();
        }
    }

    fn shares(&self) -> Vec<&Share> {
        self.0.mirrors.iter().map(|mirror| &mirror.share).collect()
    }

    /// The mirror for the next request of content that any of them may have.
    pub(crate) fn choose(&self) -> usize {
        match self.len() {
            1 => 0,
            _ => share::choose(&self.shares(), self.preferred()),
        }
    }

    /// How many mirrors are asked at once.
    pub(crate) fn at_once(&self) -> usize {
        match self.len() {
            1 => 1,
            _ => share::at_once(&self.shares()),
        }
    }

    /// Requests that are worth having in flight to one mirror.
    pub(crate) fn lanes(&self, limits: &Limits) -> usize {
        match self.speaks_http2() {
            true => limits.in_flight_http2,
            false => self.0.lanes.count(limits.in_flight, limits.in_flight_most),
        }
    }

    /// Notes how long an answer over HTTP/1.1 took to begin.
    pub(crate) fn answered(&self, took: Duration, limits: &Limits) {
        let limits = (limits.in_flight, limits.in_flight_most);
        self.0.lanes.answered(took, limits);
    }

    /// Notes that a request failed.
    pub(crate) fn faulted(&self) {
        self.0.lanes.faulted();
    }

    /// Counts a request to the mirror.
    pub(crate) fn enter(&self, index: usize) -> InFlight<'_> {
        self.0.mirrors[index].share.enter()
    }

    /// Notes that the mirror brought so many bytes, and that those in `failed` did not.
    pub(crate) fn learn(&self, index: usize, bytes: u64, seconds: f64, failed: &[usize]) {
        if self.len() == 1 {
            return;
        }
        self.0.mirrors[index].share.worked(bytes, seconds);
        for other in failed.iter().filter(|other| **other != index) {
            self.0.mirrors[*other].share.failed();
        }
        for (left_out, why) in share::leave_out(&self.shares()) {
            let url = shown(self.base(left_out));
            let text = match why {
                LeftOut::Faulty => format!("mirror `{url}` is left out: it failed again and again"),
                LeftOut::Slow => {
                    format!("mirror `{url}` is left out: others are many times faster")
                }
            };
            let mut news = self.0.news.lock().unwrap_or_else(PoisonError::into_inner);
            news.push(text);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.mirrors.len()
    }

    pub(crate) fn base(&self, index: usize) -> &Url {
        &self.0.mirrors[index].base
    }

    /// Identifies the shared state, not the URLs.
    pub(crate) fn key(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub(crate) fn preferred(&self) -> usize {
        self.0.preferred.load(Ordering::Relaxed)
    }

    pub(crate) fn prefer(&self, index: usize) {
        if self.preferred() != index {
            self.0.preferred.store(index, Ordering::Relaxed);
        }
    }

    pub(crate) fn speaks_http2(&self) -> bool {
        self.0.protocol.load(Ordering::Relaxed) == HTTP2
    }

    pub(crate) fn saw_version(&self, version: Version) {
        let now = if version == Version::HTTP_2 {
            HTTP2
        } else {
            HTTP1
        };
        if self.0.protocol.load(Ordering::Relaxed) != now {
            self.0.protocol.store(now, Ordering::Relaxed);
        }
    }

    /// Where this mirror's redirects lead, if they keep the path.
    pub(crate) fn moved_to(&self, index: usize) -> Option<Url> {
        let moved = &self.0.mirrors[index].moved_to;
        moved.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers that `base(index)` redirected `path` to `landed`, if that URL is another base with the same path.
    pub(crate) fn learn_redirect(&self, index: usize, path: &str, landed: &Url) {
        let found = redirected_base(self.base(index), path, landed);
        let mut moved = self.0.mirrors[index]
            .moved_to
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *moved = found;
    }

    pub(crate) fn forget_redirect(&self, index: usize) {
        let mut moved = self.0.mirrors[index]
            .moved_to
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *moved = None;
    }
}

fn checked(base: Url) -> Result<Mirror, SetupError> {
    if let Some(message) = dialling_obstacle(&base) {
        return Err(SetupError::Url {
            url: shown(&base),
            message: message.to_owned(),
        });
    }
    Ok(Mirror {
        base,
        moved_to: RwLock::new(None),
        share: Share::default(),
    })
}

/// Why this client cannot ask `url`.
pub(crate) fn dialling_obstacle(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some("the scheme is another one");
    }
    let no_host = url.host_str().is_none_or(str::is_empty);
    no_host.then_some("it has no host")
}

/// Appends `path` to the path of `base`; a query of `base` stays behind it.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, FetchFault> {
    let mut url = base.clone();
    if path.is_empty() {
        return Ok(url);
    }
    let plain = path
        .split('/')
        .all(|segment| !matches!(segment, "" | "." | ".."));
    let bad_path = || FetchFault::BadPath(path.to_owned());
    if !plain || path.contains('\0') {
        return Err(bad_path());
    }
    url.path_segments_mut()
        .map_err(|()| bad_path())?
        .pop_if_empty()
        .extend(path.split('/'));
    Ok(url)
}

fn redirected_base(base: &Url, path: &str, landed: &Url) -> Option<Url> {
    if path.is_empty() || landed.query() != base.query() {
        return None;
    }
    let mut guess = landed.clone();
    let segments = path.split('/').count();
    {
        let mut parts = guess.path_segments_mut().ok()?;
        for _ in 0..segments {
            parts.pop();
        }
    }
    guess.set_fragment(None);
    let same = join(&guess, path).ok()?.path() == landed.path();
    same.then_some(guess)
}

/// A URL as it may be shown: without user and password.
pub(crate) fn shown(url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().to_owned();
    }
    let mut url = url.clone();
    // Both fail only for URLs without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_path_is_appended_whatever_the_base_ends_with() {
        for (base, path, expected) in [
            ("http://h", "summary", "http://h/summary"),
            ("http://h/repo", "a/b", "http://h/repo/a/b"),
            ("http://h/repo/", "a/b", "http://h/repo/a/b"),
            ("http://h/r?t=1", "a", "http://h/r/a?t=1"),
            ("http://h/list?x", "", "http://h/list?x"),
            ("http://h/r", "a%2f b?c#d", "http://h/r/a%252f%20b%3Fc%23d"),
        ] {
            assert_eq!(join(&url(base), path).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_path_that_climbs_or_is_absolute_is_refused() {
        for path in ["/a", "a//b", "../a", "a/./b", "a/", "a\0"] {
            assert!(join(&url("http://h/r"), path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_redirect_is_learnt_only_if_it_keeps_the_path() {
        let base = url("http://h/repo");
        let learnt = |landed: &str| {
            redirected_base(&base, "objects/aa/b.filez", &url(landed)).map(String::from)
        };
        assert_eq!(
            learnt("https://cdn/x/objects/aa/b.filez").as_deref(),
            Some("https://cdn/x")
        );
        assert_eq!(learnt("https://cdn/x/objects/aa/b.filez?sig=1"), None);
        assert_eq!(learnt("https://cdn/blob/1234"), None);
        assert_eq!(learnt("https://cdn/"), None);
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(shown(&url("http://u:p@h/r")), "http://h/r");
        let error = Mirrors::parse(["ftp://u:p@h/r"]).unwrap_err();
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
}
