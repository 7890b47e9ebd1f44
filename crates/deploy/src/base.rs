//! The commit that came from a remote, below one with packages layered on it.

use ostler_format::{Commit, CommitId};
use ostler_store::{Repo, StoreError};

/// In the metadata of a commit: says that packages are layered on its parent.
const LAYERED: &str = "rpmostree.clientlayer";

/// Whether a commit has packages layered on its parent.
#[must_use]
pub fn is_layered(commit: &Commit) -> bool {
    let layered = commit.metadata.get(LAYERED);
    layered.and_then(|value| value.unboxed().as_bool()) == Some(true)
}

/// Returns the commit below layered packages; a commit without any is its own.
///
/// # Errors
/// The commit cannot be read.
pub fn of_commit(repo: &Repo, id: CommitId) -> Result<CommitId, StoreError> {
    let commit = repo.read_commit(id)?;
    Ok(commit.parent.filter(|_| is_layered(&commit)).unwrap_or(id))
}
