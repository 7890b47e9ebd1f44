//! `admin kargs edit-in-place`: change the boot entries that are there.

use crate::grammar::SysrootOption;

/// Options of `admin kargs edit-in-place`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct EditInPlace {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Append a kernel argument to each deployment that lacks it (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append_if_missing: Vec<String>,
}
