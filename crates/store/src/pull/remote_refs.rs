//! Which commits of a remote are meant, and what a remote lists.

use std::collections::BTreeMap;
use std::thread;

use ostler_format::{CollectionId, CommitId, RefName, Summary, SummaryRef};

use super::error::PullError;
use super::options::{NetworkOptions, PullOptions, PullTarget};
use super::origin::{Origin, OriginConfig, RawSummary};
use super::session::{Destination, Targets};
use super::summary_cache::SummaryStore;
use super::{Location, locate};
use crate::error::StoreError;
use crate::refs::RefKey;
use crate::remote::Remote;
use crate::repo::Repo;

/// What was found out before the first object is fetched.
pub(crate) struct Resolved {
    pub(crate) targets: Targets,
    pub(crate) config: OriginConfig,
    /// The summary that a mirror of everything keeps, too.
    pub(crate) mirrored_summary: Option<RawSummary>,
}

/// Finds out which commits are meant, with as few requests as it takes.
pub(crate) fn resolve(
    origin: &Origin,
    remote: &Remote,
    options: &PullOptions,
    destination: impl FnOnce(&OriginConfig) -> Destination,
    store: &SummaryStore,
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
    let names: Vec<_> = wanted.iter().filter_map(asked_by_name).collect();
    let (config, found) = thread::scope(|scope| {
        let config = scope.spawn(|| origin.config());
        let found = origin.read_refs(&names);
        (
            config.join().expect("fetching the config does not panic"),
            found,
        )
    });
    let config = config?;
    let mut found: BTreeMap<_, _> = names.into_iter().zip(found?).collect();
    let destination = destination(&config);
    if wanted.is_empty() {
        return all_refs(origin, config, &destination, store);
    }
    if found.values().any(Option::is_none) {
        look_up_in_summary(origin, store, &mut found)?;
    }
    let mut targets = Targets::default();
    for target in &wanted {
        match target {
            PullTarget::Commit(id) => targets.add_commit(*id),
            PullTarget::RefAt(name, id) => targets.add_ref(&destination, name, *id),
            PullTarget::Ref(name) => match found.get(name).copied().flatten() {
                Some(id) => targets.add_ref(&destination, name, id),
                None => {
                    return Err(PullError::RefMissing {
                        remote: origin.name.clone(),
                        name: name.to_string(),
                    });
                }
            },
        }
    }
    Ok(Resolved {
        targets,
        config,
        mirrored_summary: None,
    })
}

fn asked_by_name(target: &PullTarget) -> Option<RefName> {
    match target {
        PullTarget::Ref(name) => Some(name.clone()),
        PullTarget::RefAt(..) | PullTarget::Commit(_) => None,
    }
}

/// Not every server has the refs as files.
fn look_up_in_summary(
    origin: &Origin,
    store: &SummaryStore,
    found: &mut BTreeMap<RefName, Option<CommitId>>,
) -> Result<(), PullError> {
    let Some(summary) = origin.summary(store)? else {
        return Ok(());
    };
    for (name, id) in found.iter_mut().filter(|(_, id)| id.is_none()) {
        *id = summary.parsed.find(name.as_str()).map(|entry| entry.commit);
    }
    Ok(())
}

fn all_refs(
    origin: &Origin,
    config: OriginConfig,
    destination: &Destination,
    store: &SummaryStore,
) -> Result<Resolved, PullError> {
    let Some(summary) = origin.summary(store)? else {
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
        targets.add_ref(destination, &name, entry.commit);
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
    let found = match locate(remote, network)? {
        Location::Local(path) => Repo::open(path)?.read_ref(&RefKey::Head(name.clone()))?,
        Location::Http => {
            let origin = Origin::open(repo, remote, network)?;
            let commit = origin
                .read_refs(std::slice::from_ref(name))?
                .into_iter()
                .next()
                .flatten();
            let mut found = BTreeMap::from([(name.clone(), commit)]);
            if commit.is_none() {
                let store = SummaryStore::for_remote(repo, remote, network);
                look_up_in_summary(&origin, &store, &mut found)?;
            }
            found.into_values().next().flatten()
        }
    };
    found.ok_or_else(|| PullError::RefMissing {
        remote: remote.name.clone(),
        name: name.to_string(),
    })
}

/// Fetches a remote's summary: its bytes, and what they say; `None` if it has none.
///
/// # Errors
/// [`PullError`]; among others a summary that should be signed, as nothing here can check that.
pub fn remote_summary(
    repo: &Repo,
    remote: &Remote,
    network: &NetworkOptions,
) -> Result<Option<(Vec<u8>, Summary)>, PullError> {
    if remote.metalink.is_none() {
        remote.require_url()?;
    }
    match locate(remote, network)? {
        Location::Local(path) => {
            let source = Repo::open(path)?;
            let Some(bytes) = crate::summary::read_bytes(&source)? else {
                return Ok(None);
            };
            let parsed = Summary::parse(&bytes).map_err(|source| PullError::Summary {
                remote: remote.name.clone(),
                source,
            })?;
            Ok(Some((bytes, parsed)))
        }
        Location::Http => {
            let origin = Origin::open(repo, remote, network)?;
            let store = SummaryStore::for_remote(repo, remote, network);
            let summary = origin.summary(&store)?;
            Ok(summary.map(|summary| (summary.bytes, summary.parsed)))
        }
    }
}
