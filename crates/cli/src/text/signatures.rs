//! Signatures in words.

use std::path::Path;

use ostler_format::{Metadata, SignatureKind};
use ostler_store::Repo;
use ostler_store::sign::TrustRoots;
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier, describe_all, trusted};

/// The keys of all remotes, of the host, and of another directory.
///
/// # Errors
/// A keyring that cannot be read.
pub(crate) fn all_keys(repo: &Repo, homedir: Option<&Path>) -> anyhow::Result<Keyring> {
    let mut keyring = trusted::of_all(repo, &TrustRoots::of_host())?;
    if let Some(homedir) = homedir {
        keyring.extend(trusted::of_homedir(homedir)?);
    }
    Ok(keyring)
}

/// Describes the OpenPGP signatures of `data`; nothing if there is none.
///
/// # Errors
/// A list of signatures that is none.
pub(crate) fn describe(data: &[u8], metadata: &Metadata, keys: Keyring) -> anyhow::Result<String> {
    let signatures = SignatureKind::OpenPgp.read(metadata)?;
    let verdicts = OpenPgpVerifier::new(keys).judge(data, &signatures);
    if verdicts.is_empty() {
        return Ok(String::new());
    }
    Ok(describe_all("Found", &verdicts))
}
