//! `remote refs`.

use std::path::PathBuf;

use crate::grammar::RepoOption;

/// Options of `remote refs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Refs {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the commit of each ref, too
    #[arg(short, long)]
    pub(crate) revision: bool,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}
