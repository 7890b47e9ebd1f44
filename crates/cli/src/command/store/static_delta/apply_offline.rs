//! `static-delta apply-offline`.

use std::path::PathBuf;

use ostler_store::delta::native::{NativeFile, apply_native};
use ostler_store::delta::{self, DeltaFiles};
use ostler_store::sign::Verifier;

use super::VerifyingOptions;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::usage;

/// Options of `static-delta apply-offline`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ApplyOffline {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    #[command(flatten)]
    verifying: VerifyingOptions,
    /// Folder of the delta's files, the file of its superblock, or a native delta
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Public keys in base64, one of which must have signed it
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

impl Verb for ApplyOffline {
    const NAME: &'static str = "apply-offline";
    const ABOUT: &'static str = "Bring the commit that a static delta leads to into a repository";
    const OPERANDS: &'static str = "PATH [KEY...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "static-delta apply-offline --repo=repo /media/stick/update.delta",
            says: "the repository must have the commit that it starts from",
        },
        Example {
            call: "static-delta apply-offline --repo=repo --keys-file=public.ed25519 update.delta",
            says: "only if it is signed by one of the keys",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let path = self.path.as_ref();
        let path = path.ok_or_else(|| usage("PATH must be specified"))?;
        let repo = self.repo.open(context)?;
        let keys = self.verifying.named_keys(&self.keys)?;
        let sink = context.sink();
        let commit = match NativeFile::at_path(path)? {
            Some(_) if keys.is_some() => {
                return Err(usage(
                    "a native delta has no signatures, its commit may have some",
                ));
            }
            Some(native) => apply_native(&repo, &native, sink.as_ref())?,
            None => {
                let verifier = keys.as_ref().map(|keys| keys as &dyn Verifier);
                let files = DeltaFiles::at_path(path)?;
                delta::apply_offline(&repo, &files, verifier, sink.as_ref())?
            }
        };
        drop(sink);
        context
            .printer
            .note(format_args!("commit {commit} is here"));
        Ok(Exit::Done)
    }
}
