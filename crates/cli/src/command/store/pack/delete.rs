//! `pack delete`.

use anyhow::bail;
use ostler_store::pack;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `pack delete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Commits or refs
    #[arg(value_name = "REV", required = true)]
    pub(crate) revs: Vec<String>,
}

impl Verb for Delete {
    const NAME: &'static str = "delete";
    const ABOUT: &'static str = "Delete a commit's index, and packs that no other commit needs";
    const OPERANDS: &'static str = "REV...";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "pack delete --repo=repo os/stable^",
        says: "the objects themselves stay; `prune` does this for commits that it deletes",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        for rev in &self.revs {
            let commit = repo.resolve(rev)?;
            if !pack::remove(&repo, commit)? {
                bail!("commit {commit} has no pack index");
            }
        }
        Ok(Exit::Done)
    }
}
