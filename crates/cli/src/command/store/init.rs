//! `init`: a new, empty repository.

use anyhow::bail;
use ostler_format::CollectionId;
use ostler_store::{Repo, RepoMode};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `init`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Mode: bare, bare-user, bare-user-only or archive
    #[arg(long, default_value = "bare")]
    pub(crate) mode: String,
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
        let Some(mode) = RepoMode::from_config(&self.mode) else {
            bail!("Invalid mode '{}' in repository configuration", self.mode);
        };
        let collection = self.collection_id.map(CollectionId::new).transpose()?;
        let repo = Repo::create(self.repo.path(), mode, collection.as_ref())?;
        context
            .printer
            .debug(format_args!("repository `{}`", repo.path().display()));
        Ok(Exit::Done)
    }
}
