//! `remote list`.

use crate::grammar::RepoOption;

/// Options of `remote list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print URLs, too
    #[arg(short = 'u', long)]
    pub(crate) show_urls: bool,
}
