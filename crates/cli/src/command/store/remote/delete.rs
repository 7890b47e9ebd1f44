//! `remote delete`.

use crate::grammar::{RepoOption, SysrootOption};

/// Options of `remote delete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Do nothing if there is no such remote
    #[arg(long)]
    pub(crate) if_exists: bool,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}
