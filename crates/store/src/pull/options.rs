//! What a pull is asked for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ostler_format::{Checksum, CollectionId, CommitId, RefName};

use crate::error::StoreError;
use crate::object::Trust;
use crate::reachable::Depth;
use crate::repo::Repo;

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullTarget {
    /// The commit that a ref of the remote points to.
    Ref(RefName),
    /// A ref of the remote, which becomes this commit here, wherever it points there.
    RefAt(RefName, CommitId),
    /// A commit; no ref is written.
    Commit(CommitId),
}

impl FromStr for PullTarget {
    type Err = StoreError;

    /// Parses `REF`, `REF@COMMIT` or `COMMIT`.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Ok(checksum) = Checksum::from_hex(text) {
            return Ok(Self::Commit(CommitId::new(checksum)));
        }
        Ok(match text.split_once('@') {
            None => Self::Ref(RefName::new(text)?),
            Some((name, commit)) => {
                let name = RefName::new(name)?;
                let checksum =
                    Checksum::from_hex(commit).map_err(|_| StoreError::RefMalformed {
                        name: text.to_owned(),
                    })?;
                Self::RefAt(name, CommitId::new(checksum))
            }
        })
    }
}

/// Which commits an upgrade may come after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampCheck {
    /// Any.
    #[default]
    Off,
    /// None that is older than what the local ref points to.
    AgainstRef,
    /// None that is older than this commit.
    Against(CommitId),
}

/// Whether static deltas are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeltaUse {
    /// Where there are some that lead from what is here.
    #[default]
    WherePossible,
    /// They must be.
    Required,
    /// They are not looked for.
    Never,
}

/// Whether summaries are kept to be asked for again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SummaryCache {
    /// In the repository's `tmp/cache/summaries`, if it can be written.
    #[default]
    InRepo,
    /// In this directory.
    In(PathBuf),
    /// Nowhere.
    Off,
}

/// How the network is used.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// Asked in place of the remote's `url` and `contenturl`.
    pub url: Option<String>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// In place of the default `User-Agent`.
    pub user_agent: Option<String>,
    /// Attempts after the first one.
    pub retries: u32,
    /// How long a server may be silent, or nearly so, before it is given up.
    pub idle_timeout: Duration,
    /// Bytes in a second, on average over `idle_timeout`, below which a server counts as nearly silent; 0 for none.
    pub floor_bytes_per_second: u64,
    /// The most bytes of bodies in a second; 0 for no limit, `None` follows the remote's `limit-rate`, else the repository's.
    pub limit_rate: Option<u64>,
    /// Requests that are under way at once, whatever the protocol; `None` is 8 over HTTP/1.1 and 128 over HTTP/2.
    pub max_requests: Option<NonZeroUsize>,
    /// A netrc file, which has users and passwords by host.
    pub netrc: Option<PathBuf>,
    /// Where summaries are kept.
    pub summary_cache: SummaryCache,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            url: None,
            headers: Vec::new(),
            user_agent: None,
            retries: 5,
            idle_timeout: Duration::from_secs(30),
            floor_bytes_per_second: 1000,
            limit_rate: None,
            max_requests: None,
            netrc: None,
            summary_cache: SummaryCache::InRepo,
        }
    }
}

/// How a pull is done.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// What to fetch; if empty, the remote's `branches`, or all refs of a mirrored or a local repository.
    pub targets: Vec<PullTarget>,
    /// Whether refs are written as the remote has them, not below the remote's name.
    pub mirror: bool,
    /// The collection that the refs are asked for in, where that is not the remote's or the repository's own: mirrors write
    /// them below it, and commits must be bound to it.
    pub collection: Option<CollectionId>,
    /// How many parents of each commit are fetched, too.
    pub depth: Depth,
    /// Whether commits are fetched without their trees.
    pub commit_only: bool,
    /// Absolute paths in the tree; if any is given, nothing else of the tree is fetched, and commits stay partial.
    pub subpaths: Vec<String>,
    /// Whether repositories on this machine are taken at their word. What comes over the network never is.
    pub trust: Trust,
    /// Whether static deltas are used.
    pub deltas: DeltaUse,
    /// Whether nothing is fetched but what says how much would come: listings and superblocks.
    pub dry_run: bool,
    /// Whether objects are fetched from the remote's packs where it has some.
    pub packs: bool,
    /// Whether a mirror takes compressed content as it comes, unverified.
    pub http_trusted: bool,
    /// Whether regular files with mode bits beyond 0775 are refused.
    pub bare_user_only_files: bool,
    /// Which commits are refused as older.
    pub timestamp_check: TimestampCheck,
    /// Whether a commit must be bound to the ref by which it was asked for.
    pub verify_bindings: bool,
    /// Repositories on this machine in which objects are looked for before they are fetched.
    pub local_caches: Vec<Arc<Repo>>,
    /// Whether anything is synced; `None` follows the repository's config.
    pub fsync: Option<bool>,
    /// Whether each object is synced as it is written; `None` follows the repository's config.
    pub per_object_fsync: Option<bool>,
    /// The network.
    pub network: NetworkOptions,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            mirror: false,
            collection: None,
            depth: Depth::Parents(0),
            commit_only: false,
            subpaths: Vec::new(),
            trust: Trust::Trusted,
            deltas: DeltaUse::WherePossible,
            dry_run: false,
            packs: true,
            http_trusted: false,
            bare_user_only_files: false,
            timestamp_check: TimestampCheck::Off,
            verify_bindings: true,
            local_caches: Vec::new(),
            fsync: None,
            per_object_fsync: None,
            network: NetworkOptions::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_ref_a_commit_or_both() {
        let hex = "ab".repeat(32);
        let id = CommitId::new(Checksum::from_hex(&hex).unwrap());
        let name = RefName::new("os/stable").unwrap();
        assert_eq!(hex.parse::<PullTarget>().unwrap(), PullTarget::Commit(id));
        assert_eq!(
            "os/stable".parse::<PullTarget>().unwrap(),
            PullTarget::Ref(name.clone())
        );
        assert_eq!(
            format!("os/stable@{hex}").parse::<PullTarget>().unwrap(),
            PullTarget::RefAt(name, id)
        );
        for bad in ["", "o:main", "main@", "main@abcd", "../x", "main@main"] {
            assert!(bad.parse::<PullTarget>().is_err(), "{bad}");
        }
    }
}
