//! The deployment that is finished at shutdown.

use ostler_fs::{Dir, FsError, Trusted};

use crate::cleanup;
use crate::layout;
use crate::lock::SysrootLock;

/// Gives up the staged deployment: its description first, so that nothing is finished of what is removed after it.
pub(crate) fn discard(lock: &SysrootLock) -> Result<(), FsError> {
    let Some(staged) = lock.staged() else {
        return Ok(());
    };
    let id = staged.id.clone();
    let run = Dir::open_ambient(&lock.host.run)?;
    run.unlink_optional(Trusted(layout::RUN_STAGED))?;
    cleanup::remove_deployment(lock, &id)?;
    run.unlink_optional(Trusted(layout::RUN_STAGED_LOCKED))?;
    Ok(())
}
