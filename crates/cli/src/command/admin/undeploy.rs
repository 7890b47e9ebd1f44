//! `admin undeploy`: delete a deployment.

use crate::grammar::SysrootOption;

/// Options of `admin undeploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Undeploy {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Index in the list of deployments, from 0
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) index: usize,
}
