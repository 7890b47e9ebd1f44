//! The signature of a summary, in a file beside it.

use ostler_format::{Metadata, SignatureKind};

use super::{SignError, Signer, commit};
use crate::error::StoreError;
use crate::repo::Repo;
use crate::summary::MAX_SUMMARY_SIZE;

/// The file's name.
pub const SIGNATURE_FILE: &str = "summary.sig";

/// Reads `summary.sig`; `None` if there is none.
///
/// # Errors
/// [`StoreError::Fs`]; parsing is the caller's, who may want the raw bytes.
pub fn read_bytes(repo: &Repo) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(repo.dir().read_optional(SIGNATURE_FILE, MAX_SUMMARY_SIZE)?)
}

/// Replaces `summary` and its signatures.
///
/// At each instant the two files belong together: while there are signatures of the old summary, the new ones are first
/// put beside them, and one good signature is enough. A summary without signatures loses those of the old one first.
///
/// # Errors
/// [`SignError`]; before anything is replaced if a signer fails.
pub fn replace<'s>(
    repo: &Repo,
    summary: &[u8],
    signers: impl IntoIterator<Item = &'s dyn Signer>,
) -> Result<(), SignError> {
    let mut signatures = Metadata::new();
    commit::add(summary, &mut signatures, signers)?;
    let durability = repo.durability();
    let put = |name: &str, bytes: &[u8]| repo.replace_file(repo.dir(), name, bytes, durability);
    if signatures.is_empty() {
        repo.dir().unlink_optional(SIGNATURE_FILE)?;
        put("summary", summary)?;
        return Ok(());
    }
    let final_bytes = signatures.to_bytes().map_err(StoreError::from)?;
    let old = read_bytes(repo)?.and_then(|bytes| Metadata::parse(&bytes).ok());
    match old.and_then(|old| both(&old, &signatures)) {
        Some(both) => put(SIGNATURE_FILE, &both)?,
        None => put(SIGNATURE_FILE, &final_bytes)?,
    }
    put("summary", summary)?;
    put(SIGNATURE_FILE, &final_bytes)?;
    Ok(())
}

/// Old and new signatures in one file, if they fit.
fn both(old: &Metadata, new: &Metadata) -> Option<Vec<u8>> {
    let mut all = Metadata::new();
    for kind in SignatureKind::ALL {
        let signatures = kind.read(old).ok()?.into_iter().chain(kind.read(new).ok()?);
        kind.write(&mut all, signatures.map(<[u8]>::to_vec).collect());
    }
    all.to_bytes().ok()
}
