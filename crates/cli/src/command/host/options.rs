//! Options that several host verbs share.

use crate::grammar::SysrootOption;
use crate::progress::ProgressOptions;

/// Which system, which stateroot, and what follows.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct HostOptions {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Work on this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Reboot once it is done
    #[arg(short, long)]
    pub(crate) reboot: bool,
    /// Leave the new deployment locked: it is not finished at shutdown until unlocked
    #[arg(long)]
    pub(crate) lock_finalization: bool,
    /// Print errors alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
}
