//! What changelogs say of the way from one version of a package to another.
//!
//! rpm keeps them in its headers. Of Debian's packages they are files of the tree, about the source package; trees without documentation have none.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use crate::changes::{ChangeKind, PackageChange, PackageChanges};
use crate::database::{self, DatabaseError};
use crate::deb::changelog;
use crate::package::World;
use crate::rpm;
use crate::tree::Tree;

/// What happened to a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changelog {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// The entries, the newest first; none if there is no changelog.
    pub entries: Vec<Entry>,
}

/// An entry of a changelog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Seconds since 1970-01-01 UTC; `None` where the text says it.
    pub time: Option<u64>,
    /// Who made it, and often the version; `None` where the text says it.
    pub author: Option<String>,
    /// What it is.
    pub text: String,
}

/// Reads what is new in the changelogs of those packages of `changes` that are newer in the tree `new` than in `old`.
///
/// # Errors
/// [`DatabaseError`]. A changelog that is no text or not whole is passed over.
pub fn between(
    old: &Tree<'_>,
    new: &Tree<'_>,
    changes: &PackageChanges,
) -> Result<Vec<Changelog>, DatabaseError> {
    let upgraded = |world| {
        let changes = changes.changes.iter();
        changes
            .filter(move |change| change.kind == ChangeKind::Upgraded && change.database == world)
            .collect::<Vec<_>>()
    };
    let mut logs = of_debs(old, new, &upgraded(World::Dpkg))?;
    logs.extend(of_rpms(old, new, &upgraded(World::Rpm))?);
    Ok(logs)
}

fn of_debs(
    old: &Tree<'_>,
    new: &Tree<'_>,
    changes: &[&PackageChange],
) -> Result<Vec<Changelog>, DatabaseError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let installed = database::installed_debs(old)?.unwrap_or_default();
    let sources: BTreeMap<_, _> = installed
        .iter()
        .map(|deb| (&deb.package, deb.source_version.as_str()))
        .map(|(package, source)| {
            (
                (&package.name, &package.architecture, &package.version),
                source,
            )
        })
        .collect();
    let logs = changes.iter().map(|change| {
        let before = change.before.last().expect("an upgrade is from something");
        let source = sources.get(&(&change.name, &change.architecture, before));
        let after = source.copied().unwrap_or(before);
        let texts = deb_texts(new, change);
        let texts = texts
            .iter()
            .flat_map(|text| changelog::newer_than(text, after));
        let entry = |text| Entry {
            time: None,
            author: None,
            text,
        };
        Changelog {
            name: change.name.clone(),
            architecture: change.architecture.clone(),
            entries: texts.map(entry).collect(),
        }
    });
    Ok(logs.collect())
}

/// The changelogs of a package: of its rebuilds for one architecture, and of its source.
fn deb_texts(tree: &Tree<'_>, change: &PackageChange) -> Vec<String> {
    let dir = format!("usr/share/doc/{}", change.name);
    let read = |file: &str| {
        unpacked(tree, &format!("{dir}/{file}.gz"))
            .or_else(|| plain(tree, &format!("{dir}/{file}")))
    };
    let rebuilds = read(&format!("changelog.Debian.{}", change.architecture));
    let source = read("changelog.Debian").or_else(|| read("changelog"));
    rebuilds.into_iter().chain(source).collect()
}

fn plain(tree: &Tree<'_>, path: &str) -> Option<String> {
    let bytes = tree.read(path, changelog::MAX_BYTES).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn unpacked(tree: &Tree<'_>, path: &str) -> Option<String> {
    let file = tree.open(path).ok()??;
    let mut bytes = Vec::new();
    let mut content = MultiGzDecoder::new(file.content).take(changelog::MAX_BYTES);
    content.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Changelogs by name, architecture and version.
type Logs = BTreeMap<(String, String, String), Vec<rpm::Change>>;

fn of_rpms(
    old: &Tree<'_>,
    new: &Tree<'_>,
    changes: &[&PackageChange],
) -> Result<Vec<Changelog>, DatabaseError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut before = rpm_logs(old, changes, |change| change.before.last())?;
    let mut after = rpm_logs(new, changes, |change| change.after.last())?;
    let take = |logs: &mut Logs, change: &PackageChange, version: Option<&String>| {
        let key = (
            change.name.clone(),
            change.architecture.clone(),
            version.cloned().unwrap_or_default(),
        );
        logs.remove(&key).unwrap_or_default()
    };
    let logs = changes.iter().map(|change| {
        let known = take(&mut before, change, change.before.last());
        let found = take(&mut after, change, change.after.last()).into_iter();
        let newer = found.take_while(|entry| known.first() != Some(entry));
        let entry = |change: rpm::Change| Entry {
            time: Some(change.time),
            author: Some(change.author),
            text: change.text,
        };
        Changelog {
            name: change.name.clone(),
            architecture: change.architecture.clone(),
            entries: newer.map(entry).collect(),
        }
    });
    Ok(logs.collect())
}

fn rpm_logs(
    tree: &Tree<'_>,
    changes: &[&PackageChange],
    version: impl Fn(&PackageChange) -> Option<&String>,
) -> Result<Logs, DatabaseError> {
    let mut logs = Logs::new();
    database::each_header(tree, |header| {
        let package = rpm::package(header)?;
        let is_wanted = |change: &&PackageChange| {
            change.name == package.name
                && change.architecture == package.architecture
                && version(change) == Some(&package.version)
        };
        if changes.iter().any(is_wanted) {
            let key = (package.name, package.architecture, package.version);
            logs.insert(key, rpm::changelog(header)?);
        }
        Ok(())
    })?;
    Ok(logs)
}
