//! `cleanup`: give room back.

use crate::grammar::SysrootOption;

/// Options of `cleanup`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Work on this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Delete what no deployment refers to
    #[arg(short, long)]
    pub(crate) base: bool,
    /// Delete the deployment that would be booted next
    #[arg(short, long)]
    pub(crate) pending: bool,
    /// Delete the deployment to go back to
    #[arg(short, long)]
    pub(crate) rollback: bool,
}
