//! `gpg-sign`: OpenPGP signatures of a commit.

use std::path::PathBuf;

use ostler_format::{CommitId, SignatureKind};
use ostler_store::Repo;
use ostler_store::sign::openpgp::gpg::{self, GpgSigner};
use ostler_store::sign::openpgp::{Keyring, trusted};
use ostler_store::sign::{TrustRoots, commit};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;

/// Options of `gpg-sign`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GpgSign {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Delete the signatures of these keys
    #[arg(short, long)]
    pub(crate) delete: bool,
    /// Where `gpg` has its keys
    #[arg(long, value_name = "HOMEDIR")]
    pub(crate) gpg_homedir: Option<PathBuf>,
    /// Ref or commit
    #[arg(value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Keys by fingerprint or key id
    #[arg(value_name = "KEY-ID")]
    pub(crate) keys: Vec<String>,
}

impl Verb for GpgSign {
    const NAME: &'static str = "gpg-sign";
    const ABOUT: &'static str = "Sign a commit with OpenPGP keys, by the program gpg";
    const OPERANDS: &'static str = "COMMIT KEY-ID...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "gpg-sign --repo=repo --gpg-homedir=keys os/stable 5E65DE75AB1C501862D476347FCA23D8472CDAFA",
            says: "sign the newest commit of a ref",
        },
        Example {
            call: "gpg-sign --repo=repo --delete os/stable 472CDAFA",
            says: "take a key's signature away again",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Some(commit) = &self.commit else {
            return Err(usage("Need a COMMIT to sign"));
        };
        if self.keys.is_empty() {
            return Err(usage("Need at least one GPG KEY-ID to sign with"));
        }
        let repo = self.repo.open(context)?;
        let id = repo.resolve(commit)?;
        if self.delete {
            let deleted = self.delete_signatures(&repo, id)?;
            context
                .printer
                .line(format_args!("Signatures deleted: {deleted}"))?;
            return Ok(Exit::Done);
        }
        let mut signers = Vec::new();
        for key in &self.keys {
            signers.push(GpgSigner::find(key, self.gpg_homedir.as_deref())?);
        }
        commit::sign_by_gpg(&repo, id, &signers)?;
        Ok(Exit::Done)
    }
}

impl GpgSign {
    /// Deletes by what the signatures say of themselves; a name or a certificate's other key is looked up in keyrings.
    fn delete_signatures(&self, repo: &Repo, id: CommitId) -> anyhow::Result<usize> {
        let mut keyring = trusted::of_all(repo, &TrustRoots::of_host())?;
        if let Some(homedir) = &self.gpg_homedir {
            keyring.extend(trusted::of_homedir(homedir)?);
        }
        let mut fingerprints = Vec::new();
        for key in &self.keys {
            let found = keyring.select(std::slice::from_ref(key));
            fingerprints.extend(found.unwrap_or_else(|_| Keyring::default()).fingerprints());
        }
        let is_meant = |signature: &[u8]| {
            gpg::is_by(signature, &fingerprints)
                || self.keys.iter().any(|key| gpg::is_named(signature, key))
        };
        Ok(commit::delete(repo, id, SignatureKind::OpenPgp, is_meant)?)
    }
}
