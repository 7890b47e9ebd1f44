//! Two lists of packages compared. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Installed;

/// What changes by package.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its architecture; empty if the database says none.
    pub architecture: String,
    /// The versions that go; none for a package that is new.
    pub before: Vec<String>,
    /// The versions that come; none for a package that goes.
    pub after: Vec<String>,
}

/// Compares what two trees say is installed. Several versions of one package may be, as of kernels.
pub(super) fn compare(before: Option<Installed>, after: Option<Installed>) -> PackageChanges {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut names = vec![before.database, after.database];
    names.retain(|name| !name.is_empty());
    names.dedup();
    let counts = (before.packages.len() as u64, after.packages.len() as u64);
    let (mut old, mut new) = (by_name(before), by_name(after));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    let mut changes = Vec::new();
    for key in keys {
        let (mut before, mut after) = (
            old.remove(&key).unwrap_or_default(),
            new.remove(&key).unwrap_or_default(),
        );
        let both: Vec<String> = before
            .iter()
            .filter(|v| after.contains(v))
            .cloned()
            .collect();
        before.retain(|version| !both.contains(version));
        after.retain(|version| !both.contains(version));
        if !(before.is_empty() && after.is_empty()) {
            let (name, architecture) = key;
            changes.push(PackageChange {
                name,
                architecture,
                before,
                after,
            });
        }
    }
    PackageChanges {
        database: names.join(" to "),
        before: counts.0,
        after: counts.1,
        changes,
    }
}

/// Versions by name and architecture, sorted as text.
fn by_name(installed: Installed) -> BTreeMap<(String, String), Vec<String>> {
    let mut packages = installed.packages;
    packages.sort();
    packages.dedup();
    let mut map: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for package in packages {
        let key = (package.name, package.architecture);
        map.entry(key).or_default().push(package.version);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::packages::Package;

    fn installed(packages: &[(&str, &str)]) -> Option<Installed> {
        let package = |(name, version): &(&str, &str)| Package {
            name: (*name).to_owned(),
            architecture: "amd64".to_owned(),
            version: (*version).to_owned(),
        };
        Some(Installed {
            database: "dpkg",
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
}
