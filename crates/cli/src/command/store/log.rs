//! `log`: a commit and its ancestors.

use ostler_format::{Commit, ObjectKind, ObjectName};
use ostler_store::StoreError;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text;
use crate::text::variant::Bytes;

/// Options of `log`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the commits' variants
    #[arg(long)]
    pub(crate) raw: bool,
    /// Ref or commit
    #[arg(value_name = "REV", required = true)]
    pub(crate) rev: String,
}

impl Verb for Log {
    const NAME: &'static str = "log";
    const ABOUT: &'static str = "Show a commit and its ancestors, newest first";
    const OPERANDS: &'static str = "REV";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "log --repo=repo os/stable",
        says: "the history of a branch",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let first = repo.resolve(&self.rev)?;
        let mut next = Some(first);
        while let Some(id) = next {
            let name = ObjectName::new(id.checksum(), ObjectKind::Commit);
            let Some(bytes) = repo.read_metadata_optional(&name)? else {
                if id == first {
                    return Err(StoreError::ObjectMissing { name }.into());
                }
                context
                    .printer
                    .line("<< History beyond this commit not fetched >>")?;
                break;
            };
            let commit =
                Commit::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
            if self.raw {
                context.printer.line(format_args!("commit {id}"))?;
                let signature = text::commit::SIGNATURE;
                context
                    .printer
                    .line(Bytes::Swapped.print_stored(signature, &bytes)?)?;
            } else {
                context
                    .printer
                    .bytes(text::commit::describe(id, &commit)?.as_bytes())?;
            }
            next = commit.parent;
        }
        Ok(Exit::Done)
    }
}
