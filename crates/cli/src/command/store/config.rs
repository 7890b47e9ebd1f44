//! `config`: one key of the repository's configuration.

use crate::grammar::RepoOption;

/// Options of `config`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Group of the key, where it is not part of KEY
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// `get`, `set` or `unset`
    #[arg(value_name = "OPERATION", required = true)]
    pub(crate) operation: String,
    /// KEY, and VALUE for `set`; KEY is `GROUP.KEY` unless --group is given
    #[arg(value_name = "KEY")]
    pub(crate) operands: Vec<String>,
}
