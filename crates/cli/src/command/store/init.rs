//! `init`: a new, empty repository.

use crate::grammar::RepoOption;

/// Options of `init`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Mode: bare, bare-user, bare-user-only or archive
    #[arg(long, default_value = "bare")]
    pub(crate) mode: String,
    /// Worldwide unique name of this repository's collection of refs
    #[arg(long, value_name = "COLLECTION-ID")]
    pub(crate) collection_id: Option<String>,
}
