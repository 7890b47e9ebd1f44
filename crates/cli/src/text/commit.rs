//! A commit in words.

use std::fmt::Write as _;

use ostler_format::{Commit, CommitId, Hasher};

use super::date;

/// The type of a commit.
pub(crate) const SIGNATURE: &str = "(a{sv}aya(say)sstayay)";

/// Describes a commit as `log` and `show` do, with its heading and an empty line at the end.
///
/// # Errors
/// A timestamp that is no date.
pub(crate) fn describe(id: CommitId, commit: &Commit) -> anyhow::Result<String> {
    let Some(date) = date::utc(commit.timestamp) else {
        anyhow::bail!("invalid timestamp {} in commit {id}", commit.timestamp);
    };
    let mut text = format!("commit {id}\n");
    if let Some(parent) = commit.parent {
        let _ = writeln!(text, "Parent:  {parent}");
    }
    let _ = writeln!(text, "ContentChecksum:  {}", content_checksum(commit));
    let _ = writeln!(text, "Date:  {date}");
    if let Some(version) = commit.metadata.get_str("version") {
        let _ = writeln!(text, "Version: {version}");
    }
    if commit.subject.is_empty() {
        text.push_str("(no subject)\n");
    } else {
        text.push('\n');
        push_indented(&mut text, &commit.subject);
    }
    if !commit.body.is_empty() {
        text.push('\n');
        push_indented(&mut text, &commit.body);
    }
    text.push('\n');
    Ok(text)
}

/// Names the tree, whatever the commit's other fields say.
fn content_checksum(commit: &Commit) -> ostler_format::Checksum {
    let mut hasher = Hasher::new();
    hasher.update(commit.tree.checksum().as_bytes());
    hasher.update(commit.meta.checksum().as_bytes());
    hasher.finish()
}

fn push_indented(text: &mut String, lines: &str) {
    for line in lines.strip_suffix('\n').unwrap_or(lines).split('\n') {
        let _ = writeln!(text, "    {line}");
    }
}
