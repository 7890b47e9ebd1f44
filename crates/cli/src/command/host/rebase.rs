//! `rebase`: follow another ref.

use super::options::HostOptions;

/// Options of `rebase`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Rebase {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Ref to follow, in place of REFSPEC
    #[arg(short, long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Remote to follow, in place of REFSPEC
    #[arg(short = 'm', long, value_name = "REMOTE")]
    pub(crate) remote: Option<String>,
    /// Keep the ref that was followed so far
    #[arg(long)]
    pub(crate) skip_purge: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Refuse a commit older than the deployed one
    #[arg(long)]
    pub(crate) disallow_downgrade: bool,
    /// `REMOTE:REF`, `REF` or `REMOTE:`
    #[arg(value_name = "REFSPEC", required_unless_present_any = ["branch", "remote"])]
    pub(crate) refspec: Option<String>,
    /// Version or commit of that ref (defaults to the newest)
    #[arg(value_name = "REVISION")]
    pub(crate) revision: Option<String>,
}
