//! Which of several offers is taken. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ostler_format::CommitId;

use super::{Finder, OfferedRefs};
use crate::collections::CollectionRef;
use crate::remote::Remote;

/// A commit that somebody has for a ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The commit.
    pub commit: CommitId,
    /// When it was made, in seconds since 1970-01-01 UTC, as whoever offers it says.
    pub timestamp: Option<u64>,
}

/// What one remote or medium has.
#[derive(Clone, Debug)]
pub struct Offer {
    /// How it is pulled from.
    pub remote: Remote,
    /// Who found it.
    pub finder: Finder,
    /// When its summary was written, in seconds since 1970-01-01 UTC.
    pub last_modified: Option<u64>,
    /// Its refs, those that nobody asked for, too.
    pub refs: OfferedRefs,
}

/// A remote or medium that has something that is wanted.
#[derive(Clone, Debug)]
pub struct FoundRemote {
    /// How it is pulled from.
    pub remote: Remote,
    /// Who found it.
    pub finder: Finder,
    /// When its summary was written, in seconds since 1970-01-01 UTC.
    pub last_modified: Option<u64>,
    /// The wanted refs of which it has the newest commit.
    pub refs: BTreeMap<CollectionRef, CommitId>,
    /// The wanted refs of which it has another commit, for when the newest cannot be had.
    pub others: BTreeMap<CollectionRef, CommitId>,
}

/// Finds who has the newest commit of each ref in `wanted`. Who has none of them is left out; what is nearer comes first, then who has more
/// of what is wanted, then who is configured first. Of commits of the same second, those that are not here (`is_here`) count as
/// newer: one that is here has had its turn.
#[must_use]
pub fn choose(
    offers: Vec<Offer>,
    wanted: &[CollectionRef],
    is_here: impl Fn(CommitId) -> bool,
) -> Vec<FoundRemote> {
    let age = |offered: &Offered| (offered.timestamp, !is_here(offered.commit));
    let mut newest: BTreeMap<&CollectionRef, (Option<u64>, bool)> = BTreeMap::new();
    for name in wanted {
        let all = offers.iter().filter_map(|offer| offer.refs.get(name));
        if let Some(age) = all.map(age).max() {
            newest.insert(name, age);
        }
    }
    let mut found: Vec<FoundRemote> = offers
        .into_iter()
        .map(|offer| {
            let (mut refs, mut others) = (BTreeMap::new(), BTreeMap::new());
            for name in wanted {
                let Some(offered) = offer.refs.get(name) else {
                    continue;
                };
                let is_newest = newest.get(name) == Some(&age(offered));
                let list = if is_newest { &mut refs } else { &mut others };
                list.insert(name.clone(), offered.commit);
            }
            FoundRemote {
                remote: offer.remote,
                finder: offer.finder,
                last_modified: offer.last_modified,
                refs,
                others,
            }
        })
        .filter(|found| !(found.refs.is_empty() && found.others.is_empty()))
        .collect();
    found.sort_by_key(|found| {
        (
            found.refs.is_empty(),
            found.finder.priority(),
            Reverse(found.refs.len()),
        )
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::{Checksum, CollectionId, RefName};

    fn named(name: &str) -> CollectionRef {
        CollectionRef {
            collection: CollectionId::new("org.example.Os").unwrap(),
            name: RefName::new(name).unwrap(),
        }
    }

    fn offer(name: &str, finder: Finder, refs: &[(&str, u8, Option<u64>)]) -> Offer {
        let mut remote = Remote::for_file_url("file:///r");
        name.clone_into(&mut remote.name);
        let refs = refs.iter().map(|(name, commit, timestamp)| {
            let commit = CommitId::new(Checksum::new([*commit; 32]));
            let timestamp = *timestamp;
            (named(name), Offered { commit, timestamp })
        });
        Offer {
            remote,
            finder,
            last_modified: None,
            refs: refs.collect(),
        }
    }

    fn nothing(_: CommitId) -> bool {
        false
    }

    fn names(found: &[FoundRemote]) -> Vec<(&str, usize, usize)> {
        let line = |f: &'_ FoundRemote| (f.refs.len(), f.others.len());
        found
            .iter()
            .map(|f| (f.remote.name.as_str(), line(f).0, line(f).1))
            .collect()
    }

    #[test]
    fn the_newest_commit_wins_and_an_older_one_is_kept_for_need() {
        let offers = vec![
            offer(
                "usb",
                Finder::Mount,
                &[("a", 1, Some(5)), ("b", 2, Some(9))],
            ),
            offer("net", Finder::Config, &[("a", 3, Some(6)), ("c", 4, None)]),
        ];
        let found = choose(offers, &[named("a"), named("b"), named("z")], nothing);
        assert_eq!(names(&found), [("usb", 1, 1), ("net", 1, 0)]);
        assert_eq!(found[1].refs.keys().next(), Some(&named("a")));
    }

    #[test]
    fn of_commits_of_one_second_the_one_that_is_not_here_is_newer() {
        let offers = || {
            vec![
                offer("old", Finder::Mount, &[("a", 1, Some(5))]),
                offer("new", Finder::Config, &[("a", 2, Some(5))]),
            ]
        };
        let first = |commit: CommitId| commit.checksum().as_bytes()[0] == 1;
        let found = choose(offers(), &[named("a")], first);
        assert_eq!(names(&found), [("new", 1, 0), ("old", 0, 1)]);
        let found = choose(offers(), &[named("a")], nothing);
        assert_eq!(names(&found), [("old", 1, 0), ("new", 1, 0)]);
    }

    #[test]
    fn a_time_that_is_not_known_is_older_than_any() {
        let offers = vec![
            offer("x", Finder::Config, &[("a", 1, None)]),
            offer("y", Finder::Config, &[("a", 2, Some(0))]),
        ];
        let found = choose(offers, &[named("a")], nothing);
        assert_eq!(names(&found), [("y", 1, 0), ("x", 0, 1)]);
    }

    #[test]
    fn who_has_the_same_commit_is_asked_by_nearness_and_by_how_much_it_has() {
        let same = ("a", 1, Some(1));
        let offers = vec![
            offer("net", Finder::Config, &[same]),
            offer("more", Finder::Config, &[same, ("b", 2, Some(1))]),
            offer("usb", Finder::Mount, &[same]),
            offer("none", Finder::Mount, &[("z", 1, Some(1))]),
        ];
        let found = choose(offers, &[named("a"), named("b")], nothing);
        assert_eq!(
            names(&found),
            [("usb", 1, 0), ("more", 2, 0), ("net", 1, 0)]
        );
    }
}
