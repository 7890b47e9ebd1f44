//! `admin switch`: follow another ref.

use crate::grammar::SysrootOption;

/// Options of `admin switch`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Switch {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Switch this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Reboot after a deployment was made
    #[arg(short, long)]
    pub(crate) reboot: bool,
    /// `REMOTE:REF`; `REMOTE:` keeps the ref, a bare ref keeps the remote
    #[arg(value_name = "REFSPEC", required = true)]
    pub(crate) refspec: String,
}
