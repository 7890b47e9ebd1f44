//! Which commits of a remote are meant, and what a remote lists.

use std::collections::BTreeMap;
use std::thread;

use ostler_format::delta::DeltaName;
use ostler_format::{Checksum, CollectionId, CommitId, RefName, Summary, SummaryRef};

use super::deltas;
use super::error::PullError;
use super::options::{DeltaUse, NetworkOptions, PullOptions, PullTarget};
use super::origin::{Origin, OriginConfig};
use super::raw_summary::{RawSummary, Signature};
use super::session::Destination;
use super::targets::Targets;
use super::{Location, local, locate};
use crate::error::StoreError;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::sign::{RemoteVerifier, TrustRoots, Verified};

/// What was found out before the first object is fetched.
pub(crate) struct Resolved {
    pub(crate) targets: Targets,
    pub(crate) config: OriginConfig,
    /// The deltas that the summary lists; `None` without a summary.
    pub(crate) deltas: Option<Vec<(DeltaName, Checksum)>>,
    /// The summary that a mirror of everything keeps, too.
    pub(crate) mirrored_summary: Option<RawSummary>,
}

/// Finds out which commits are meant. A remote that has a summary is asked nothing else: what that does not list, it has not.
pub(crate) fn resolve(
    origin: &Origin,
    remote: &Remote,
    options: &PullOptions,
    destination: impl FnOnce(&OriginConfig) -> Destination,
) -> Result<Resolved, PullError> {
    let mut wanted = options.targets.clone();
    if wanted.is_empty() {
        for branch in &remote.branches {
            wanted.push(branch.parse()?);
        }
    }
    if wanted.is_empty() && !options.mirror {
        return Err(PullError::NoBranches {
            remote: origin.name.clone(),
        });
    }
    let asked = wanted.iter().any(|target| asked_by_name(target).is_some());
    let signature = match wanted.is_empty() {
        true => Signature::Wanted,
        false => Signature::IfAskedFor,
    };
    let needs_summary =
        asked || signature == Signature::Wanted || origin.verifier.asks_of_summaries();
    let (config, summary) = thread::scope(|scope| {
        let config = scope.spawn(|| origin.config());
        let summary = match (needs_summary, options.deltas) {
            (true, _) | (false, DeltaUse::Required) => origin.summary(signature),
            // For the deltas that it lists alone: without it there are none.
            (false, DeltaUse::WherePossible) => Ok(origin.summary(signature).unwrap_or(None)),
            (false, DeltaUse::Never) => Ok(None),
        };
        (
            config.join().expect("fetching the config does not panic"),
            summary,
        )
    });
    // The first thing that a server without a repository lacks is its `config`.
    let config = config?;
    let summary = summary?;
    let destination = destination(&config);
    if wanted.is_empty() {
        return all_refs(origin, config, &destination, summary);
    }
    let targets = Targets::default();
    let targets = named(origin, &wanted, summary.as_ref(), &destination, targets)?;
    let listed = summary
        .as_ref()
        .map(|summary| deltas::listed_in(&summary.parsed));
    Ok(Resolved {
        targets,
        config,
        deltas: listed,
        mirrored_summary: None,
    })
}

fn asked_by_name(target: &PullTarget) -> Option<RefName> {
    match target {
        PullTarget::Ref(name) => Some(name.clone()),
        PullTarget::RefAt(..) | PullTarget::Commit(_) => None,
    }
}

/// Adds what was asked for by name or by commit.
fn named(
    origin: &Origin,
    wanted: &[PullTarget],
    summary: Option<&RawSummary>,
    destination: &Destination,
    mut targets: Targets,
) -> Result<Targets, PullError> {
    let names: Vec<_> = wanted.iter().filter_map(asked_by_name).collect();
    let found = match summary {
        Some(_) => BTreeMap::new(),
        None => read_refs(origin, &names)?,
    };
    for target in wanted {
        match (target, summary) {
            (PullTarget::Commit(id), _) => targets.add_commit(*id),
            (PullTarget::RefAt(name, id), _) => targets.add_ref(destination, name, *id),
            (PullTarget::Ref(name), None) => targets.add_ref(destination, name, found[name]),
            (PullTarget::Ref(name), Some(summary)) => {
                let entry = listed(origin, summary, name)?;
                targets.add_listed(destination, name, entry);
            }
        }
    }
    Ok(targets)
}

/// Finds a ref in the summary.
fn listed<'s>(
    origin: &Origin,
    summary: &'s RawSummary,
    name: &RefName,
) -> Result<&'s SummaryRef, PullError> {
    let entry = summary.parsed.find(name.as_str());
    entry.ok_or_else(|| PullError::NotInSummary {
        remote: origin.name.clone(),
        name: name.to_string(),
    })
}

/// Reads the files of refs, for want of a summary.
fn read_refs(origin: &Origin, names: &[RefName]) -> Result<BTreeMap<RefName, CommitId>, PullError> {
    let mut commits = BTreeMap::new();
    for (name, commit) in names.iter().zip(origin.read_refs(names)?) {
        let commit = commit.ok_or_else(|| PullError::RefMissing {
            remote: origin.name.clone(),
            name: name.to_string(),
        })?;
        commits.insert(name.clone(), commit);
    }
    Ok(commits)
}

fn all_refs(
    origin: &Origin,
    config: OriginConfig,
    destination: &Destination,
    summary: Option<RawSummary>,
) -> Result<Resolved, PullError> {
    let Some(summary) = summary else {
        return Err(PullError::NoSummary {
            remote: origin.name.clone(),
        });
    };
    let mut targets = Targets::default();
    add_all(&mut targets, destination, &summary.parsed.refs)?;
    let malformed = |source| PullError::Summary {
        remote: origin.name.clone(),
        source,
    };
    for (collection, refs) in summary.parsed.collection_map().map_err(malformed)? {
        let collection = CollectionId::new(collection).map_err(StoreError::from)?;
        add_all(&mut targets, &Destination::Mirror(collection), &refs)?;
    }
    Ok(Resolved {
        targets,
        config,
        deltas: Some(deltas::listed_in(&summary.parsed)),
        mirrored_summary: Some(summary),
    })
}

fn add_all(
    targets: &mut Targets,
    destination: &Destination,
    refs: &[SummaryRef],
) -> Result<(), PullError> {
    for entry in refs {
        let name = RefName::new(entry.name.as_str()).map_err(StoreError::from)?;
        targets.add_listed(destination, &name, entry);
    }
    Ok(())
}

/// Asks a remote which commit one of its refs points to; nothing is written.
///
/// # Errors
/// [`PullError::RefMissing`] if it has no such ref.
pub fn remote_ref(
    repo: &Repo,
    remote: &Remote,
    name: &RefName,
    network: &NetworkOptions,
) -> Result<CommitId, PullError> {
    match locate(remote, network)? {
        Location::Local(path) => {
            let source = Repo::open(path)?;
            let verifier = RemoteVerifier::for_remote(repo, remote, &TrustRoots::of_host())?;
            local::read_ref(&source, name, &verifier)?.ok_or_else(|| PullError::RefMissing {
                remote: remote.name.clone(),
                name: name.to_string(),
            })
        }
        Location::Http => {
            let origin = Origin::open(repo, remote, network)?;
            let summary = origin.summary(Signature::IfAskedFor)?;
            match summary {
                Some(summary) => Ok(listed(&origin, &summary, name)?.commit),
                None => Ok(read_refs(&origin, std::slice::from_ref(name))?[name]),
            }
        }
    }
}

/// A remote's summary.
#[derive(Clone, Debug)]
pub struct RemoteSummary {
    /// As it came.
    pub bytes: Vec<u8>,
    /// What it says.
    pub parsed: Summary,
    /// What was found of the signatures that the remote's configuration asks for.
    pub verified: Verified,
}

/// Fetches a remote's summary; `None` if it has none.
///
/// # Errors
/// [`PullError`]; among others [`PullError::SummaryRefused`] for one that should be signed.
pub fn remote_summary(
    repo: &Repo,
    remote: &Remote,
    network: &NetworkOptions,
) -> Result<Option<RemoteSummary>, PullError> {
    if remote.metalink.is_none() {
        remote.require_url()?;
    }
    let verifier = RemoteVerifier::for_remote(repo, remote, &TrustRoots::of_host())?;
    let (bytes, parsed, signature) = match locate(remote, network)? {
        Location::Local(path) => {
            let source = Repo::open(path)?;
            let Some(bytes) = crate::summary::read_bytes(&source)? else {
                verifier.no_summary()?;
                return Ok(None);
            };
            let parsed = Summary::parse(&bytes).map_err(|source| PullError::Summary {
                remote: remote.name.clone(),
                source,
            })?;
            (bytes, parsed, crate::sign::summary::read_bytes(&source)?)
        }
        Location::Http => {
            let origin = Origin::open(repo, remote, network)?;
            let Some(summary) = origin.summary(Signature::IfAskedFor)? else {
                return Ok(None);
            };
            (summary.bytes, summary.parsed, summary.signature)
        }
    };
    let verified = verifier.summary(&bytes, signature.as_deref())?;
    Ok(Some(RemoteSummary {
        bytes,
        parsed,
        verified,
    }))
}
