//! Signatures of a commit, in its detached metadata.

use ostler_format::{CommitId, Metadata, ObjectName, SignatureKind};

use super::openpgp::gpg::GpgSigner;
use super::{SignError, Signer};
use crate::error::StoreError;
use crate::repo::Repo;
use crate::transaction::TransactionOptions;

/// A commit as it is signed.
pub struct SignedCommit {
    /// The bytes that signatures are over.
    pub bytes: Vec<u8>,
    /// What is stored beside it, signatures included.
    pub detached: Metadata,
}

/// Reads a commit and what is stored beside it.
///
/// # Errors
/// [`StoreError::ObjectMissing`].
pub fn read(repo: &Repo, id: CommitId) -> Result<SignedCommit, StoreError> {
    let name = ObjectName::from(id);
    Ok(SignedCommit {
        bytes: repo.read_metadata(&name)?,
        detached: repo.read_detached_metadata(id)?.unwrap_or_default(),
    })
}

/// Adds a signature by each signer to `metadata`, which stands beside what is signed.
///
/// # Errors
/// [`SignError`]; `metadata` may have some of the signatures then.
pub fn add<'s>(
    data: &[u8],
    metadata: &mut Metadata,
    signers: impl IntoIterator<Item = &'s dyn Signer>,
) -> Result<(), SignError> {
    for signer in signers {
        let kind = signer.kind();
        let before = kind.read(metadata)?;
        let mut signatures: Vec<_> = before.into_iter().map(<[u8]>::to_vec).collect();
        signatures.push(signer.sign(data)?);
        kind.write(metadata, signatures);
    }
    Ok(())
}

/// Signs a commit; what was signed before stays.
///
/// # Errors
/// [`SignError`]; nothing is changed then.
pub fn sign<'s>(
    repo: &Repo,
    id: CommitId,
    signers: impl IntoIterator<Item = &'s dyn Signer>,
) -> Result<(), SignError> {
    let SignedCommit {
        bytes,
        mut detached,
    } = read(repo, id)?;
    add(&bytes, &mut detached, signers)?;
    write(repo, id, &detached)
}

/// Signs a commit with keys that `gpg` holds.
///
/// # Errors
/// [`SignError::SignedAlready`]; nothing is changed then.
pub fn sign_by_gpg(repo: &Repo, id: CommitId, signers: &[GpgSigner]) -> Result<(), SignError> {
    let SignedCommit { detached, .. } = read(repo, id)?;
    let before = SignatureKind::OpenPgp.read(&detached)?;
    if let Some(signer) = signers
        .iter()
        .find(|signer| signer.has_made_one_of(&before))
    {
        return Err(SignError::SignedAlready {
            id: signer.id().to_owned(),
        });
    }
    sign(repo, id, signers.iter().map(|signer| signer as &dyn Signer))
}

/// Deletes the signatures of one kind that `is_meant` says so of, and returns how many.
///
/// # Errors
/// [`SignError`]; nothing is changed then.
pub fn delete(
    repo: &Repo,
    id: CommitId,
    kind: SignatureKind,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Result<usize, SignError> {
    let mut detached = read(repo, id)?.detached;
    let before = kind.read(&detached)?;
    let count = before.len();
    let kept = before.into_iter().filter(|signature| !is_meant(signature));
    let kept: Vec<_> = kept.map(<[u8]>::to_vec).collect();
    let deleted = count - kept.len();
    if deleted > 0 {
        kind.write(&mut detached, kept);
        // Written even if it is empty now, so that those who have the signatures learn of it.
        write(repo, id, &detached)?;
    }
    Ok(deleted)
}

fn write(repo: &Repo, id: CommitId, detached: &Metadata) -> Result<(), SignError> {
    let transaction = repo.begin(TransactionOptions::default())?;
    transaction.write_detached_metadata(id, detached)?;
    transaction.commit()?;
    Ok(())
}
