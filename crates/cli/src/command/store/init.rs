//! `init`: a new, empty repository.

use anyhow::bail;
use ostler_format::CollectionId;
use ostler_store::{Repo, RepoMode, StoreError};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::personality::Personality;

/// Options of `init`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Mode: bare, bare-user, bare-user-only or archive (defaults to bare, or to what the repository is that is there)
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Worldwide unique name of this repository's collection of refs
    #[arg(long, value_name = "COLLECTION-ID")]
    pub(crate) collection_id: Option<String>,
}

impl Verb for Init {
    const NAME: &'static str = "init";
    const ABOUT: &'static str = "Make a new, empty repository";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "init --repo=repo --mode=archive",
        says: "make a repository to be served over HTTP",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let asked = self.mode.as_deref();
        let Some(mode) = asked.map_or(Some(RepoMode::Bare), RepoMode::from_config) else {
            let mode = asked.unwrap_or_default();
            bail!("Invalid mode '{mode}' in repository configuration");
        };
        let collection = self.collection_id.map(CollectionId::new).transpose()?;
        let repo = match Repo::create(self.repo.path(), mode, collection.as_ref()) {
            // Scripts that make sure of a repository go on with the one that is there.
            Err(StoreError::OtherMode { found, .. })
                if asked.is_none() || context.personality == Personality::Ostree =>
            {
                context.printer.note(format_args!(
                    "the repository is there already, of mode `{found}`"
                ));
                return Ok(Exit::Done);
            }
            created => created?,
        };
        context
            .printer
            .debug(format_args!("repository `{}`", repo.path().display()));
        Ok(Exit::Done)
    }
}
