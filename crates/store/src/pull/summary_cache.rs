//! Summaries that were fetched before, each with what proves that it is still the server's.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_fs::{Dir, FsError, LinkPolicy, TempFile, xattr};
use ostler_http::{Conditional, Document};

use super::options::{NetworkOptions, SummaryCache};
use crate::remote::Remote;
use crate::repo::Repo;
use crate::summary::MAX_SUMMARY_SIZE;

/// Where libostree keeps the entity tag, too.
const ETAG: &str = "user.etag";
/// Seconds since 1970-01-01 UTC, in decimal digits.
const LAST_MODIFIED: &str = "user.ostler.last-modified";
/// The URL that it came from: a tag of another server proves nothing.
const URL: &str = "user.ostler.url";
/// The longest value of these that is read.
const MAX_VALUE: usize = 4096;
/// A date proves nothing while the file may still change within its second, or by a clock that is a little off.
const SETTLED: Duration = Duration::from_secs(60);

/// Where the summary of one remote is kept; nowhere if that cannot be written.
pub(crate) struct SummaryStore {
    dir: Option<Dir>,
    name: String,
}

/// A summary of an earlier pull.
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    pub(crate) condition: Conditional,
}

impl SummaryStore {
    /// Opens the cache for a remote. A cache that cannot be had is an empty one.
    pub(crate) fn for_remote(repo: &Repo, remote: &Remote, network: &NetworkOptions) -> Self {
        let dir = match &network.summary_cache {
            SummaryCache::Off => None,
            SummaryCache::InRepo => repo.dir().create_dir_all("tmp/cache/summaries", 0o775).ok(),
            SummaryCache::In(path) => open_ambient(path).ok(),
        };
        Self {
            dir,
            name: remote.name.clone(),
        }
    }

    /// The summary that `url` gave, if there is something to ask for a change by.
    pub(crate) fn load(&self, url: &str) -> Option<Kept> {
        let dir = self.dir.as_ref()?;
        // One open file: another pull may replace the entry meanwhile.
        let (mut file, _) = dir.open_regular_optional(&self.name).ok()??;
        let value = |attribute| {
            let bytes = xattr::get(&file, attribute, MAX_VALUE).ok()??;
            String::from_utf8(bytes).ok()
        };
        if value(URL)? != url {
            return None;
        }
        let seconds = value(LAST_MODIFIED).and_then(|text| text.parse().ok());
        let condition = Conditional {
            etag: value(ETAG),
            last_modified: seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
        };
        if condition == Conditional::default() {
            return None;
        }
        let mut bytes = Vec::new();
        let capped = (&mut file).take(MAX_SUMMARY_SIZE).read_to_end(&mut bytes);
        capped.ok().map(|_| Kept { bytes, condition })
    }

    /// Keeps a summary. What cannot be kept is fetched again, so that a failure does not matter.
    pub(crate) fn save(&self, url: &str, document: &Document) {
        if let Some(dir) = &self.dir {
            let _ = self.try_save(dir, url, document);
        }
    }

    fn try_save(&self, dir: &Dir, url: &str, document: &Document) -> Result<(), FsError> {
        let mut temp = TempFile::new(dir, 0o644)?;
        temp.write_all(&document.bytes)
            .map_err(|error| FsError::new("write", dir.shown_path(), error))?;
        xattr::set(&temp, URL, url.as_bytes())?;
        if let Some(etag) = &document.etag {
            xattr::set(&temp, ETAG, etag.as_bytes())?;
        }
        if let Some(seconds) = settled_seconds(document.last_modified) {
            xattr::set(&temp, LAST_MODIFIED, seconds.to_string().as_bytes())?;
        }
        // With its attributes at once: a tag must never be seen on another summary.
        temp.link_into(dir, &self.name, LinkPolicy::Replace)?;
        Ok(())
    }
}

fn settled_seconds(last_modified: Option<SystemTime>) -> Option<u64> {
    let modified = last_modified?;
    let age = SystemTime::now().duration_since(modified).ok()?;
    (age >= SETTLED)
        .then(|| modified.duration_since(UNIX_EPOCH).ok())
        .flatten()
        .map(|since| since.as_secs())
}

fn open_ambient(path: &std::path::Path) -> Result<Dir, FsError> {
    let path = path.join("summaries");
    std::fs::create_dir_all(&path)
        .map_err(|error| FsError::new("make directory", path.clone(), error))?;
    Dir::open_ambient(path)
}
