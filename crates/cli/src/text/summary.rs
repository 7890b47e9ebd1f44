//! A summary in words.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use ostler_format::{Annotate, Summary, SummaryRef, Value};

use super::date;
use super::variant::Bytes;

/// The type of a summary.
pub(crate) const SIGNATURE: &str = "(a(s(taya{sv}))a{sv})";

/// Describes a summary as `summary --view` does: its refs, then what it says of the repository.
pub(crate) fn describe(summary: &Summary, zone: &TimeZone) -> String {
    let mut text = String::new();
    let own_collection = summary.metadata.get_str("ostree.summary.collection-id");
    push_refs(&mut text, own_collection, &summary.refs, zone);
    for (collection, refs) in summary.collection_map().unwrap_or_default() {
        push_refs(&mut text, Some(&collection), &refs, zone);
    }
    for (key, value) in summary.metadata.iter() {
        push_key(&mut text, key, value, zone);
    }
    text
}

fn push_refs(text: &mut String, collection: Option<&str>, refs: &[SummaryRef], zone: &TimeZone) {
    for entry in refs {
        let _ = match collection {
            Some(collection) => writeln!(text, "* ({collection}, {})", entry.name),
            None => writeln!(text, "* {}", entry.name),
        };
        let unit = if entry.commit_size == 1 {
            "byte"
        } else {
            "bytes"
        };
        let _ = writeln!(
            text,
            "    Latest Commit ({} {unit}):\n      {}",
            entry.commit_size, entry.commit
        );
        for (key, value) in entry.metadata.iter() {
            text.push_str("    ");
            push_key(text, key, value, zone);
        }
        text.push('\n');
    }
}

/// Adds `NAME (KEY): VALUE` for a known key, `KEY: VALUE` for another.
fn push_key(text: &mut String, key: &str, value: &Value, zone: &TimeZone) {
    // A moment that no calendar has, as where somebody forgot the byte order.
    let date = |value: &Value| {
        let seconds = value.as_u64_be()?;
        Some(date::in_zone(seconds, zone.clone()).unwrap_or_else(|| "invalid".to_owned()))
    };
    let words = |value: &Value| value.as_str().map(str::to_owned);
    let known = match key {
        "ostree.commit.version" => words(value).map(|v| ("Version", v)),
        "ostree.commit.timestamp" => date(value).map(|v| ("Timestamp", v)),
        "ostree.summary.mode" => words(value).map(|v| ("Repository Mode", v)),
        "ostree.summary.last-modified" => date(value).map(|v| ("Last-Modified", v)),
        "ostree.summary.expires" => date(value).map(|v| ("Expires", v)),
        "ostree.summary.collection-id" => words(value).map(|v| ("Collection ID", v)),
        "ostree.summary.tombstone-commits" => value.as_bool().map(|yes| {
            (
                "Has Tombstone Commits",
                if yes { "Yes" } else { "No" }.to_owned(),
            )
        }),
        "ostree.summary.collection-map" => Some(("Collection Map", "(printed above)".to_owned())),
        "ostree.static-deltas" => Some(("Static Deltas", value.print(Annotate::Nothing))),
        _ => None,
    };
    let _ = match known {
        Some((name, value)) => writeln!(text, "{name} ({key}): {value}"),
        None => writeln!(text, "{key}: {}", value.print(Annotate::Nothing)),
    };
}

/// Prints the value of one key of a summary's metadata.
///
/// # Errors
/// No such key.
pub(crate) fn metadata_value(summary: &Summary, key: &str, bytes: Bytes) -> anyhow::Result<String> {
    match summary.metadata.get(key) {
        Some(value) => Ok(bytes.print(value)),
        None => anyhow::bail!("No such metadata key '{key}'"),
    }
}

/// Lists the keys of a summary's metadata, sorted.
pub(crate) fn metadata_keys(summary: &Summary) -> Vec<&str> {
    let mut keys: Vec<_> = summary.metadata.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}
