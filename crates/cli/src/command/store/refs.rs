//! `refs`: list, create and delete refs.

use crate::grammar::RepoOption;

/// Options of `refs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Refs {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print whole names, also those below PREFIX
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the commit of each ref, too
    #[arg(short, long)]
    pub(crate) revision: bool,
    /// List aliases and what they stand for; with --create, create one
    #[arg(short = 'A', long)]
    pub(crate) alias: bool,
    /// Create this ref for the commit or ref PREFIX
    #[arg(long, value_name = "NEWREF")]
    pub(crate) create: Option<String>,
    /// Let --create replace a ref
    #[arg(long)]
    pub(crate) force: bool,
    /// Delete the refs below PREFIX
    #[arg(long)]
    pub(crate) delete: bool,
    /// Leading parts of refs' names
    #[arg(value_name = "PREFIX")]
    pub(crate) prefixes: Vec<String>,
}
