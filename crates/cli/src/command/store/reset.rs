//! `reset`: point a ref at one of its earlier commits.

use ostler_store::{RefKey, TransactionOptions};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `reset`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reset {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Ref to move
    #[arg(value_name = "REF", required = true)]
    pub(crate) target: String,
    /// Commit to point it at
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
}

impl Verb for Reset {
    const NAME: &'static str = "reset";
    const ABOUT: &'static str = "Point a ref at another commit, mostly an earlier one";
    const OPERANDS: &'static str = "REF COMMIT";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "reset --repo=repo os/stable os/stable^",
        says: "take the newest commit off a branch",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let key = RefKey::parse(&self.target)?;
        if repo.read_ref(&key)?.is_none() {
            anyhow::bail!("Invalid ref '{}'", self.target);
        }
        let commit = repo.resolve(&self.commit)?;
        // A ref to a commit that is not there would break every reader.
        repo.read_commit(commit)?;
        let transaction = repo.begin(TransactionOptions::default())?;
        transaction.set_ref(key, Some(commit));
        transaction.commit()?;
        Ok(Exit::Done)
    }
}
