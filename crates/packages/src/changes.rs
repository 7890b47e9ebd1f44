//! Two lists of packages compared.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ostler_format::CommitId;
use ostler_store::Repo;
use serde::Serialize;

use crate::database::{DatabaseError, Installed, installed_in_commit};
use crate::package::World;

/// What changes by package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageChanges {
    /// `dpkg` or `rpm`, or both where the trees differ.
    pub database: String,
    /// How many packages the first tree has.
    pub before: u64,
    /// How many the second has.
    pub after: u64,
    /// Packages of which versions came or went, by name.
    pub changes: Vec<PackageChange>,
}

/// A package that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its architecture; empty if the database says none.
    pub architecture: String,
    /// Whose package it is.
    pub database: World,
    /// What becomes of it.
    pub kind: ChangeKind,
    /// The versions that go, the oldest first; none for a package that is new.
    pub before: Vec<String>,
    /// The versions that come, the oldest first; none for a package that goes.
    pub after: Vec<String>,
}

/// What becomes of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It goes.
    Removed,
    /// Its newest version is newer than before.
    Upgraded,
    /// Its newest version is older than before.
    Downgraded,
}

/// Finds out what changes from one commit to another; `None` if neither has a package database.
///
/// # Errors
/// [`DatabaseError`].
pub fn between(
    repo: &Repo,
    from: CommitId,
    to: CommitId,
) -> Result<Option<PackageChanges>, DatabaseError> {
    let (before, after) = (
        installed_in_commit(repo, from)?,
        installed_in_commit(repo, to)?,
    );
    Ok((before.is_some() || after.is_some()).then(|| compare(before, after)))
}

/// Compares what two trees say is installed. Several versions of one package may be, as of kernels.
#[must_use]
pub fn compare(before: Option<Installed>, after: Option<Installed>) -> PackageChanges {
    let worlds: Vec<World> = [&before, &after]
        .into_iter()
        .flatten()
        .map(|side| side.database)
        .collect();
    let mut names: Vec<&str> = worlds.iter().map(|world| world.as_str()).collect();
    names.dedup();
    let count =
        |side: &Option<Installed>| side.as_ref().map_or(0, |side| side.packages.len() as u64);
    let mut changes = PackageChanges {
        database: names.join(" to "),
        before: count(&before),
        after: count(&after),
        changes: Vec::new(),
    };
    let (mut old, mut new) = (by_name(before), by_name(after));
    let keys: BTreeSet<Key> = old.keys().chain(new.keys()).cloned().collect();
    for key in keys {
        let (mut before, mut after) = (
            old.remove(&key).unwrap_or_default(),
            new.remove(&key).unwrap_or_default(),
        );
        let stays: Vec<String> = before
            .iter()
            .filter(|v| after.contains(v))
            .cloned()
            .collect();
        before.retain(|version| !stays.contains(version));
        after.retain(|version| !stays.contains(version));
        changes.changes.extend(change(key, before, after));
    }
    changes
}

fn change(key: Key, mut before: Vec<String>, mut after: Vec<String>) -> Option<PackageChange> {
    let (name, architecture, database) = key;
    let compare = |one: &String, other: &String| database.compare_versions(one, other);
    before.sort_by(compare);
    after.sort_by(compare);
    let kind = match (before.last(), after.last()) {
        (None, None) => return None,
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        (Some(old), Some(new)) => match compare(old, new) {
            Ordering::Greater => ChangeKind::Downgraded,
            _ => ChangeKind::Upgraded,
        },
    };
    Some(PackageChange {
        name,
        architecture,
        database,
        kind,
        before,
        after,
    })
}

/// Name, architecture, and whose package it is: those of two worlds have nothing to do with each other.
type Key = (String, String, World);

fn by_name(installed: Option<Installed>) -> BTreeMap<Key, Vec<String>> {
    let mut map: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let Some(Installed { database, packages }) = installed else {
        return map;
    };
    for package in packages {
        let key = (package.name, package.architecture, database);
        map.entry(key).or_default().push(package.version);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Package;

    fn installed(packages: &[(&str, &str)]) -> Option<Installed> {
        let package = |(name, version): &(&str, &str)| Package {
            name: (*name).to_owned(),
            architecture: "amd64".to_owned(),
            version: (*version).to_owned(),
        };
        Some(Installed {
            database: World::Dpkg,
            packages: packages.iter().map(package).collect(),
        })
    }

    #[test]
    fn a_version_that_stays_is_no_change_even_among_several() {
        let before = installed(&[
            ("same", "1"),
            ("kernel", "5"),
            ("kernel", "6"),
            ("gone", "1"),
        ]);
        let after = installed(&[
            ("new", "1"),
            ("kernel", "6"),
            ("kernel", "7"),
            ("same", "1"),
        ]);
        let changes = compare(before, after);
        let shown: Vec<_> = changes
            .changes
            .iter()
            .map(|c| (c.name.as_str(), c.before.join(","), c.after.join(",")))
            .collect();
        let line = |name, before: &str, after: &str| (name, before.to_owned(), after.to_owned());
        assert_eq!(
            shown,
            [
                line("gone", "1", ""),
                line("kernel", "5", "7"),
                line("new", "", "1")
            ]
        );
        assert_eq!(
            (changes.before, changes.after, changes.database.as_str()),
            (4, 4, "dpkg")
        );
        assert_eq!(compare(None, installed(&[("a", "1")])).changes.len(), 1);
    }

    #[test]
    fn newer_and_older_are_told_apart_by_the_rules_of_the_world() {
        let before = [("down", "1.10-1"), ("up", "1.9-1"), ("tilde", "1~rc1")];
        let after = [("down", "1.9-1"), ("up", "1.10-1"), ("tilde", "1")];
        let found = compare(installed(&before), installed(&after));
        let kinds: Vec<_> = found
            .changes
            .iter()
            .map(|c| (c.name.as_str(), c.kind))
            .collect();
        let expected = [
            ("down", ChangeKind::Downgraded),
            ("tilde", ChangeKind::Upgraded),
            ("up", ChangeKind::Upgraded),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn packages_of_two_worlds_are_not_compared() {
        let rpms = installed(&[("bash", "1")]).map(|mut rpms| {
            rpms.database = World::Rpm;
            rpms
        });
        let found = compare(installed(&[("bash", "2")]), rpms);
        assert_eq!(found.database, "dpkg to rpm");
        let kinds: Vec<_> = found.changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Removed, ChangeKind::Added]);
    }
}
