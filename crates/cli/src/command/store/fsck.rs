//! `fsck`: check a repository.

use crate::grammar::RepoOption;

/// Options of `fsck`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Fsck {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Write tombstones for missing commits
    #[arg(long)]
    pub(crate) add_tombstones: bool,
    /// Print errors alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Go on after the first error
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Delete damaged objects; their commits become partial
    #[arg(long)]
    pub(crate) delete: bool,
    /// Check that each ref's commit is bound to it
    #[arg(long)]
    pub(crate) verify_bindings: bool,
    /// Check that each commit's bound refs exist; implies --verify-bindings
    #[arg(long)]
    pub(crate) verify_back_refs: bool,
}
