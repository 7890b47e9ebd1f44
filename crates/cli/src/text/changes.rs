//! What changes between two commits, in words.

use std::fmt::Write as _;

use ostler_store::changes::{Changes, Count, PackageChange, PackageChanges};

use super::size;

/// Describes it: files, sizes, what is to be fetched, the largest changes, packages.
pub(crate) fn describe(changes: &Changes) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Files: {} added ({}), {} removed ({}), {} changed ({})",
        changes.added.files,
        bytes(changes.added),
        changes.removed.files,
        bytes(changes.removed),
        changes.changed.files,
        bytes(changes.changed),
    );
    let _ = writeln!(
        text,
        "Directories: {} added, {} removed",
        changes.directories_added, changes.directories_removed
    );
    let _ = writeln!(text, "Size: {}", growth(changes.growth_bytes));
    let fetch = changes.fetch;
    let _ = write!(
        text,
        "To fetch: {} new files, {}",
        fetch.objects,
        size::decimal(fetch.bytes)
    );
    if let Some(compressed) = fetch.compressed_bytes {
        let _ = write!(text, " ({} compressed)", size::decimal(compressed));
    }
    text.push('\n');
    if !changes.largest.is_empty() {
        text.push_str("Largest changes:\n");
    }
    for change in &changes.largest {
        let _ = writeln!(text, "  {:>12}  {}", growth(change.growth()), change.path);
    }
    if let Some(packages) = &changes.packages {
        push_packages(&mut text, packages);
    }
    text
}

fn push_packages(text: &mut String, packages: &PackageChanges) {
    let count =
        |kind: fn(&PackageChange) -> bool| packages.changes.iter().filter(|c| kind(c)).count();
    let added = count(|change| change.before.is_empty());
    let removed = count(|change| change.after.is_empty());
    let _ = writeln!(
        text,
        "Packages ({}): {added} added, {removed} removed, {} changed; {} are installed",
        packages.database,
        packages.changes.len() - added - removed,
        packages.after
    );
    for change in &packages.changes {
        let name = match change.architecture.as_str() {
            "" => change.name.clone(),
            architecture => format!("{}:{architecture}", change.name),
        };
        let (before, after) = (change.before.join(", "), change.after.join(", "));
        let _ = match (before.as_str(), after.as_str()) {
            ("", after) => writeln!(text, "  + {name} {after}"),
            (before, "") => writeln!(text, "  - {name} {before}"),
            (before, after) => writeln!(text, "  * {name} {before} -> {after}"),
        };
    }
}

fn bytes(count: Count) -> String {
    size::decimal(count.bytes)
}

/// A size with a sign.
fn growth(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{}", size::decimal(bytes.unsigned_abs()))
}
