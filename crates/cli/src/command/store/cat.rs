//! `cat`: the content of files.

use crate::grammar::RepoOption;

/// Options of `cat`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Ref or commit
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Paths in the commit
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
}
