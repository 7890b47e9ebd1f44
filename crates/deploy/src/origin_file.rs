//! The file beside a deployment that says where it came from: written whole, replaced in one step.

use ostler_format::Origin;
use ostler_format::origin::OriginError;
use ostler_fs::{Durability, FsError, Trusted};

use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::stateroot::bump_mtime;
use crate::sysroot::SysrootError;

/// An origin could not be changed; the old file is in place.
#[derive(Debug, thiserror::Error)]
pub enum OriginFileError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The origin itself.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// A staged deployment is not pinned.
    #[error("cannot pin deployment {index}: it is staged")]
    Staged {
        /// Its index.
        index: usize,
    },
}

/// Whether a deployment stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Until it is unpinned.
    Set,
    /// As the rules of the boot order say.
    Clear,
}

/// Writes a deployment's origin, durably.
///
/// # Errors
/// [`FsError`].
pub(crate) fn write(lock: &SysrootLock, id: &DeploymentId, origin: &Origin) -> Result<(), FsError> {
    lock.ostree.write_atomic(
        Trusted(id.origin_path()),
        origin.to_bytes(),
        0o644,
        Durability::Synced,
    )
}

/// Pins the deployment at `index`, or unpins it; returns whether that changed anything.
///
/// # Errors
/// [`OriginFileError`].
pub fn pin(lock: &mut SysrootLock, index: usize, pin: Pin) -> Result<bool, OriginFileError> {
    let deployment = lock.at(index)?;
    if deployment.staged.is_some() {
        return Err(OriginFileError::Staged { index });
    }
    let pinned = pin == Pin::Set;
    if deployment.is_pinned() == pinned {
        return Ok(false);
    }
    let mut origin = deployment.origin.clone().unwrap_or_default();
    origin.set_pinned(pinned)?;
    replace(lock, index, &origin)?;
    Ok(true)
}

/// Replaces the origin of the deployment at `index`.
///
/// # Errors
/// [`OriginFileError`].
pub fn replace(
    lock: &mut SysrootLock,
    index: usize,
    origin: &Origin,
) -> Result<(), OriginFileError> {
    let id = lock.at(index)?.id.clone();
    write(lock, &id, origin)?;
    bump_mtime(&lock.ostree)?;
    lock.sysroot_mut().reload()?;
    Ok(())
}
