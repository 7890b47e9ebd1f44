//! Signatures in words.

use std::path::Path;

use ostler_format::{Metadata, SignatureKind};
use ostler_store::Repo;
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier, describe_all, trusted};
use ostler_store::sign::{BareKind, PublicKeys, TrustRoots, Verifier as _};

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

/// Describes the signatures of `data` by bare keys, a line for each, by all keys that the host or a remote trusts.
///
/// # Errors
/// A list of signatures that is none, or remotes that cannot be read.
pub(crate) fn describe_bare(
    repo: &Repo,
    data: &[u8],
    metadata: &Metadata,
) -> anyhow::Result<String> {
    let remotes = repo.remotes(repo.remotes_dir(None).as_deref())?;
    let mut text = String::new();
    for kind in BareKind::ALL {
        let signatures = kind.signature_kind().read(metadata)?;
        if signatures.is_empty() {
            continue;
        }
        let keys = PublicKeys::of_all(&remotes, kind, &TrustRoots::of_host())?;
        for signature in signatures {
            let verdict = match keys.verify(data, &[signature]) {
                Ok(message) => message,
                Err(_) => format!("{}: Signature by no key that is trusted here", kind.name()),
            };
            text.push_str(&verdict);
            text.push('\n');
        }
    }
    Ok(text)
}
