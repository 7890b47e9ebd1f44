//! `checkout`: a commit's tree as files.

use std::path::PathBuf;

use crate::command::values::parse_boolean;
use crate::grammar::RepoOption;

/// Options of `checkout`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Checkout {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Leave owners and extended attributes as the file system makes them
    #[arg(short = 'U', long)]
    pub(crate) user_mode: bool,
    /// Check out this directory or file of the commit
    #[arg(long, value_name = "PATH")]
    pub(crate) subpath: Option<PathBuf>,
    /// Do nothing if the subpath does not exist
    #[arg(long)]
    pub(crate) allow_noent: bool,
    /// File of paths to leave out, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) skip_list: Option<PathBuf>,
    /// Whether written data is made durable: true or false
    #[arg(long, value_name = "POLICY", value_parser = parse_boolean)]
    pub(crate) fsync: Option<bool>,
    /// Suppress mode bits beyond 0775 of directories
    #[arg(short = 'M', long)]
    pub(crate) bareuseronly_dirs: bool,
    /// Neither read nor fill the cache of uncompressed objects
    #[arg(long)]
    pub(crate) disable_cache: bool,

    /// Keep directories, overwrite files
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union: bool,
    /// Keep directories and files, only add
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union_add: bool,
    /// Keep directories, refuse a file that differs
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) union_identical: bool,
    /// Obey `.wh.NAME` files of container layers
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) whiteouts: bool,
    /// Turn `.ostree-wh.NAME` files into overlayfs whiteout devices
    #[arg(long, help_heading = "Existing destination")]
    pub(crate) process_passthrough_whiteouts: bool,

    /// Fail where a file can't be hard-linked
    #[arg(short = 'H', long, help_heading = "Links")]
    pub(crate) require_hardlinks: bool,
    /// Copy (or reflink) each file
    #[arg(short = 'C', long, help_heading = "Links")]
    pub(crate) force_copy: bool,
    /// Copy empty files, hard-link the others
    #[arg(short = 'z', long, help_heading = "Links")]
    pub(crate) force_copy_zerosized: bool,

    /// Read many checkouts from stdin: `COMMIT NUL SUBPATH NUL ...`
    #[arg(long, help_heading = "Many at once")]
    pub(crate) from_stdin: bool,
    /// Read many checkouts from a file
    #[arg(long, value_name = "FILE", help_heading = "Many at once")]
    pub(crate) from_file: Option<PathBuf>,

    /// Commit or ref; with --from-stdin or --from-file, the destination
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Directory to write (defaults to the commit's name)
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Option<PathBuf>,
}
