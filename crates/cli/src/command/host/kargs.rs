//! `kargs`: kernel arguments of the next boot.

use super::options::HostOptions;

/// Options of `kargs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Kargs {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append: Vec<String>,
    /// Append a kernel argument that is not there (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append_if_missing: Vec<String>,
    /// Delete a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) delete: Vec<String>,
    /// Delete a kernel argument if it is there (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) delete_if_present: Vec<String>,
    /// Replace a kernel argument's value; `NAME=OLD=NEW` chooses among several (repeatable)
    #[arg(long, value_name = "NAME=VALUE[=NEW]")]
    pub(crate) replace: Vec<String>,
    /// Change the arguments in $EDITOR
    #[arg(long)]
    pub(crate) editor: bool,
    /// Begin with this deployment's arguments (defaults to the first one's)
    #[arg(long, value_name = "INDEX")]
    pub(crate) deploy_index: Option<usize>,
    /// Begin with the running kernel's arguments
    #[arg(long, conflicts_with = "deploy_index")]
    pub(crate) import_proc_cmdline: bool,
    /// Exit with 77 if nothing changes
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
}
