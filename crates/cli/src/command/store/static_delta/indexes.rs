//! `static-delta indexes`.

use ostler_store::delta;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta indexes`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Indexes {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
}

impl Verb for Indexes {
    const NAME: &'static str = "indexes";
    const ABOUT: &'static str = "List the commits that have an index of the deltas to them";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta indexes --repo=repo",
        says: "the commits, one a line",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let indexed = delta::indexed(&repo)?;
        if indexed.is_empty() {
            context.printer.line("(No static deltas indexes)")?;
        }
        for commit in indexed {
            context.printer.line(commit)?;
        }
        Ok(Exit::Done)
    }
}
