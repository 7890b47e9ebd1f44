//! Applying a delta whose files are at hand.

use ostler_format::{CommitId, ObjectName};

use super::apply::{PartInput, apply_part, on_threads};
use super::{DeltaError, DeltaFiles};
use crate::progress::{Event, Phase, Sink};
use crate::reachable::{Depth, Missing, Reachable};
use crate::refs::{Partial, PartialReason};
use crate::repo::Repo;
use crate::sign::Verifier;
use crate::transaction::{Transaction, TransactionOptions};

/// Applies a delta and returns the commit that it leads to; no ref is moved.
///
/// With `verifier` the superblock must be signed and the signature good; without, the repository must not ask for that by
/// `core.sign-verify-deltas`.
///
/// # Errors
/// [`DeltaError`]; the commit is then not here, or marked as partial.
pub fn apply_offline(
    repo: &Repo,
    files: &DeltaFiles,
    verifier: Option<&dyn Verifier>,
    sink: &dyn Sink,
) -> Result<CommitId, DeltaError> {
    match verifier {
        Some(verifier) => drop(files.verify(verifier)?),
        None if repo.config().sign_verify_deltas => return Err(DeltaError::NoKey),
        None => {}
    }
    let superblock = &files.superblock;
    let to = superblock.name.to;
    if let Some(from) = superblock.name.from
        && (!repo.has_object(&from.into())? || repo.is_partial(from)?)
    {
        return Err(DeltaError::NoSource { from });
    }
    if !superblock.fallbacks.is_empty() {
        let count = superblock.fallbacks.len();
        return Err(DeltaError::Fallbacks { count });
    }
    bring_whole(repo, to, |transaction| write(transaction, files, sink))?;
    Ok(to)
}

/// Takes in what `write` makes of a delta, and sees to it that the commit `to` is then whole, or marked as partial.
pub(super) fn bring_whole(
    repo: &Repo,
    to: CommitId,
    write: impl FnOnce(&Transaction<'_>) -> Result<(), DeltaError>,
) -> Result<(), DeltaError> {
    let transaction = repo.begin(TransactionOptions::default())?;
    if !repo.has_object(&ObjectName::from(to))? || repo.is_partial(to)? {
        repo.set_partial(to, Partial::Yes(PartialReason::NotFetched))?;
    }
    write(&transaction)?;
    transaction.commit()?;
    // Objects that neither the old commit nor the delta has are missing now, whatever the delta says of itself.
    check_whole(repo, to)?;
    Ok(repo.set_partial(to, Partial::No)?)
}

fn write(
    transaction: &Transaction<'_>,
    files: &DeltaFiles,
    sink: &dyn Sink,
) -> Result<(), DeltaError> {
    let superblock = &files.superblock;
    let phase = Phase::Delta;
    let bytes = superblock.parts.iter().map(|part| part.compressed_size);
    sink.event(Event::Begin {
        phase,
        objects: Some(superblock.parts.len() as u64),
        bytes: Some(bytes.fold(0, u64::saturating_add)),
    });
    let apply = |number: usize| -> Result<(), DeltaError> {
        let head = &superblock.parts[number];
        let mut file = files.part(number)?;
        let input = PartInput {
            number,
            head,
            file: &mut file,
            bare_user_only_files: false,
        };
        apply_part(transaction, input)?;
        sink.event(Event::Advance {
            phase,
            objects: 1,
            bytes: head.compressed_size,
        });
        Ok(())
    };
    on_threads(apply, |jobs, done| {
        for number in 0..superblock.parts.len() {
            // The threads receive until this end is dropped.
            let _ = jobs.send(number);
        }
        drop(jobs);
        done.iter().collect::<Result<(), _>>()
    })?;
    let to = superblock.name.to;
    transaction.write_metadata_expected(to.into(), &superblock.commit)?;
    if let Some(detached) = superblock.detached_metadata()? {
        transaction.write_detached_metadata(to, &detached)?;
    }
    sink.event(Event::End { phase });
    Ok(())
}

/// Whether all objects of a commit are here.
fn check_whole(repo: &Repo, commit: CommitId) -> Result<(), DeltaError> {
    let mut reachable = Reachable::new(repo, Missing::Error);
    reachable.add_commit(commit, Depth::Parents(0))?;
    for id in reachable.set().files() {
        let name = ObjectName::from(id);
        if !repo.has_object(&name)? {
            return Err(crate::error::StoreError::ObjectMissing { name }.into());
        }
    }
    Ok(())
}
