//! `remote add`.

use crate::command::values::parse_key_value;
use crate::grammar::{RepoOption, SysrootOption};

/// Options of `remote add`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Set another key of the remote's configuration (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Require no OpenPGP signatures
    #[arg(long)]
    pub(crate) no_gpg_verify: bool,
    /// Require no signatures of other kinds
    #[arg(long)]
    pub(crate) no_sign_verify: bool,
    /// Do nothing if there is such a remote
    #[arg(long, conflicts_with = "force")]
    pub(crate) if_not_exists: bool,
    /// Replace a remote of this name
    #[arg(long)]
    pub(crate) force: bool,
    /// Fetch content objects from this URL
    #[arg(long, value_name = "URL")]
    pub(crate) contenturl: Option<String>,
    /// Worldwide unique name of the remote's collection of refs
    #[arg(long, value_name = "COLLECTION-ID")]
    pub(crate) collection_id: Option<String>,
    /// How the repository calls it
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Where it is; `mirrorlist=` before it means a list of such URLs
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: String,
    /// Refs to pull where none is named
    #[arg(value_name = "BRANCH")]
    pub(crate) branches: Vec<String>,
}
