//! `admin finalize-staged`: finish a staged deployment at shutdown.

use crate::grammar::SysrootOption;

/// Options of `admin finalize-staged`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FinalizeStaged {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}
