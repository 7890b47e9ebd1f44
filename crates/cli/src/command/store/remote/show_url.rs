//! `remote show-url`.

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `remote show-url`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ShowUrl {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}

impl Verb for ShowUrl {
    const NAME: &'static str = "show-url";
    const ABOUT: &'static str = "Print where a remote is";
    const OPERANDS: &'static str = "NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote show-url --repo=repo origin",
        says: "its URL",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let remote = repo.remote(&self.name, repo.remotes_dir(None).as_deref())?;
        context.printer.line(remote.require_url()?)?;
        Ok(Exit::Done)
    }
}
