//! `pull`: commits from a remote.

use std::path::PathBuf;

use crate::command::values::parse_key_value;
use crate::grammar::RepoOption;

/// Options of `pull`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Fetch the commit objects alone
    #[arg(long, help_heading = "What to fetch")]
    pub(crate) commit_metadata_only: bool,
    /// Write refs as the remote has them; all of them if none is named
    #[arg(long, help_heading = "What to fetch")]
    pub(crate) mirror: bool,
    /// Fetch this directory or file of the tree alone (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "What to fetch")]
    pub(crate) subpath: Vec<String>,
    /// Fetch that many parents, too (-1 for all)
    #[arg(
        long,
        value_name = "DEPTH",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "What to fetch"
    )]
    pub(crate) depth: i32,

    /// Check the checksums of local sources, too (those of HTTP always are)
    #[arg(long, help_heading = "Checks")]
    pub(crate) untrusted: bool,
    /// Write compressed objects of a mirror as they come, unchecked
    #[arg(long, help_heading = "Checks")]
    pub(crate) http_trusted: bool,
    /// Refuse files with mode bits beyond 0775
    #[arg(long, help_heading = "Checks")]
    pub(crate) bareuseronly_files: bool,
    /// Refuse commits older than what the ref has
    #[arg(short = 'T', long, help_heading = "Checks")]
    pub(crate) timestamp_check: bool,
    /// Refuse commits older than this one
    #[arg(long, value_name = "REV", help_heading = "Checks")]
    pub(crate) timestamp_check_from_rev: Option<String>,
    /// Accept a commit that is not bound to the ref it was asked for by
    #[arg(long, help_heading = "Checks")]
    pub(crate) disable_verify_bindings: bool,

    /// Fetch from this URL instead of the configured one
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) url: Option<String>,
    /// Add a header to each request (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_key_value, help_heading = "Network")]
    pub(crate) http_header: Vec<(String, String)>,
    /// Append to the User-Agent header
    #[arg(long, value_name = "TEXT", hide = true, help_heading = "Network")]
    pub(crate) append_user_agent: Option<String>,
    /// How often a failed request is tried again
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Network")]
    pub(crate) network_retries: u32,
    /// Take objects that this local repository has from there (repeatable)
    #[arg(short = 'L', long, value_name = "REPO", help_heading = "Network")]
    pub(crate) localcache_repo: Vec<PathBuf>,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Milliseconds between two reports of progress (0 for 1000)
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 0,
        hide_default_value = true,
        help_heading = "Network"
    )]
    pub(crate) update_frequency: u32,
    /// Use no static deltas
    #[arg(long, help_heading = "Network")]
    pub(crate) disable_static_deltas: bool,

    /// Leave durability to the system
    #[arg(long, help_heading = "Durability")]
    pub(crate) disable_fsync: bool,
    /// Make each object durable by itself
    #[arg(long, help_heading = "Durability")]
    pub(crate) per_object_fsync: bool,

    /// Remote, or `REMOTE:REF`
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remote: String,
    /// Refs, or commits as `REF@COMMIT` or `COMMIT`
    #[arg(value_name = "BRANCH")]
    pub(crate) refs: Vec<String>,
}
