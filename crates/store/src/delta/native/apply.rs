//! Applying a native delta whose file is at hand.

use std::sync::Arc;

use crossbeam_channel::unbounded;
use ostler_format::{Commit, CommitId, DirMeta, DirTreeRef, Metadata, ObjectKind, ObjectName};

use super::NativeFile;
use crate::delta::DeltaError;
use crate::delta::offline::bring_whole;
use crate::error::StoreError;
use crate::pack::{Group, read_group};
use crate::parallel::for_all_on;
use crate::progress::{Event, Phase, Sink};
use crate::pull::{ObjectReceiver, PackedMetadata, Shared, Trouble};
use crate::repo::Repo;
use crate::transaction::Transaction;

/// Groups that are unpacked at once, in 48 MiB each.
const GROUPS_AT_ONCE: usize = 3;

/// Applies a delta and returns the commit that it leads to; no ref is moved.
///
/// # Errors
/// [`DeltaError::NoKey`] where `core.sign-verify-deltas` asks for signatures, which native deltas have none of: those of the commit hold.
/// [`DeltaError::NoSource`], [`DeltaError::NativeGroup`]; the commit is then not here, or marked as partial.
pub fn apply_native(
    repo: &Repo,
    native: &NativeFile,
    sink: &dyn Sink,
) -> Result<CommitId, DeltaError> {
    if repo.config().sign_verify_deltas {
        return Err(DeltaError::NoKey);
    }
    let (from, to) = (native.delta.from, native.delta.to);
    if !repo.has_object(&from.into())? || repo.is_partial(from)? {
        return Err(DeltaError::NoSource { from });
    }
    bring_whole(repo, to, |transaction| write(transaction, native, sink))?;
    Ok(to)
}

fn write(
    transaction: &Transaction<'_>,
    native: &NativeFile,
    sink: &dyn Sink,
) -> Result<(), DeltaError> {
    let groups = native.groups(transaction.repo())?;
    let phase = Phase::Delta;
    sink.event(Event::Begin {
        phase,
        objects: Some(groups.len() as u64),
        bytes: Some(groups.iter().map(|group| group.packed).sum()),
    });
    for_all_on(GROUPS_AT_ONCE, groups.len(), |number| {
        let group = &groups[number];
        write_group(transaction, native, group)?;
        sink.event(Event::Advance {
            phase,
            objects: 1,
            bytes: group.packed,
        });
        Ok::<_, DeltaError>(())
    })?;
    sink.event(Event::End { phase });
    Ok(())
}

fn write_group(
    transaction: &Transaction<'_>,
    native: &NativeFile,
    group: &Group,
) -> Result<(), DeltaError> {
    let mut wanted = Vec::new();
    for member in &group.members {
        let name = member.name.filter(|name| match transaction.has(name) {
            // What cannot be found out is made once more.
            Ok(is_here) => !is_here,
            Err(_) => true,
        });
        wanted.push(name);
    }
    if wanted.iter().all(Option::is_none) {
        return Ok(());
    }
    let (sender, metadata) = unbounded::<PackedMetadata>();
    let shared = Arc::new(Shared::new(transaction.intake().clone(), false, true));
    let mut receiver = ObjectReceiver::new(shared, sender, Arc::default());
    let read = read_group(&native.file, group, |piece| match wanted[piece.member] {
        Some(name) => receiver.take(name, group.members[piece.member].size, &piece),
        None => Ok(()),
    });
    read.map_err(|trouble| match trouble {
        Trouble::Group(error) => DeltaError::NativeGroup {
            name: native.delta.name(),
            offset: group.offset,
            problem: error.to_string(),
        },
        Trouble::Object(error) => error.into(),
    })?;
    drop(receiver);
    for PackedMetadata { name, bytes } in metadata {
        write_metadata(transaction, name, &bytes)?;
    }
    Ok(())
}

fn write_metadata(
    transaction: &Transaction<'_>,
    name: ObjectName,
    bytes: &[u8],
) -> Result<(), DeltaError> {
    let malformed = |source| StoreError::Malformed { name, source };
    // Before writing: what is hostile does not come in.
    match name.kind {
        ObjectKind::Commit => drop(Commit::parse(bytes).map_err(malformed)?),
        ObjectKind::CommitMeta => {
            Metadata::parse(bytes).map_err(malformed)?;
            let commit = CommitId::new(name.checksum);
            transaction.write_detached_metadata_bytes(commit, bytes)?;
            return Ok(());
        }
        ObjectKind::DirTree => drop(DirTreeRef::parse(bytes).map_err(malformed)?),
        _ => drop(DirMeta::parse(bytes).map_err(malformed)?),
    }
    Ok(transaction.write_metadata_named(name, bytes)?)
}
