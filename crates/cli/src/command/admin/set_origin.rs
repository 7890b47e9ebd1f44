//! `admin set-origin`: what a deployment follows.

use crate::command::values::parse_key_value;
use crate::grammar::SysrootOption;

/// Options of `admin set-origin`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetOrigin {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Set another key of the remote's configuration (repeatable)
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Index in the list of deployments, from 0 (defaults to the booted one)
    #[arg(long, value_name = "INDEX")]
    pub(crate) index: Option<usize>,
    /// The remote; it is added if there is none of this name
    #[arg(value_name = "REMOTENAME", required = true)]
    pub(crate) remote: String,
    /// Where it is
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: String,
    /// The ref (defaults to the deployment's)
    #[arg(value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
}
