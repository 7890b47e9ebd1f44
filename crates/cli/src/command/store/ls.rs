//! `ls`: files of a commit.

use crate::grammar::RepoOption;

/// Options of `ls`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// List directories themselves, not what is in them
    #[arg(short, long)]
    pub(crate) dironly: bool,
    /// List what is below, too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// Print checksums
    #[arg(short = 'C', long)]
    pub(crate) checksum: bool,
    /// Print extended attributes
    #[arg(short = 'X', long)]
    pub(crate) xattrs: bool,
    /// Print names alone, each ended by a NUL
    #[arg(long)]
    pub(crate) nul_filenames_only: bool,
    /// Ref or commit
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Paths in the commit (defaults to `/`)
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}
