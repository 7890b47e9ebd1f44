//! `checksum`: what a file's object would be called.

use std::path::PathBuf;

/// Options of `checksum`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Checksum {
    /// Leave extended attributes out
    #[arg(long)]
    pub(crate) ignore_xattrs: bool,
    /// File, directory (its metadata alone) or symlink
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: PathBuf,
}
