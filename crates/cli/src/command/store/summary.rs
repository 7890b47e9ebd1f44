//! `summary`: the list of refs that a repository shows to others.

use crate::command::values::parse_key_value;
use crate::grammar::RepoOption;

/// Options of `summary`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Summary {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Write the summary anew
    #[arg(short, long)]
    pub(crate) update: bool,
    /// Add a value in GVariant's text form to a new summary (repeatable)
    #[arg(short = 'm', long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) add_metadata: Vec<(String, String)>,
    /// Print the summary
    #[arg(short, long)]
    pub(crate) view: bool,
    /// Print the summary's variant
    #[arg(long)]
    pub(crate) raw: bool,
    /// List the keys of the summary's metadata
    #[arg(long)]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the summary's metadata
    #[arg(long, value_name = "KEY")]
    pub(crate) print_metadata_key: Option<String>,
}
