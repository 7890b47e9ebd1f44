//! What changes between two commits, for people: files by size, and what is to be fetched.
//!
//! Directories that both have alike are not entered. Of a commit whose tree is not here [`announced()`] tells what its metadata says.

mod announced;
mod files;

use ostler_format::{CommitId, FileId};
use serde::Serialize;

use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::reachable::{Depth, Missing, ObjectSet, Reachable};
use crate::repo::Repo;

pub use announced::{Announced, Content, announced};

/// How many of the largest changes are listed.
const LARGEST: usize = 10;

/// What changes from one commit to another.
#[derive(Debug, Serialize)]
pub struct Changes {
    /// Files and symlinks that are new.
    pub added: Count,
    /// Files and symlinks that are gone.
    pub removed: Count,
    /// Files and symlinks of which content or metadata is another; the bytes are those of the new ones.
    pub changed: Count,
    /// Directories that are new.
    pub directories_added: u64,
    /// Directories that are gone.
    pub directories_removed: u64,
    /// By how many bytes all files together are larger.
    pub growth_bytes: i64,
    /// The files that grew or shrank most, the greatest change first.
    pub largest: Vec<SizeChange>,
    /// What somebody who has the first commit has to fetch.
    pub fetch: Fetch,
}

/// Files, and the bytes of their content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A file that has become larger or smaller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizeChange {
    /// Its path.
    pub path: String,
    /// Bytes before; 0 if it was not there.
    pub before_bytes: u64,
    /// Bytes now; 0 if it is gone.
    pub after_bytes: u64,
}

/// Content objects that only the second commit has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fetch {
    /// How many.
    pub objects: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes as an archive has them, compressed; `None` if this repository is none.
    pub compressed_bytes: Option<u64>,
}

/// Finds out what changes from `from` to `to`.
///
/// # Errors
/// [`StoreError::Partial`], [`StoreError::ObjectMissing`] if a commit is not whole.
pub fn changes(repo: &Repo, from: CommitId, to: CommitId) -> Result<Changes, StoreError> {
    let (before, after) = (repo.read_commit(from)?, repo.read_commit(to)?);
    require_whole(repo, from)?;
    require_whole(repo, to)?;
    let mut changes = files::compare(repo, before.tree, after.tree)?;
    changes.fetch = fetch(repo, from, to)?;
    Ok(changes)
}

/// Of a commit that is marked partial some objects would be passed over.
fn require_whole(repo: &Repo, id: CommitId) -> Result<(), StoreError> {
    match repo.is_partial(id)? {
        true => Err(StoreError::Partial {
            commit: id.checksum(),
        }),
        false => Ok(()),
    }
}

/// All objects of a commit, but for its parents.
fn objects_of(repo: &Repo, id: CommitId) -> Result<ObjectSet, StoreError> {
    let mut reachable = Reachable::new(repo, Missing::Error);
    reachable.add_commit(id, Depth::Parents(0))?;
    Ok(reachable.into_set())
}

fn fetch(repo: &Repo, from: CommitId, to: CommitId) -> Result<Fetch, StoreError> {
    let old = objects_of(repo, from)?;
    let mut fetch = Fetch::default();
    let mut compressed = 0;
    for id in objects_of(repo, to)?.files() {
        let name = id.into();
        if old.contains(&name) {
            continue;
        }
        fetch.objects += 1;
        fetch.bytes += size_of(repo, id)?;
        compressed += repo.object_size_on_disk(&name)?;
    }
    fetch.compressed_bytes = (repo.mode() == RepoMode::Archive).then_some(compressed);
    Ok(fetch)
}

fn size_of(repo: &Repo, id: FileId) -> Result<u64, StoreError> {
    Ok(repo.stat_file_object(id)?.1)
}
