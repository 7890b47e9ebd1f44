//! What is checked before anything is written, so that nothing fails half-way.
//!
//! | what | where |
//! |---|---|
//! | the commit is whole enough to have a kernel, `/boot` can hold links | [`commit`] |
//! | kernels, initramfs and device trees fit into `/boot` | `boot` |
//! | directories and `/etc` of the tree fit beside the repository | `tree` |

mod boot;
mod tree;

use ostler_format::CommitId;
use ostler_fs::{FileSystemKind, FsError};

use crate::kernel::{CommitKernel, KernelError};
use crate::lock::SysrootLock;
use crate::materialize::Request;
use crate::plan::{self, Next, PlanError, Wish};

pub use boot::{BootSpaceError, Room, boot_space};
pub use tree::TreeSpaceError;

/// A commit that cannot be deployed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The kernel of the commit.
    #[error("commit `{commit}`: {source}")]
    Kernel {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        source: KernelError,
    },
    /// Too little room in `/boot`.
    #[error("{0}")]
    BootSpace(#[from] BootSpaceError),
    /// Too little room beside the repository.
    #[error("{0}")]
    TreeSpace(#[from] TreeSpaceError),
    /// The boot order.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// `/boot` cannot hold the links that make a change one step.
    #[error("/boot is a FAT file system, which has no symbolic links")]
    FatBoot,
    /// There is no `/boot`.
    #[error("the system root has no `boot` directory")]
    NoBoot,
}

/// Checks that a commit can become a deployment as `wish` adds it.
///
/// # Errors
/// [`PreflightError`] with the numbers.
pub(crate) fn commit(
    lock: &SysrootLock,
    request: &Request,
    wish: &Wish,
) -> Result<(), PreflightError> {
    let commit = request.commit;
    let order = plan::plan(&lock.slots(), wish)?;
    let boot = lock.boot.as_ref().ok_or(PreflightError::NoBoot)?;
    if boot.file_system_kind()? == FileSystemKind::Fat {
        return Err(PreflightError::FatBoot);
    }
    let failed = |source| PreflightError::Kernel { commit, source };
    let kernel =
        CommitKernel::find(&lock.repo, commit, lock.look_for_device_trees()).map_err(failed)?;
    if !boot::is_shared(lock, boot)? {
        let bootcsum = kernel.bootcsum().map_err(failed)?;
        let new = boot::NewKernel {
            stateroot: request.stateroot.to_string(),
            bootcsum,
            bytes: kernel.size(boot.space()?.block_bytes).map_err(failed)?,
        };
        let kept: Vec<_> = order
            .iter()
            .filter_map(|next| match next {
                Next::Keep(index) => lock.deployments.get(*index).cloned(),
                Next::New => None,
            })
            .collect();
        boot::room(lock, boot, &kept, Some(&new))?;
    }
    Ok(tree::require_space(lock, commit)?)
}
