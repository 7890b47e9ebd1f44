//! `admin status`: the list of deployments.

use crate::grammar::SysrootOption;

/// Options of `admin status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Print JSON
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
    /// Print `default` if the booted deployment is the default one, `not-default` if not
    #[arg(short = 'D', long)]
    pub(crate) is_default: bool,
}
