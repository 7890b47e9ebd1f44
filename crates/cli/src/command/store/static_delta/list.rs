//! `static-delta list`.

use ostler_store::delta;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print as JSON, with the checksums of the superblocks
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List the static deltas of a repository";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta list --repo=repo",
        says: "each as FROM-TO, or TO for one that needs nothing",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let deltas = delta::list(&repo)?;
        if self.json {
            let all: Vec<_> = deltas
                .iter()
                .map(|(name, superblock)| {
                    serde_json::json!({
                        "from": name.from.map(|from| from.to_string()),
                        "to": name.to.to_string(),
                        "superblock": superblock.to_string(),
                    })
                })
                .collect();
            context.printer.line(serde_json::to_string_pretty(&all)?)?;
            return Ok(Exit::Done);
        }
        if deltas.is_empty() {
            context.printer.line("(No static deltas)")?;
        }
        for name in deltas.keys() {
            context.printer.line(name)?;
        }
        Ok(Exit::Done)
    }
}
