//! `admin pin`: keep deployments from being cleaned up.

use crate::grammar::SysrootOption;

/// Options of `admin pin`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Pin {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Let them be cleaned up again
    #[arg(short, long)]
    pub(crate) unpin: bool,
    /// Indices in the list of deployments, from 0, or `booted`, `pending`, `rollback`
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) deployments: Vec<String>,
}
