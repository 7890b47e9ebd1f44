//! Why a pull fails.

use std::path::PathBuf;

use ostler_format::delta::DeltaName;
use ostler_format::{Checksum, CommitId, MetalinkError, MetalinkMismatch, ObjectError, ObjectName};
use ostler_http::{FetchError, SetupError};

use super::check::{BindingFault, OlderCommit};
use crate::delta::DeltaError;
use crate::error::StoreError;
use crate::refs::RefKey;
use crate::remote::RemoteError;
use crate::sign::{CommitRefused, SignError, SummaryRefused};

/// A pull that failed. The refs are as they were; what was fetched is used by the next pull of this boot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// This repository, or another one on this machine, failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The remote's configuration cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The network cannot be used as configured.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Something other than an object could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An object could not be fetched, or what came is not the object.
    #[error("object `{name}`: {source}")]
    FetchObject {
        /// The object.
        name: ObjectName,
        /// What happened, and on which URL.
        source: FetchError,
    },
    /// The keys of the remote cannot be used.
    #[error(transparent)]
    Keys(#[from] SignError),
    /// A test asked to be told that the cache of summaries was of no use.
    #[error("OSTREE_REPO_TEST_ERROR_INVALID_CACHE")]
    InvalidCache,
    /// A commit lacks the signatures that the remote asks for.
    #[error(transparent)]
    CommitRefused(#[from] CommitRefused),
    /// The summary lacks the signatures that the remote asks for.
    #[error(transparent)]
    SummaryRefused(#[from] SummaryRefused),
    /// The remote is not to be used yet, and says why.
    #[error("remote `{remote}` cannot be used yet: {state}")]
    Unconfigured {
        /// The remote.
        remote: String,
        /// Its `unconfigured-state`.
        state: String,
    },
    /// Another program fetches this remote's content.
    #[error("cannot pull: remote '{remote}' uses custom backend '{backend}'")]
    CustomBackend {
        /// The remote.
        remote: String,
        /// The program.
        backend: String,
    },
    /// The remote's bearer token cannot be had.
    #[error("cannot read the bearer token `{}`: {reason}", path.display())]
    BearerToken {
        /// The file that the remote's configuration names.
        path: PathBuf,
        /// What is wrong; never the token.
        reason: String,
    },
    /// There is no metalink where the remote's configuration says.
    #[error("there is no metalink at `{url}`")]
    MetalinkMissing {
        /// Where it should be.
        url: String,
    },
    /// The metalink cannot be read, or says too little.
    #[error("metalink `{url}`: {source}")]
    Metalink {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        source: MetalinkError,
    },
    /// The last of the URLs that a metalink names has no summary.
    #[error("`{url}`, named by the metalink, is not there (status {status})")]
    MetalinkSummaryMissing {
        /// The URL.
        url: String,
        /// The server's answer: 404, 410 or 403.
        status: u16,
    },
    /// The last of the URLs that a metalink names has another summary than the metalink means.
    #[error("`{url}`: {source}")]
    MetalinkMismatch {
        /// The URL.
        url: String,
        /// In what it differs.
        source: MetalinkMismatch,
    },
    /// The URL is of no kind that can be pulled from.
    #[error("Invalid URI scheme in {url}")]
    Scheme {
        /// As it was given.
        url: String,
    },
    /// `url` and `contenturl` are of different kinds.
    #[error("remote `{remote}`: `contenturl` must be an http URL if `url` is one")]
    MixedUrls {
        /// The remote.
        remote: String,
    },
    /// A static delta cannot be used.
    #[error("{0}")]
    Delta(#[from] DeltaError),
    /// Static deltas were asked for where none can be used.
    #[error("Can't use static deltas in an archive repo")]
    DeltasInArchive,
    /// Static deltas were asked for, and none leads to a commit from what is here.
    #[error("Static deltas required, but none found for {to}")]
    NoDelta {
        /// The commit.
        to: CommitId,
    },
    /// A superblock is not the one that is listed.
    #[error("Invalid checksum for static delta {name}: {actual}")]
    DeltaChecksum {
        /// The delta.
        name: DeltaName,
        /// The checksum of what came.
        actual: Checksum,
    },
    /// Nothing was asked for, and nothing is configured.
    #[error("No configured branches for remote {remote}")]
    NoBranches {
        /// The remote.
        remote: String,
    },
    /// All refs were asked for, and the server does not list them.
    #[error("remote `{remote}` has no summary, which lists its refs")]
    NoSummary {
        /// The remote.
        remote: String,
    },
    /// The remote's summary cannot be read.
    #[error("the summary of remote `{remote}`: {source}")]
    Summary {
        /// The remote.
        remote: String,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// The remote's configuration file cannot be read.
    #[error("the `config` that `{url}` serves: {source}")]
    RemoteConfig {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        source: crate::config::ConfigError,
    },
    /// A file that each repository serves is missing.
    #[error("remote `{remote}` serves no `{path}` (status {status})")]
    FileMissing {
        /// The remote.
        remote: String,
        /// The file's path beneath the repository.
        path: String,
        /// The server's answer: 404, 410 or 403.
        status: u16,
    },
    /// There is no list of mirrors.
    #[error("there is no list of mirrors at `{url}`")]
    MirrorListMissing {
        /// Where it should be.
        url: String,
    },
    /// What a server sent is not the object that it was asked for.
    #[error("{source} (from `{url}`)")]
    Corrupted {
        /// The last URL asked.
        url: String,
        /// What is wrong with it.
        source: Box<StoreError>,
    },
    /// The server's repository is of a mode that cannot be read over HTTP.
    #[error("Can't pull from archives with mode \"{mode}\": `{url}` must serve an archive")]
    RemoteMode {
        /// The URL of its `config`.
        url: String,
        /// Its mode.
        mode: String,
    },
    /// The remote's summary does not list the ref.
    #[error("No such branch '{name}' in repository summary of remote `{remote}`")]
    NotInSummary {
        /// The remote.
        remote: String,
        /// The ref.
        name: String,
    },
    /// The remote has no such ref.
    #[error("remote `{remote}` has no ref `{name}`, neither as a file nor in a summary (404)")]
    RefMissing {
        /// The remote.
        remote: String,
        /// The ref.
        name: String,
    },
    /// The file of the ref holds something else than a commit id.
    #[error("Fetching checksum for ref ((empty), {name}): Invalid rev {found}")]
    RefMalformed {
        /// The ref.
        name: String,
        /// The beginning of what it holds, in one line.
        found: String,
    },
    /// The commit was not made for the ref by which it was asked for.
    #[error("commit {commit}: {source}")]
    Binding {
        /// The commit.
        commit: CommitId,
        /// What its bindings say.
        source: BindingFault,
    },
    /// The commit is older than what it would follow.
    #[error(transparent)]
    Older(#[from] OlderCommit),
    /// A timestamp check was asked for together with parents, which are always older.
    #[error("timestamps can be checked only of the newest commit, not with a depth")]
    TimestampDepth,
    /// All refs of a repository were asked for, and one of them belongs to a remote or a collection.
    #[error("Invalid ref name {key}: it is a ref of another repository")]
    ForeignRef {
        /// The ref.
        key: RefKey,
    },
    /// The source lacks an object, as it has the commit only in part.
    #[error("the source has commit {commit} only in part")]
    SourcePartial {
        /// The commit.
        commit: CommitId,
    },
    /// A path of the tree is not absolute.
    #[error("`{path}` is not an absolute path of the tree")]
    Subpath {
        /// As it was given.
        path: String,
    },
    /// The commit says how large its objects are, and there is no room for them.
    #[error(
        "commit {commit} needs {} more, and {} may be written", needed_text(*.needed_bytes), needed_text(*.free_bytes)
    )]
    NoRoom {
        /// The commit.
        commit: CommitId,
        /// Bytes of the objects that are not here.
        needed_bytes: u64,
        /// Bytes that may be written.
        free_bytes: u64,
    },
    /// There are fewer free inodes than files to be written.
    #[error(
        "{needed} more files are needed, and the file system can make {free} (its inodes are used up)"
    )]
    NoInodes {
        /// Content objects that are not here.
        needed: u64,
        /// Free inodes.
        free: u64,
    },
    /// The path that a `file://` URL names cannot be one.
    #[error("`{url}` names no path on this machine")]
    FileUrl {
        /// The URL.
        url: String,
    },
}

fn needed_text(bytes: u64) -> String {
    crate::transaction::format_size(bytes)
}

impl From<ostler_fs::FsError> for PullError {
    fn from(error: ostler_fs::FsError) -> Self {
        Self::Store(error.into())
    }
}

impl PullError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Store(error) => return error.hint(),
            Self::Keys(error) => return error.hint(),
            Self::CommitRefused(error) => return error.hint(),
            Self::SummaryRefused(error) => return error.hint(),
            Self::MetalinkMismatch { .. } => {
                "the mirrors may be in the middle of an update, or somebody has changed the file: nothing of it was kept".into()
            }
            Self::NoBranches { remote } => {
                format!("name a ref (`ostler remote refs {remote}` lists them), or use --mirror for all")
            }
            Self::NoSummary { .. } => {
                "name the refs, or make a summary on the server (`ostler summary -u`)".into()
            }
            Self::RefMissing { remote, .. } | Self::NotInSummary { remote, .. } => {
                format!("`ostler remote refs {remote}` lists what it has")
            }
            Self::Binding { .. } => {
                "if the ref was renamed on purpose, use --disable-verify-bindings".into()
            }
            Self::ForeignRef { .. } => "name the refs that you want".into(),
            Self::SourcePartial { .. } => {
                "pull the commit there without --subpath or --commit-metadata-only first".into()
            }
            Self::NoRoom { .. } => {
                "free some room (`ostler prune --refs-only`), or lower core.min-free-space-size".into()
            }
            Self::NoInodes { .. } => {
                "free some (`ostler prune --refs-only`), or use a file system with more inodes (`df -i` counts them)".into()
            }
            Self::Corrupted { .. } => {
                "the server's copy is damaged, or something on the way changes it: nothing of it was kept".into()
            }
            Self::FetchObject { source, .. } if source.is_not_found() => {
                "the server's repository lacks an object that the commit needs; it may be in the middle of an update".into()
            }
            _ => return None,
        })
    }
}
