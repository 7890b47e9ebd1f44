//! `rev-parse`: the commit that a name stands for.

use anyhow::bail;
use ostler_format::CommitId;
use ostler_store::Repo;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;

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

impl Verb for RevParse {
    const NAME: &'static str = "rev-parse";
    const ABOUT: &'static str = "Print the commit that a name stands for";
    const OPERANDS: &'static str = "REV";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "rev-parse --repo=repo os/stable^",
        says: "the parent of a ref's commit",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        if self.single {
            if !self.revs.is_empty() {
                return Err(usage("Cannot specify arguments with --single"));
            }
            context.printer.line(only_commit(&repo)?)?;
        }
        for rev in &self.revs {
            context.printer.line(repo.resolve(rev)?)?;
        }
        Ok(Exit::Done)
    }
}

fn only_commit(repo: &Repo) -> anyhow::Result<CommitId> {
    match repo.list_commits()?[..] {
        [] => bail!("No commit objects found"),
        [only] => Ok(only),
        _ => bail!("Multiple commit objects found"),
    }
}
