//! `reset`: point a ref at one of its earlier commits.

use crate::grammar::RepoOption;

/// Options of `reset`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reset {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Ref to move
    #[arg(value_name = "REF", required = true)]
    pub(crate) target: String,
    /// Commit to point it at; it must be among the ref's ancestors
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
}
