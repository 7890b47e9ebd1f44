//! What changes between two commits, in words.

use std::fmt::Write as _;

use ostler_packages::changes::{ChangeKind, PackageChanges};
use ostler_store::changes::{Announced, Changes, Count, Fetch};

use super::{date, packages, size};

/// Describes it: files, sizes, what is to be fetched, the largest changes, packages.
pub(crate) fn describe(changes: &Changes, changes_of_packages: Option<&PackageChanges>) -> String {
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
    push_fetch(&mut text, changes.fetch);
    if !changes.largest.is_empty() {
        text.push_str("Largest changes:\n");
    }
    for change in &changes.largest {
        let _ = writeln!(text, "  {:>12}  {}", growth(change.growth()), change.path);
    }
    if let Some(packages) = changes_of_packages {
        push_packages(&mut text, packages);
    }
    text
}

/// Describes what a commit says of itself: when it was made, sizes, what is to be fetched, packages.
pub(crate) fn describe_announced(
    announced: &Announced,
    changes_of_packages: Option<&PackageChanges>,
) -> String {
    let time = date::utc(announced.timestamp).unwrap_or_default();
    let mut text = format!("Commit: {} ({time})\n", announced.commit);
    if let Some(version) = &announced.version {
        let _ = writeln!(text, "Version: {version}");
    }
    match &announced.content {
        None => text.push_str("Size: not known, the commit was made without `--generate-sizes`\n"),
        Some(content) => {
            let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            let (before, after) = (signed(content.before.bytes), signed(content.after.bytes));
            let _ = writeln!(
                text,
                "Size: {} in {} different files ({})",
                bytes(content.after),
                content.after.files,
                growth(after - before)
            );
        }
    }
    if let Some(fetch) = announced.fetch {
        push_fetch(&mut text, fetch);
    }
    if let Some(bytes) = announced.delta_bytes {
        let _ = writeln!(text, "By a static delta: {}", size::decimal(bytes));
    }
    match changes_of_packages {
        Some(packages) => push_packages(&mut text, packages),
        None => text.push_str("Packages: not known, the commit lists none\n"),
    }
    text
}

fn push_fetch(text: &mut String, fetch: Fetch) {
    let (objects, bytes) = (fetch.objects, size::decimal(fetch.bytes));
    let _ = write!(text, "To fetch: {objects} new files, {bytes}");
    if let Some(compressed) = fetch.compressed_bytes {
        let _ = write!(text, " ({} compressed)", size::decimal(compressed));
    }
    text.push('\n');
}

fn push_packages(text: &mut String, changes: &PackageChanges) {
    let sum = match packages::sum_up(changes) {
        sum if sum.is_empty() => "no changes".to_owned(),
        sum => sum,
    };
    let (database, after) = (&changes.database, changes.after);
    let _ = writeln!(text, "Packages ({database}): {sum}; {after} are installed");
    for change in &changes.changes {
        let sign = match change.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Upgraded | ChangeKind::Downgraded => '*',
        };
        let change = packages::describe(change, &changes.changes);
        let _ = writeln!(text, "  {sign} {change}");
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
