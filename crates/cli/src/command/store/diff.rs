//! `diff`: two trees compared.

use crate::grammar::RepoOption;

/// Options of `diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Count objects that both commits share
    #[arg(long)]
    pub(crate) stats: bool,
    /// List files that differ (the default)
    #[arg(long)]
    pub(crate) fs_diff: bool,
    /// Leave extended attributes out of the comparison
    #[arg(long)]
    pub(crate) no_xattrs: bool,
    /// Take this user id for files of directories
    #[arg(long, value_name = "UID")]
    pub(crate) owner_uid: Option<u32>,
    /// Take this group id for files of directories
    #[arg(long, value_name = "GID")]
    pub(crate) owner_gid: Option<u32>,
    /// One tree, compared with the working directory's (a path has a slash); or the first of two
    #[arg(value_name = "REV_OR_DIR", required = true)]
    pub(crate) first: String,
    /// The second tree (defaults to the first one's, the first to its parent's)
    #[arg(value_name = "REV_OR_DIR")]
    pub(crate) second: Option<String>,
}
