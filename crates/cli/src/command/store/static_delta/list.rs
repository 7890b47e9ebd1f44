//! `static-delta list`.

use ostler_store::delta;

use super::NATIVE;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print as JSON, with the checksums of the superblocks, or of native deltas the files
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List the static deltas of a repository";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta list --repo=repo",
        says: "each as FROM-TO, or TO for one that needs nothing; native ones as FROM-TO.native",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let deltas = delta::list(&repo)?;
        let natives = delta::native::list(&repo)?;
        if self.json {
            let mut all: Vec<_> = deltas
                .iter()
                .map(|(name, superblock)| {
                    serde_json::json!({
                        "from": name.from.map(|from| from.to_string()),
                        "to": name.to.to_string(),
                        "superblock": superblock.to_string(),
                    })
                })
                .collect();
            all.extend(natives.iter().map(|(name, entry)| {
                serde_json::json!({
                    "from": name.from.map(|from| from.to_string()),
                    "to": name.to.to_string(),
                    "native": entry.file.to_string(),
                    "download_bytes": entry.file.size,
                })
            }));
            context.printer.line(serde_json::to_string_pretty(&all)?)?;
            return Ok(Exit::Done);
        }
        if deltas.is_empty() && natives.is_empty() {
            context.printer.line("(No static deltas)")?;
        }
        for name in deltas.keys() {
            context.printer.line(name)?;
        }
        for name in natives.keys() {
            context.printer.line(format_args!("{name}{NATIVE}"))?;
        }
        Ok(Exit::Done)
    }
}
