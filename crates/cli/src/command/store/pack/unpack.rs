//! `pack unpack`.

use ostler_store::pack;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::WithHint;
use crate::text::size;

/// Options of `pack unpack`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Unpack {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print what was put back as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for Unpack {
    const NAME: &'static str = "unpack";
    const ABOUT: &'static str = "Put all content back into `objects/` that only packs have";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "pack unpack --repo=repo",
        says: "undo `pack create --replace-objects`: `ostree` can read the repository again; the packs stay",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut repo = self.repo.open(context)?;
        let restored = pack::restore_objects(&mut repo).with_hint(|| {
            "nothing is lost by this: what packs have they still have; `ostler fsck --repair` takes damaged content from elsewhere"
        })?;
        if self.json {
            context
                .printer
                .line(serde_json::to_string_pretty(&restored)?)?;
        } else {
            context.printer.line(format_args!(
                "{} files of {} are in `objects/` again",
                restored.objects,
                size::decimal(restored.bytes)
            ))?;
        }
        Ok(Exit::Done)
    }
}
