//! `admin cleanup`: delete what no deployment refers to.

use crate::grammar::SysrootOption;

/// Options of `admin cleanup`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}
