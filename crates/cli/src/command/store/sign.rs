//! `sign`: signatures of a commit by bare keys.

use std::path::PathBuf;

use anyhow::bail;
use ostler_format::CommitId;
use ostler_store::Repo;
use ostler_store::sign::{BareKind, PublicKeys, SecretKey, Signer, TrustRoots, Verifier as _};
use ostler_store::sign::{SignError, commit};

use crate::command::signing::{public_keys, secret_keys};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;

/// Options of `sign`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Look for a good signature instead of making one
    #[arg(long, conflicts_with = "delete")]
    pub(crate) verify: bool,
    /// Delete the signatures that these public keys verify
    #[arg(short, long)]
    pub(crate) delete: bool,
    /// Kind of signature: ed25519 or spki
    #[arg(
        short = 's',
        long,
        value_name = "NAME",
        default_value = "ed25519",
        hide_default_value = true
    )]
    pub(crate) sign_type: String,
    /// Take keys from this file: one in base64 a line, or for spki PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) keys_file: Option<PathBuf>,
    /// Look for trusted and revoked keys in this directory instead of /etc/ostree and /usr/share/ostree
    #[arg(long, value_name = "DIR")]
    pub(crate) keys_dir: Option<PathBuf>,
    /// Ref or commit
    #[arg(value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Keys in base64: secret ones to sign with, else public ones
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

impl Verb for Sign {
    const NAME: &'static str = "sign";
    const ABOUT: &'static str = "Sign a commit with a bare key, or look for such signatures";
    const OPERANDS: &'static str = "COMMIT [KEY...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "sign --repo=repo --keys-file=secret.ed25519 os/stable",
            says: "sign the newest commit of a ref",
        },
        Example {
            call: "sign --repo=repo --sign-type=spki --verify --keys-file=public.pem os/stable",
            says: "tell whether it is signed by a key",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Some(commit) = &self.commit else {
            return Err(usage("Need a COMMIT to sign or verify"));
        };
        let kind: BareKind = self.sign_type.parse()?;
        let repo = self.repo.open(context)?;
        let id = repo.resolve(commit)?;
        if self.verify {
            context.printer.line(self.verified(&repo, id, kind)?)?;
        } else if self.delete {
            let deleted = self.delete_signatures(&repo, id, kind)?;
            context
                .printer
                .line(format_args!("Signatures deleted: {deleted}"))?;
        } else {
            let keys = self.secret_keys()?;
            commit::sign(&repo, id, keys.iter().map(|key| key as &dyn Signer))?;
        }
        Ok(Exit::Done)
    }
}

impl Sign {
    fn secret_keys(&self) -> anyhow::Result<Vec<SecretKey>> {
        if self.keys_dir.is_some() {
            return Err(usage(
                "--keys-dir goes with --verify; it holds no secret keys",
            ));
        }
        let keys = secret_keys(&self.sign_type, &self.keys, self.keys_file.as_slice())?;
        if keys.is_empty() {
            return Err(usage("Need at least one KEY-ID to sign with"));
        }
        Ok(keys)
    }

    /// The keys that are named; if none is, those that the host trusts.
    fn public_keys(&self, kind: BareKind) -> anyhow::Result<PublicKeys> {
        let mut roots = TrustRoots::of_host();
        if let Some(dir) = &self.keys_dir {
            roots.key_dirs = vec![dir.clone()];
        }
        let mut keys = public_keys(kind, &self.keys, self.keys_file.as_deref())?;
        if self.keys_dir.is_some() || keys.is_empty() {
            keys.trust_of(&roots)?;
        } else {
            keys.revoke_of(&roots)?;
        }
        Ok(keys)
    }

    fn verified(&self, repo: &Repo, id: CommitId, kind: BareKind) -> anyhow::Result<String> {
        let keys = self.public_keys(kind)?;
        let signed = commit::read(repo, id)?;
        let signatures = keys.kind().read(&signed.detached)?;
        match keys.verify(&signed.bytes, &signatures) {
            Ok(message) => Ok(message),
            Err(error @ SignError::NoKeys { .. }) => Err(error.into()),
            Err(error) => bail!("No valid signatures found: {error}"),
        }
    }

    fn delete_signatures(
        &self,
        repo: &Repo,
        id: CommitId,
        kind: BareKind,
    ) -> anyhow::Result<usize> {
        if self.keys.is_empty() && self.keys_file.is_none() {
            return Err(usage(
                "Need at least one public key to delete signatures of",
            ));
        }
        let keys = public_keys(kind, &self.keys, self.keys_file.as_deref())?;
        let bytes = commit::read(repo, id)?.bytes;
        let made = |signature: &[u8]| keys.made(&bytes, signature);
        Ok(commit::delete(repo, id, kind.signature_kind(), made)?)
    }
}
