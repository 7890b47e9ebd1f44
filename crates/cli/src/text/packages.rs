//! Packages, their changes and changelogs, in words.

use std::fmt::Write as _;

use ostler_packages::Package;
use ostler_packages::advisories::Advisory;
use ostler_packages::changelogs::{Changelog, Entry};
use ostler_packages::changes::{ChangeKind, PackageChange, PackageChanges};

use super::date;

/// Kinds of changes in the order in which they are told.
const KINDS: [(ChangeKind, &str); 4] = [
    (ChangeKind::Upgraded, "Upgraded"),
    (ChangeKind::Downgraded, "Downgraded"),
    (ChangeKind::Removed, "Removed"),
    (ChangeKind::Added, "Added"),
];

/// Describes changes by their kinds.
pub(crate) fn describe_changes(changes: &PackageChanges, logs: &[Changelog]) -> String {
    let mut text = String::new();
    for (kind, heading) in KINDS {
        let mut of_kind = changes
            .changes
            .iter()
            .filter(|change| change.kind == kind)
            .peekable();
        if of_kind.peek().is_some() {
            let _ = writeln!(text, "{heading}:");
        }
        for change in of_kind {
            let _ = writeln!(text, "  {}", describe(change, &changes.changes));
            push_log(&mut text, change, logs);
        }
    }
    text
}

/// Describes changes in a line each, as a difference of lists.
pub(crate) fn list_changes(changes: &PackageChanges, logs: &[Changelog]) -> String {
    let mut text = String::new();
    for change in &changes.changes {
        let (before, after) = match (change.before.is_empty(), change.after.is_empty()) {
            (false, false) => ('!', '='),
            _ => ('-', '+'),
        };
        for version in &change.before {
            let _ = writeln!(text, "{before}{}", full_name(change, version));
        }
        for version in &change.after {
            let _ = writeln!(text, "{after}{}", full_name(change, version));
        }
        push_log(&mut text, change, logs);
    }
    text
}

/// Sums changes up: `3 upgraded, 1 removed`; empty if there are none.
pub(crate) fn sum_up(changes: &PackageChanges) -> String {
    let counted = KINDS.iter().filter_map(|(kind, name)| {
        let count = changes
            .changes
            .iter()
            .filter(|change| change.kind == *kind)
            .count();
        (count > 0).then(|| format!("{count} {}", name.to_ascii_lowercase()))
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// One change: `bash 5.1-2 -> 5.1-3`; with the architecture where several of a name change.
pub(crate) fn describe(change: &PackageChange, all: &[PackageChange]) -> String {
    let versions = |list: &[String]| list.join(", ");
    let is_other = |other: &&PackageChange| {
        other.name == change.name && other.architecture != change.architecture
    };
    let name = match all.iter().find(is_other) {
        Some(_) => change
            .database
            .name_and_architecture(&change.name, &change.architecture),
        None => change.name.clone(),
    };
    match (&change.before[..], &change.after[..]) {
        ([], new) => full_names(change, new),
        (old, []) => full_names(change, old),
        (old, new) => format!("{name} {} -> {}", versions(old), versions(new)),
    }
}

fn full_names(change: &PackageChange, versions: &[String]) -> String {
    let names = versions.iter().map(|version| full_name(change, version));
    names.collect::<Vec<_>>().join(" ")
}

fn full_name(change: &PackageChange, version: &str) -> String {
    change.database.full_name(&Package {
        name: change.name.clone(),
        architecture: change.architecture.clone(),
        version: version.to_owned(),
    })
}

fn push_log(text: &mut String, change: &PackageChange, logs: &[Changelog]) {
    let is = |log: &&Changelog| log.name == change.name && log.architecture == change.architecture;
    let entries = logs.iter().find(is).map(|log| &log.entries[..]);
    for entry in entries.unwrap_or_default() {
        for line in entry_lines(entry) {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
        text.push('\n');
    }
}

fn entry_lines(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(author) = &entry.author {
        let time = entry.time.and_then(date::utc).unwrap_or_default();
        let day = time.split(' ').next().unwrap_or_default();
        lines.push(format!("* {day} {author}"));
    }
    lines.extend(entry.text.lines().map(str::to_owned));
    lines
}

/// Describes advisories with what they mend; empty if there are none.
pub(crate) fn describe_advisories(advisories: &[Advisory]) -> String {
    let mut text = String::new();
    if !advisories.is_empty() {
        text.push_str("Advisories:\n");
    }
    for advisory in advisories {
        let (id, kind, severity) = (&advisory.id, advisory.kind, advisory.severity);
        let packages = advisory.packages.join(" ");
        let _ = writeln!(text, "  {id}  {kind}  {severity}  {packages}");
        for (cve, address) in &advisory.cves {
            let _ = writeln!(text, "    {}", format!("{cve} {address}").trim_end());
        }
    }
    text
}
