//! `remote list`.

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `remote list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print URLs, too
    #[arg(short = 'u', long)]
    pub(crate) show_urls: bool,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List the remotes";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote list --repo=repo -u",
        says: "remotes with their URLs",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let remotes = repo.remotes(repo.remotes_dir(None).as_deref())?;
        let width = remotes
            .iter()
            .map(|remote| remote.name.len())
            .max()
            .unwrap_or(0);
        for remote in &remotes {
            let name = &remote.name;
            if !self.show_urls {
                context.printer.line(name)?;
            } else if let Some(url) = remote.url.as_ref().or(remote.metalink.as_ref()) {
                context.printer.line(format_args!("{name:width$}  {url}"))?;
            } else {
                context.printer.line(name)?;
            }
        }
        Ok(Exit::Done)
    }
}
