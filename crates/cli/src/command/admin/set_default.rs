//! `admin set-default`: boot this deployment next.

use crate::grammar::SysrootOption;

/// Options of `admin set-default`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetDefault {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Index in the list of deployments, from 0
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) index: usize,
}
