//! `remote refs`.

use std::path::PathBuf;

use super::fetch_summary;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `remote refs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Refs {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the commit of each ref, too
    #[arg(short, long)]
    pub(crate) revision: bool,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}

impl Verb for Refs {
    const NAME: &'static str = "refs";
    const ABOUT: &'static str = "List the refs that a remote has";
    const OPERANDS: &'static str = "NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote refs --repo=repo origin",
        says: "what can be pulled",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let summary = fetch_summary(
            context,
            &self.repo,
            &self.name,
            self.cache_dir.as_deref(),
            "Remote refs not available; server has no summary file",
        )?;
        for entry in &summary.parsed.refs {
            let (name, commit) = (&entry.name, entry.commit);
            if self.revision {
                context
                    .printer
                    .line(format_args!("{}:{name}\t{commit}", self.name))?;
            } else {
                context.printer.line(format_args!("{}:{name}", self.name))?;
            }
        }
        Ok(Exit::Done)
    }
}
