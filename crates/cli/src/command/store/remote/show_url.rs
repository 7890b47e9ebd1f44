//! `remote show-url`.

use crate::grammar::RepoOption;

/// Options of `remote show-url`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ShowUrl {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}
