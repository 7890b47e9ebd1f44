//! `admin config-diff`: what a person changed in /etc.

use crate::grammar::SysrootOption;

/// Options of `admin config-diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ConfigDiff {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Look at this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
}
