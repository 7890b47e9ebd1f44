//! `rev-parse`: the commit that a name stands for.

use crate::grammar::RepoOption;

/// Options of `rev-parse`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RevParse {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the repository's only commit; fail if it has none or several
    #[arg(short = 'S', long)]
    pub(crate) single: bool,
    /// Refs or commits; `^` appended means the parent
    #[arg(value_name = "REV", required_unless_present = "single")]
    pub(crate) revs: Vec<String>,
}
