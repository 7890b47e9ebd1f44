//! Summaries that were fetched before, each with what proves that it is still the server's.
//!
//! ```text
//! tmp/cache/summaries/ | CACHE_DIR/summaries/      as libostree has them, which uses the same entries
//!     NAME, NAME.sig      the remote's summary and its signature; the time of change is the server's Last-Modified
//!         user.etag                   the server's ETag
//!         user.ostler.url             where it came from
//!         user.ostler.last-modified   the date again, if it is old enough to prove something
//! ```

use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_fs::{Dir, FsError, LinkPolicy, TempFile, Timestamp, file, xattr};
use ostler_http::{Conditional, Document};

use super::options::{NetworkOptions, SummaryCache};
use crate::error::StoreError;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::summary::MAX_SUMMARY_SIZE;

/// Where the entries are in a repository.
const IN_REPO: &str = "tmp/cache/summaries";
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

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `summary`.
    Summary,
    /// `summary.sig`.
    Signature,
}

impl Part {
    /// Its name on the server.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Signature => "summary.sig",
        }
    }
}

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
            SummaryCache::InRepo => repo.dir().create_dir_all(IN_REPO, 0o775).ok(),
            SummaryCache::In(path) => open_ambient(path).ok(),
        };
        Self {
            dir,
            name: remote.name.clone(),
        }
    }

    /// What `url` gave, with what to ask for a change by, if anything. The bytes alone prove nothing of what the server has now.
    pub(crate) fn load(&self, part: Part, url: &str) -> Option<Kept> {
        let dir = self.dir.as_ref()?;
        // One open file: another pull may replace the entry meanwhile.
        let (mut file, _) = dir.open_regular_optional(self.entry(part)).ok()??;
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
            last_modified: seconds
                .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
        };
        let mut bytes = Vec::new();
        let capped = (&mut file).take(MAX_SUMMARY_SIZE).read_to_end(&mut bytes);
        capped.ok().map(|_| Kept { bytes, condition })
    }

    /// Keeps a file. What cannot be kept is fetched again, so that a failure does not matter.
    pub(crate) fn save(&self, part: Part, url: &str, document: &Document) {
        if let Some(dir) = &self.dir {
            let _ = self.try_save(dir, part, url, document);
        }
    }

    /// Drops what is kept: the server has no such file any more.
    pub(crate) fn forget(&self, part: Part) {
        if let Some(dir) = &self.dir {
            let _ = dir.unlink_optional(self.entry(part));
        }
    }

    fn entry(&self, part: Part) -> String {
        match part {
            Part::Summary => self.name.clone(),
            Part::Signature => format!("{}.sig", self.name),
        }
    }

    fn try_save(
        &self,
        dir: &Dir,
        part: Part,
        url: &str,
        document: &Document,
    ) -> Result<(), FsError> {
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
        // libostree takes the date from here.
        if let Some(modified) = document.last_modified.and_then(timestamp) {
            file::set_times(&temp, modified)?;
        }
        // With its attributes at once: a tag must never be seen on another summary.
        temp.link_into(dir, self.entry(part), LinkPolicy::Replace)?;
        Ok(())
    }
}

impl Kept {
    /// Whether saving `document` would change nothing.
    pub(crate) fn is(&self, document: &Document) -> bool {
        let settled = settled_seconds(document.last_modified);
        let modified = settled.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        self.bytes == document.bytes
            && self.condition.etag == document.etag
            && self.condition.last_modified == modified
    }
}

/// Drops the summaries of remotes that are not configured any more.
pub(crate) fn forget_strangers(repo: &Repo) -> Result<(), StoreError> {
    let Some(dir) = repo.open_dir_optional(IN_REPO)? else {
        return Ok(());
    };
    // Where it cannot be told whose they are, they stay.
    let Ok(remotes) = repo.remotes(repo.remotes_dir(None).as_deref()) else {
        return Ok(());
    };
    for entry in dir.entries()?.iter() {
        let Some(name) = entry.str_name() else {
            continue;
        };
        let owner = name.strip_suffix(".sig").unwrap_or(name);
        let is_known = |known: &str| remotes.iter().any(|remote| remote.name == known);
        if !is_known(name) && !is_known(owner) {
            dir.unlink_optional(name)?;
        }
    }
    Ok(())
}

fn settled_seconds(last_modified: Option<SystemTime>) -> Option<u64> {
    let modified = last_modified?;
    let age = SystemTime::now().duration_since(modified).ok()?;
    (age >= SETTLED)
        .then(|| modified.duration_since(UNIX_EPOCH).ok())
        .flatten()
        .map(|since| since.as_secs())
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp {
        seconds: i64::try_from(since.as_secs()).ok()?,
        nanoseconds: 0,
    })
}

fn open_ambient(path: &std::path::Path) -> Result<Dir, FsError> {
    let path = path.join("summaries");
    std::fs::create_dir_all(&path)
        .map_err(|error| FsError::new("make directory", path.clone(), error))?;
    Dir::open_ambient(path)
}
