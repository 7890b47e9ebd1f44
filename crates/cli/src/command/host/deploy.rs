//! `deploy`: a chosen version or commit of the origin becomes the next boot.

use super::options::HostOptions;

/// Options of `deploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Look what would change, change nothing
    #[arg(long)]
    pub(crate) preview: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Do not check that the commit belongs to the origin's branch
    #[arg(long)]
    pub(crate) skip_branch_check: bool,
    /// Refuse a commit older than the deployed one
    #[arg(long)]
    pub(crate) disallow_downgrade: bool,
    /// Exit with 77 if it is deployed already
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
    /// Version or commit
    #[arg(value_name = "REVISION", required = true)]
    pub(crate) revision: String,
}
