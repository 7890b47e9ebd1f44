//! `prune`: delete what nothing refers to.

use crate::command::values::parse_branch_depth;
use crate::grammar::RepoOption;

/// Options of `prune`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Prune {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Delete nothing, only count
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Keep only what refs reach, not each commit
    #[arg(long)]
    pub(crate) refs_only: bool,
    /// Keep that many parents of each commit (-1 for all)
    #[arg(long, value_name = "DEPTH", default_value_t = -1, hide_default_value = true)]
    pub(crate) depth: i32,
    /// Delete this commit (repeatable)
    #[arg(long, value_name = "COMMIT")]
    pub(crate) delete_commit: Vec<String>,
    /// Delete commits older than this date
    #[arg(long, value_name = "DATE")]
    pub(crate) keep_younger_than: Option<String>,
    /// Keep that many parents of this branch (repeatable)
    #[arg(long, value_name = "BRANCH=DEPTH", value_parser = parse_branch_depth)]
    pub(crate) retain_branch_depth: Vec<(String, i32)>,
    /// Prune this branch alone (repeatable)
    #[arg(long, value_name = "BRANCH")]
    pub(crate) only_branch: Vec<String>,
    /// Consider and delete commit objects alone
    #[arg(long)]
    pub(crate) commit_only: bool,
}
