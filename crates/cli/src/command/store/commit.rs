//! `commit`: a new commit from directories and other commits.

use std::path::PathBuf;

use crate::command::values::{parse_boolean, parse_key_value};
use crate::grammar::RepoOption;

/// Options of `commit`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Commit {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Parent commit, or "none" (defaults to what the branch points to)
    #[arg(long, value_name = "COMMIT")]
    pub(crate) parent: Option<String>,
    /// Subject, one line
    #[arg(short, long)]
    pub(crate) subject: Option<String>,
    /// Body, the full description
    #[arg(short = 'm', long)]
    pub(crate) body: Option<String>,
    /// Read subject and body from a file
    #[arg(short = 'F', long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,
    /// Write subject and body in $EDITOR
    #[arg(short, long)]
    pub(crate) editor: bool,
    /// Branch to move to the new commit
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// Write no ref
    #[arg(long)]
    pub(crate) orphan: bool,
    /// Timestamp of the commit (`@SECONDS`, ISO 8601 or a date)
    #[arg(long, help_heading = "Commit")]
    pub(crate) timestamp: Option<String>,
    /// Print nothing new if the tree equals the parent's: keep the branch as it is
    #[arg(long)]
    pub(crate) skip_if_unchanged: bool,
    /// Print statistics after the commit as `KEY: VALUE` lines
    #[arg(long)]
    pub(crate) table_output: bool,
    /// Whether written data is made durable: true or false
    #[arg(long, value_name = "POLICY", value_parser = parse_boolean)]
    pub(crate) fsync: Option<bool>,

    /// Begin with this commit's tree, unmodified
    #[arg(long, value_name = "REV", help_heading = "Sources")]
    pub(crate) base: Option<String>,
    /// Overlay a directory or a commit (repeatable)
    #[arg(long, value_name = "dir=PATH or ref=COMMIT", help_heading = "Sources")]
    pub(crate) tree: Vec<String>,
    /// Trust hard links into the repository to be unchanged in content
    #[arg(long, help_heading = "Sources")]
    pub(crate) link_checkout_speedup: bool,
    /// Trust hard links into the repository entirely; implies --link-checkout-speedup
    #[arg(short = 'I', long, help_heading = "Sources")]
    pub(crate) devino_canonical: bool,
    /// Delete the source directories while they are committed
    #[arg(long, help_heading = "Sources")]
    pub(crate) consume: bool,
    /// Directory to commit (defaults to the current one)
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,

    /// Own all files with this user id
    #[arg(long, value_name = "UID", help_heading = "Content")]
    pub(crate) owner_uid: Option<u32>,
    /// Own all files with this group id
    #[arg(long, value_name = "GID", help_heading = "Content")]
    pub(crate) owner_gid: Option<u32>,
    /// Owner 0:0, no mode bits beyond 0755, no xattrs
    #[arg(long, help_heading = "Content")]
    pub(crate) canonical_permissions: bool,
    /// Make executable files read-only
    #[arg(long, help_heading = "Content")]
    pub(crate) mode_ro_executables: bool,
    /// Leave extended attributes out
    #[arg(long, help_heading = "Content")]
    pub(crate) no_xattrs: bool,
    /// File of mode changes: `MODE PATH` adds bits, `=MODE PATH` sets them
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    pub(crate) statoverride: Option<PathBuf>,
    /// File of paths to leave out, one a line
    #[arg(long, value_name = "PATH", help_heading = "Content")]
    pub(crate) skip_list: Option<PathBuf>,

    /// Add a string to the metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value, help_heading = "Metadata")]
    pub(crate) add_metadata_string: Vec<(String, String)>,
    /// Add a value in GVariant's text form to the metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value, help_heading = "Metadata")]
    pub(crate) add_metadata: Vec<(String, String)>,
    /// Take this key's value over from the parent (repeatable)
    #[arg(long, value_name = "KEY", help_heading = "Metadata")]
    pub(crate) keep_metadata: Vec<String>,
    /// Add a string to the detached metadata (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value, help_heading = "Metadata")]
    pub(crate) add_detached_metadata_string: Vec<(String, String)>,
    /// Bind the commit to another ref, too (repeatable)
    #[arg(long, value_name = "BRANCH", help_heading = "Metadata")]
    pub(crate) bind_ref: Vec<String>,
    /// Bind the commit to no ref
    #[arg(long, help_heading = "Metadata")]
    pub(crate) no_bindings: bool,
    /// Mark the commit as bootable and record its kernel's version
    #[arg(long, help_heading = "Metadata")]
    pub(crate) bootable: bool,
    /// Record the sizes of all objects
    #[arg(long, help_heading = "Metadata")]
    pub(crate) generate_sizes: bool,
}
