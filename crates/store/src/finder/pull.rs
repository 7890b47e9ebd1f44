//! Pulling what was found.

use std::collections::BTreeMap;

use ostler_format::{CollectionId, CommitId};

use super::{Finder, FoundRemote};
use crate::collections::CollectionRef;
use crate::object::Trust;
use crate::progress::Sink;
use crate::pull::{PullError, PullOptions, PullTarget, TimestampCheck, pull};
use crate::repo::Repo;

/// What came of it.
#[derive(Debug, Default)]
pub struct FoundPull {
    /// The refs that are here now, with their commits.
    pub pulled: BTreeMap<CollectionRef, CommitId>,
    /// What went wrong with whom; another may have had the refs.
    pub failures: Vec<(String, PullError)>,
}

/// Pulls each ref from the first remote that gives it: those with the newest commit first, then the others, which must not be
/// older than what is here.
///
/// Of `options` the targets and the collection are set here. Failures are in the result, not an error.
#[must_use]
pub fn pull_found(
    repo: &Repo,
    found: &[FoundRemote],
    options: &PullOptions,
    sink: &dyn Sink,
) -> FoundPull {
    let mut done = FoundPull::default();
    let turn = |remote| Turn {
        repo,
        remote,
        options,
        sink,
    };
    for remote in found {
        turn(remote).pull_all(&remote.refs, options.timestamp_check, &mut done);
    }
    for remote in found {
        turn(remote).pull_all(&remote.others, TimestampCheck::AgainstRef, &mut done);
    }
    done
}

/// One remote's turn.
struct Turn<'t> {
    repo: &'t Repo,
    remote: &'t FoundRemote,
    options: &'t PullOptions,
    sink: &'t dyn Sink,
}

impl Turn<'_> {
    /// Pulls those of `refs` that nobody has given yet, a collection at a time.
    fn pull_all(
        &self,
        refs: &BTreeMap<CollectionRef, CommitId>,
        check: TimestampCheck,
        done: &mut FoundPull,
    ) {
        let mut by_collection: BTreeMap<&CollectionId, Vec<(&CollectionRef, CommitId)>> =
            BTreeMap::new();
        for (name, commit) in refs {
            if !done.pulled.contains_key(name) {
                let list = by_collection.entry(&name.collection).or_default();
                list.push((name, *commit));
            }
        }
        for (collection, refs) in by_collection {
            if self.pull(collection, &refs, check, done) || refs.len() == 1 {
                continue;
            }
            // One bad ref must not keep the others out.
            for one in refs {
                self.pull(collection, &[one], check, done);
            }
        }
    }

    fn pull(
        &self,
        collection: &CollectionId,
        refs: &[(&CollectionRef, CommitId)],
        check: TimestampCheck,
        done: &mut FoundPull,
    ) -> bool {
        let target = |(name, commit): &(&CollectionRef, CommitId)| {
            PullTarget::RefAt(name.name.clone(), *commit)
        };
        let options = PullOptions {
            targets: refs.iter().map(target).collect(),
            collection: Some(collection.clone()),
            timestamp_check: match (self.remote.finder, check) {
                // Whoever hands over a medium chooses how old what is on it is.
                (Finder::Mount, TimestampCheck::Off) => TimestampCheck::AgainstRef,
                (_, check) => check,
            },
            trust: match self.remote.finder {
                Finder::Mount => Trust::Verify,
                Finder::Config => self.options.trust,
            },
            ..self.options.clone()
        };
        match pull(self.repo, &self.remote.remote, &options, self.sink) {
            Ok(_) => {
                let pulled = refs.iter().map(|(name, commit)| ((*name).clone(), *commit));
                done.pulled.extend(pulled);
                true
            }
            Err(error) => {
                let remote = &self.remote.remote;
                let place = remote.url.clone().unwrap_or_else(|| remote.name.clone());
                done.failures.push((place, error));
                false
            }
        }
    }
}
