//! `rollback`: boot the other deployment next.

use crate::grammar::SysrootOption;

/// Options of `rollback`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Reboot once it is done
    #[arg(short, long)]
    pub(crate) reboot: bool,
}
