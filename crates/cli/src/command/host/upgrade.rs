//! `upgrade`: the newest commit of the origin becomes the next boot.

use super::options::HostOptions;

/// Options of `upgrade`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Look whether there is something newer, change nothing (exit code 77 if there is not)
    #[arg(long)]
    pub(crate) check: bool,
    /// As --check, and fetch what is needed to tell what changes
    #[arg(long)]
    pub(crate) preview: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Allow a commit older than the deployed one
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Exit with 77 if there is nothing newer
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
}
