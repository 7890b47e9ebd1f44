//! `log`: a commit and its ancestors.

use crate::grammar::RepoOption;

/// Options of `log`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the commits' variants
    #[arg(long)]
    pub(crate) raw: bool,
    /// Ref or commit
    #[arg(value_name = "REV", required = true)]
    pub(crate) rev: String,
}
