//! Which delta is used for a commit.

use ostler_format::delta::{DeltaName, Superblock};
use ostler_format::{Checksum, CommitId};

use super::super::error::PullError;
use super::super::options::DeltaUse;
use super::super::session::Session;
use super::DeltaSource;
use crate::delta::{DeltaError, parse_superblock};

/// What there is for a commit.
pub(super) enum Found {
    Delta(Box<Superblock>),
    /// No delta that can be used, and why, in words.
    Nothing(&'static str),
}

/// Finds the delta to use, and reads and checks its superblock.
pub(super) fn find(
    session: &Session<'_>,
    source: &dyn DeltaSource,
    to: CommitId,
) -> Result<Found, PullError> {
    let Some(listed) = source.to(to)? else {
        return guess(session, source, to);
    };
    if listed.is_empty() {
        return Ok(Found::Nothing("the remote lists no static delta to it"));
    }
    let Some((name, expected)) = choose(session, listed, to)? else {
        return Ok(Found::Nothing("no static delta leads from what is here"));
    };
    let Some(bytes) = source.superblock(&name, Some(expected))? else {
        return Ok(Found::Nothing("the static delta that is listed is gone"));
    };
    let actual = Checksum::of(&bytes);
    if actual != expected {
        return Err(PullError::DeltaChecksum { name, actual });
    }
    open(session, name, bytes)
}

/// Tries, where nothing says which deltas there are, those from what the refs point to, else the one from nothing.
fn guess(
    session: &Session<'_>,
    source: &dyn DeltaSource,
    to: CommitId,
) -> Result<Found, PullError> {
    let current = session.current_of(to)?.into_iter().map(Some);
    let mut starts: Vec<_> = current.collect();
    if session.options.deltas == DeltaUse::Required || !session.has_refs_to(to)? {
        starts.push(None);
    }
    for from in starts {
        let name = DeltaName { to, from };
        if let Some(bytes) = source.superblock(&name, None)? {
            return open(session, name, bytes);
        }
    }
    Ok(Found::Nothing("no static delta leads from what is here"))
}

/// Parses a superblock and verifies its signatures; it is none if it is not signed as it has to be, and objects do as well.
fn open(session: &Session<'_>, name: DeltaName, bytes: Vec<u8>) -> Result<Found, PullError> {
    let actual = Checksum::of(&bytes);
    let (superblock, signed) = parse_superblock(bytes)?;
    if superblock.name != name {
        return Err(PullError::DeltaChecksum { name, actual });
    }
    if !superblock.prerequisites.is_empty() {
        return Err(DeltaError::Prerequisites.into());
    }
    let is_signed = session.verify_delta(signed.as_ref());
    let is_signed = is_signed.map_err(DeltaError::from)?;
    if is_signed || !session.transaction.repo().config().sign_verify_deltas {
        return Ok(Found::Delta(Box::new(superblock)));
    }
    match session.options.deltas {
        DeltaUse::Required => Err(DeltaError::NoKey.into()),
        DeltaUse::WherePossible | DeltaUse::Never => {
            Ok(Found::Nothing("the static delta is not signed"))
        }
    }
}

/// The delta from the newest commit that is here whole; one from nothing only where nothing is here that the ref had before.
fn choose(
    session: &Session<'_>,
    listed: Vec<(DeltaName, Checksum)>,
    to: CommitId,
) -> Result<Option<(DeltaName, Checksum)>, PullError> {
    let repo = session.transaction.repo();
    let mut newest: Option<(u64, DeltaName, Checksum)> = None;
    let mut from_nothing = None;
    for (name, checksum) in listed {
        let Some(from) = name.from else {
            from_nothing = Some((name, checksum));
            continue;
        };
        if from == to || !repo.has_object(&from.into())? || repo.is_partial(from)? {
            continue;
        }
        let timestamp = repo.read_commit(from)?.timestamp;
        if newest.is_none_or(|(before, _, _)| timestamp > before) {
            newest = Some((timestamp, name, checksum));
        }
    }
    if let Some((_, name, checksum)) = newest {
        return Ok(Some((name, checksum)));
    }
    let is_required = session.options.deltas == DeltaUse::Required;
    let use_it = is_required || !session.has_refs_to(to)?;
    Ok(from_nothing.filter(|_| use_it))
}
