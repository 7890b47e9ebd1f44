//! `admin stateroot-init`: a stateroot without deployments.

use crate::grammar::SysrootOption;

/// Options of `admin stateroot-init`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StaterootInit {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// The stateroot's name
    #[arg(value_name = "STATEROOT", required = true)]
    pub(crate) stateroot: String,
}
