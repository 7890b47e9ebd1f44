//! `pack list`.

use ostler_store::pack;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text::size;

/// Options of `pack list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List the commits that have packs";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "pack list --repo=repo",
        says: "each with its objects, its packs and their size",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let listed = pack::list(&repo)?;
        if self.json {
            let all: Vec<_> = listed
                .iter()
                .map(|entry| {
                    serde_json::json!({
                        "commit": entry.commit.to_string(),
                        "objects": entry.objects,
                        "packs": entry.packs,
                        "pack_bytes": entry.pack_bytes,
                        "download_bytes": entry.group_bytes,
                    })
                })
                .collect();
            context.printer.line(serde_json::to_string_pretty(&all)?)?;
            return Ok(Exit::Done);
        }
        for entry in listed {
            let packs = if entry.packs == 1 { "pack" } else { "packs" };
            context.printer.line(format_args!(
                "{} {} objects, {} in {} {packs} of {}",
                entry.commit,
                entry.objects,
                size::decimal(entry.group_bytes),
                entry.packs,
                size::decimal(entry.pack_bytes)
            ))?;
        }
        Ok(Exit::Done)
    }
}
