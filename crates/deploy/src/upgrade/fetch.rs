//! How commits come into the repository.

use std::error::Error;

use ostler_format::{CommitId, RefName, RemoteName};
use ostler_store::Repo;

/// Why something was not fetched.
pub type FetchError = Box<dyn Error + Send + Sync>;

/// A commit that is to be fetched whole.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// From where.
    pub remote: &'a RemoteName,
    /// Which ref; it moves to the commit, which must be one of it. Without one the commit may be of any.
    pub reference: Option<&'a RefName>,
    /// The commit.
    pub commit: CommitId,
    /// If the commit is older than this one, it is refused and the ref stays.
    pub not_older_than: Option<CommitId>,
}

/// Brings commits into a repository; what was fetched before a failure stays for the next time.
pub trait Fetch {
    /// Asks which commit a ref points to.
    ///
    /// # Errors
    /// Whatever stopped it.
    fn newest(
        &mut self,
        repo: &Repo,
        remote: &RemoteName,
        reference: &RefName,
    ) -> Result<CommitId, FetchError>;

    /// Brings a commit without its tree.
    ///
    /// # Errors
    /// Whatever stopped it.
    fn fetch_commit(
        &mut self,
        repo: &Repo,
        remote: &RemoteName,
        commit: CommitId,
    ) -> Result<(), FetchError>;

    /// Brings what lies at absolute paths of a commit, and the listings on the way there; a path that is not there is no error.
    ///
    /// # Errors
    /// Whatever stopped it.
    fn fetch_paths(
        &mut self,
        repo: &Repo,
        remote: &RemoteName,
        commit: CommitId,
        paths: &[String],
    ) -> Result<(), FetchError>;

    /// Brings a commit whole, and moves the ref of its remote.
    ///
    /// # Errors
    /// Whatever stopped it.
    fn fetch(&mut self, repo: &Repo, want: &Want<'_>) -> Result<(), FetchError>;
}
