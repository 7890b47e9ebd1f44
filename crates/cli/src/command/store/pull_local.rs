//! `pull-local`: commits from another repository on this machine.

use std::path::PathBuf;

use crate::grammar::RepoOption;

/// Options of `pull-local`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PullLocal {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Fetch the commit objects alone
    #[arg(long)]
    pub(crate) commit_metadata_only: bool,
    /// Write refs as those of this remote
    #[arg(long, value_name = "REMOTE")]
    pub(crate) remote: Option<String>,
    /// Leave durability to the system
    #[arg(long)]
    pub(crate) disable_fsync: bool,
    /// Make each object durable by itself
    #[arg(long)]
    pub(crate) per_object_fsync: bool,
    /// Check all checksums of the source
    #[arg(long)]
    pub(crate) untrusted: bool,
    /// Refuse files with mode bits beyond 0775
    #[arg(long)]
    pub(crate) bareuseronly_files: bool,
    /// Accept a commit that is not bound to the ref it was asked for by
    #[arg(long)]
    pub(crate) disable_verify_bindings: bool,
    /// Use no static deltas
    #[arg(long, hide = true)]
    pub(crate) disable_static_deltas: bool,
    /// Fetch that many parents, too (-1 for all)
    #[arg(
        long,
        value_name = "DEPTH",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) depth: i32,
    /// Repository to copy from
    #[arg(value_name = "SRC_REPO", required = true)]
    pub(crate) source: PathBuf,
    /// Refs or commits (defaults to all refs)
    #[arg(value_name = "REFS")]
    pub(crate) refs: Vec<String>,
}
