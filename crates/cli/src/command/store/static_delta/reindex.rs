//! `static-delta reindex`.

use ostler_store::delta;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta reindex`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reindex {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Only write the index of the deltas to this commit
    #[arg(long, value_name = "REV")]
    pub(crate) to: Option<String>,
}

impl Verb for Reindex {
    const NAME: &'static str = "reindex";
    const ABOUT: &'static str = "Write the indexes of deltas anew, in which clients look for them";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta reindex --repo=repo",
        says: "after deltas were made or deleted; `summary -u` does it, too",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut repo = self.repo.open(context)?;
        let to = self
            .to
            .as_deref()
            .map(|rev| repo.resolve(rev))
            .transpose()?;
        delta::reindex(&mut repo, to)?;
        Ok(Exit::Done)
    }
}
