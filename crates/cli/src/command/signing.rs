//! Keys that verbs are given to sign and to look for signatures by.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use ostler_store::sign::openpgp::gpg::GpgSigner;
use ostler_store::sign::{BareKind, PublicKeys, SecretKey, Signer, read_secret_keys};

use crate::report::usage;

/// The largest file of secret keys that is read.
const MAX_KEY_FILE: u64 = 1 << 20;

/// Who signs.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SigningOptions {
    /// Sign with this OpenPGP key, by `gpg` (repeatable)
    #[arg(long, value_name = "KEY-ID", help_heading = "Signatures")]
    pub(crate) gpg_sign: Vec<String>,
    /// Where `gpg` has its keys
    #[arg(long, value_name = "HOMEDIR", help_heading = "Signatures")]
    pub(crate) gpg_homedir: Option<PathBuf>,
    /// Sign with this secret key, in base64 (repeatable); others on this host can see it: prefer --sign-from-file
    #[arg(long, value_name = "KEY", help_heading = "Signatures")]
    pub(crate) sign: Vec<String>,
    /// Sign with the secret keys in this file (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Signatures")]
    pub(crate) sign_from_file: Vec<PathBuf>,
    /// Kind of --sign and --sign-from-file: ed25519 or spki
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ed25519",
        hide_default_value = true,
        help_heading = "Signatures"
    )]
    pub(crate) sign_type: String,
}

impl SigningOptions {
    /// Finds the keys that are asked for.
    pub(crate) fn signers(&self) -> anyhow::Result<Vec<Arc<dyn Signer>>> {
        let mut signers: Vec<Arc<dyn Signer>> = Vec::new();
        for key in secret_keys(&self.sign_type, &self.sign, &self.sign_from_file)? {
            signers.push(Arc::new(key));
        }
        for id in &self.gpg_sign {
            signers.push(Arc::new(GpgSigner::find(id, self.gpg_homedir.as_deref())?));
        }
        if signers.is_empty() && self.gpg_homedir.is_some() {
            return Err(usage("--gpg-homedir needs --gpg-sign"));
        }
        Ok(signers)
    }
}

/// The secret keys that are named, in base64 and by file; `kind` is looked at only if there are any.
pub(crate) fn secret_keys(
    kind: &str,
    keys: &[String],
    files: &[PathBuf],
) -> anyhow::Result<Vec<SecretKey>> {
    let mut found = Vec::new();
    if keys.is_empty() && files.is_empty() {
        return Ok(found);
    }
    let kind: BareKind = kind.parse()?;
    for key in keys {
        found.push(kind.parse_secret(key)?);
    }
    for path in files {
        found.extend(secret_keys_in(kind, path)?);
    }
    Ok(found)
}

/// The public keys that are named, in base64 and by file.
pub(crate) fn public_keys(
    kind: BareKind,
    keys: &[String],
    file: Option<&Path>,
) -> anyhow::Result<PublicKeys> {
    let mut public = PublicKeys::new(kind);
    for key in keys {
        public.trust(key)?;
    }
    if let Some(path) = file {
        public.trust_file(path)?;
    }
    Ok(public)
}

fn secret_keys_in(kind: BareKind, path: &Path) -> anyhow::Result<Vec<SecretKey>> {
    let shown = || format!("`{}`", path.display());
    let size = fs::metadata(path).with_context(shown)?.len();
    anyhow::ensure!(
        size <= MAX_KEY_FILE,
        "{} has {size} bytes, at most {MAX_KEY_FILE} are read",
        shown()
    );
    let text = fs::read_to_string(path).with_context(shown)?;
    read_secret_keys(kind, &text).with_context(shown)
}
