//! `static-delta verify`.

use ostler_store::delta::{DeltaFiles, native};

use super::{Named, VerifyingOptions, parse_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::{hinted, usage};

/// Options of `static-delta verify`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    verifying: VerifyingOptions,
    /// FROM-TO, TO or FROM-TO.native, as `static-delta list` shows it
    #[arg(value_name = "DELTA")]
    pub(crate) delta: Option<String>,
    /// Public keys in base64
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const ABOUT: &'static str =
        "Look for a good signature of a static delta, or check what a native one gives";
    const OPERANDS: &'static str = "DELTA [KEY...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "static-delta verify --repo=repo --keys-file=public.ed25519 FROM-TO",
            says: "tell whether one of the keys signed it",
        },
        Example {
            call: "static-delta verify --repo=repo FROM-TO.native",
            says: "make all objects of a native delta, and check their checksums",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = parse_name(self.delta.as_deref())?;
        let repo = self.repo.open(context)?;
        let name = match name {
            Named::Static(name) => name,
            Named::Native(name) => {
                if self.verifying.named_keys(&self.keys)?.is_some() {
                    return Err(usage(
                        "a native delta has no signatures, its commit may have some",
                    ));
                }
                let objects = native::verify(&repo, &name).map_err(|error| {
                    let hint = "clients do without a delta that is damaged; `ostler static-delta delete` and `generate --native` make it anew";
                    hinted(error.to_string(), hint)
                })?;
                context
                    .printer
                    .line(format_args!("{objects} objects are whole"))?;
                return Ok(Exit::Done);
            }
        };
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
