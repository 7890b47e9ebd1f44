//! The repository lock: shared while objects are added, exclusive while they are deleted.
//!
//! It is an open-file-description lock on `.lock`, the kind that libostree takes, so both programs honour each other.
//! Within one process the locks of one [`Repo`](crate::Repo) stack and never wait for each other.

use ostler_fs::lock::{LockGuard, LockMode, LockStack, Timeout};
use ostler_fs::{Dir, FsError};

use crate::config::RepoConfig;
use crate::error::StoreError;

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct RepoLock {
    /// `None` where `core.locking` is off.
    _held: Option<LockGuard>,
}

impl RepoLock {
    /// Stands for no lock, where a repository is only read.
    pub(crate) fn none() -> Self {
        Self { _held: None }
    }
}

/// Makes the stack of locks of one opened repository.
pub(crate) fn stack(dir: &Dir) -> Result<LockStack, FsError> {
    let dir = dir.try_clone()?;
    Ok(LockStack::new(move || {
        dir.open_or_create_file(".lock", 0o660)
    }))
}

/// Locks in `mode`, waiting as long as `core.lock-timeout-secs` says.
pub(crate) fn acquire(
    stack: &LockStack,
    config: &RepoConfig,
    mode: LockMode,
) -> Result<RepoLock, StoreError> {
    if !config.locking {
        return Ok(RepoLock { _held: None });
    }
    let timeout = config.lock_timeout.map_or(Timeout::Never, Timeout::After);
    Ok(RepoLock {
        _held: Some(stack.lock(mode, timeout)?),
    })
}
