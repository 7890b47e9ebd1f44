//! `admin instutil set-kargs`: kernel arguments of the first deployment.

use crate::grammar::SysrootOption;

/// Options of `admin instutil set-kargs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetKargs {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Begin with the running kernel's arguments
    #[arg(long)]
    pub(crate) import_proc_cmdline: bool,
    /// Begin with the deployment's arguments
    #[arg(long)]
    pub(crate) merge: bool,
    /// Set a kernel argument in place of those of this name (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) replace: Vec<String>,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append: Vec<String>,
    /// Kernel arguments to append
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,
}
