//! `remote summary`.

use std::path::PathBuf;

use crate::grammar::RepoOption;

/// Options of `remote summary`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Summary {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Print the summary's variant
    #[arg(long)]
    pub(crate) raw: bool,
    /// List the keys of the summary's metadata
    #[arg(long)]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the summary's metadata
    #[arg(long, value_name = "KEY")]
    pub(crate) print_metadata_key: Option<String>,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}
