//! `status`: what runs, what comes next and what to go back to.

use crate::grammar::SysrootOption;

/// Options of `status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the part of the JSON at this path (`$.deployments[0].checksum`)
    #[arg(short = 'J', long, value_name = "PATH")]
    pub(crate) jsonpath: Option<String>,
    /// Show the booted deployment alone
    #[arg(short, long)]
    pub(crate) booted: bool,
    /// Exit with 77 if another deployment is booted next
    #[arg(long)]
    pub(crate) pending_exit_77: bool,
}
