//! `static-delta verify`.

use ostler_store::delta::DeltaFiles;

use super::{VerifyingOptions, parse_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta verify`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    verifying: VerifyingOptions,
    /// FROM-TO or TO, as `static-delta list` shows it
    #[arg(value_name = "DELTA")]
    pub(crate) delta: Option<String>,
    /// Public keys in base64
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const ABOUT: &'static str = "Look for a good signature of a static delta";
    const OPERANDS: &'static str = "DELTA [KEY...]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta verify --repo=repo --keys-file=public.ed25519 FROM-TO",
        says: "tell whether one of the keys signed it",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = parse_name(self.delta.as_deref())?;
        let repo = self.repo.open(context)?;
        let keys = self.verifying.keys(&self.keys)?;
        let files = DeltaFiles::of_repo(&repo, &name)?;
        match files.verify(&keys) {
            Ok(message) => {
                context.printer.line("Verification OK")?;
                context.printer.note(message);
                Ok(Exit::Done)
            }
            Err(error) => {
                context.printer.line("Verification fails")?;
                Err(error.into())
            }
        }
    }
}
