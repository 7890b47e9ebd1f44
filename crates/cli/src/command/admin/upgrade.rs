//! `admin upgrade`: the newest commit of the origin becomes a deployment.

use crate::grammar::SysrootOption;

/// Options of `admin upgrade`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Upgrade this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Finish at shutdown
    #[arg(long)]
    pub(crate) stage: bool,
    /// Download, deploy nothing
    #[arg(long, conflicts_with = "deploy_only")]
    pub(crate) pull_only: bool,
    /// Deploy what is downloaded
    #[arg(long)]
    pub(crate) deploy_only: bool,
    /// Allow a commit older than the deployed one
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Deploy this commit
    #[arg(long, value_name = "CHECKSUM")]
    pub(crate) override_commit: Option<String>,
    /// Reboot after a deployment was made
    #[arg(short, long)]
    pub(crate) reboot: bool,
}
