//! What a commit says of itself that it changes, while its tree is still elsewhere.

use ostler_format::{Commit, CommitId, ObjectKind, ObjectName, SIZES_KEY, SizeEntry, parse_sizes};
use serde::Serialize;

use super::{Count, Fetch, objects_of, require_whole, size_of};
use crate::error::StoreError;
use crate::repo::Repo;

/// What a commit says that it changes.
#[derive(Debug, Serialize)]
pub struct Announced {
    /// The commit.
    pub commit: String,
    /// Its version, if it names one.
    pub version: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: u64,
    /// Its content; `None` if it gives no sizes.
    pub content: Option<Content>,
    /// What of its content is not in this repository; `None` if it gives no sizes.
    pub fetch: Option<Fetch>,
    /// Bytes that would come by static deltas, for whoever asks the remote to set; `None` if none is known.
    pub delta_bytes: Option<u64>,
}

/// Different files and symlinks, each counted once however often it is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Those of the first commit.
    pub before: Count,
    /// Those of the second.
    pub after: Count,
}

/// Finds out what `to`, of which nothing but the commit object need be here, says that it changes from `from`, which is whole.
///
/// # Errors
/// [`StoreError::Partial`], [`StoreError::ObjectMissing`] if `from` is not whole; [`StoreError::Malformed`] for sizes that are none.
pub fn announced(repo: &Repo, from: CommitId, to: CommitId) -> Result<Announced, StoreError> {
    let after = repo.read_commit(to)?;
    require_whole(repo, from)?;
    let mut announced = Announced {
        commit: to.to_string(),
        version: after.metadata.get_str("version").map(str::to_owned),
        timestamp: after.timestamp,
        content: None,
        fetch: None,
        delta_bytes: None,
    };
    if let Some(sizes) = sizes(to, &after)? {
        announced.content = Some(Content {
            before: count(repo, from)?,
            after: total(&sizes),
        });
        announced.fetch = Some(missing(repo, &sizes)?);
    }
    Ok(announced)
}

/// The sizes of content that a commit gives; an entry of an old writer, which does not say of what it is, counts as content.
fn sizes(id: CommitId, commit: &Commit) -> Result<Option<Vec<SizeEntry>>, StoreError> {
    let Some(value) = commit.metadata.get(SIZES_KEY) else {
        return Ok(None);
    };
    let mut sizes = parse_sizes(value).map_err(|source| StoreError::Malformed {
        name: ObjectName::new(id.checksum(), ObjectKind::Commit),
        source,
    })?;
    sizes.retain(|entry| entry.kind.is_none_or(|kind| kind == ObjectKind::File));
    Ok(Some(sizes))
}

fn total(sizes: &[SizeEntry]) -> Count {
    // Hostile sizes may add up to more than fits.
    let bytes = sizes
        .iter()
        .fold(0_u64, |sum, entry| sum.saturating_add(entry.unpacked));
    Count {
        files: sizes.len() as u64,
        bytes,
    }
}

fn count(repo: &Repo, id: CommitId) -> Result<Count, StoreError> {
    let mut count = Count::default();
    for file in objects_of(repo, id)?.files() {
        count.files += 1;
        count.bytes = count.bytes.saturating_add(size_of(repo, file)?);
    }
    Ok(count)
}

fn missing(repo: &Repo, sizes: &[SizeEntry]) -> Result<Fetch, StoreError> {
    let (mut fetch, mut compressed) = (Fetch::default(), 0_u64);
    for entry in sizes {
        if repo.has_object(&ObjectName::new(entry.checksum, ObjectKind::File))? {
            continue;
        }
        fetch.objects += 1;
        fetch.bytes = fetch.bytes.saturating_add(entry.unpacked);
        compressed = compressed.saturating_add(entry.archived);
    }
    fetch.compressed_bytes = Some(compressed);
    Ok(fetch)
}
