//! What is checked before anything is written, so that nothing fails half-way.
//!
//! | what | where |
//! |---|---|
//! | the commit is whole enough to have a kernel, `/boot` can hold links | `commit` |
//! | kernels, initramfs and device trees fit into `/boot` | `boot` |
//! | what a commit says of its size fits into the repository | `download` |
//! | directories and `/etc` of the tree fit beside the repository | `tree` |

mod boot;
mod download;
mod tree;

use ostler_format::{CommitId, StaterootName};
use ostler_fs::{Dir, FsError};

use crate::boot_form::{FlatBootError, require_fit};
use crate::boot_settings::{BootSettings, BootSettingsError};
use crate::deployment::Deployment;
use crate::host_file::HostFileError;
use crate::kernel::{CommitKernel, KernelError};
use crate::lock::SysrootLock;
use crate::materialize::Request;
use crate::plan::{self, Next, PlanError, Position, Retain, Wish};

pub(crate) use boot::is_shared;
pub use boot::{BootSpaceError, Room, boot_space};
pub use download::DownloadSpaceError;
pub(crate) use download::require_space as download;
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
    /// Too little room for what is to be fetched.
    #[error("{0}")]
    DownloadSpace(#[from] DownloadSpaceError),
    /// Too little room beside the repository.
    #[error("{0}")]
    TreeSpace(#[from] TreeSpaceError),
    /// The boot order.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The host file, for what should stay.
    #[error("{0}")]
    HostFile(#[from] HostFileError),
    /// A setting of the boot entries.
    #[error("{0}")]
    Settings(#[from] BootSettingsError),
    /// A `/boot` that has no links, and a boot loader that needs them.
    #[error("{0}")]
    FlatBoot(#[from] FlatBootError),
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
    BootSettings::read(lock.repo.config().file())?;
    let slots = lock.slots_beside(&request.stateroot, Some(commit))?;
    let order = plan::plan(&slots, wish)?;
    let boot = lock.boot.as_ref().ok_or(PreflightError::NoBoot)?;
    require_fit(boot, lock.repo.config().file())?;
    let new = new_kernel(lock, boot, &request.stateroot, commit)?;
    if let Some(mut new) = new {
        new.overlays.clone_from(&request.overlay_initrds);
        boot::room(lock, boot, &kept(lock, &order), Some(&new))?;
    }
    Ok(tree::require_space(lock, commit)?)
}

/// Checks that a commit's kernel, which is in the repository while the rest of it may not be, fits into a `/boot` of its own.
///
/// # Errors
/// [`PreflightError`] with the numbers.
pub(crate) fn kernel(
    lock: &SysrootLock,
    boot: &Dir,
    stateroot: &StaterootName,
    commit: CommitId,
) -> Result<(), PreflightError> {
    let Some(new) = new_kernel(lock, boot, stateroot, commit)? else {
        return Ok(());
    };
    let wish = Wish::Add {
        stateroot: stateroot.to_string(),
        merge: plan::merge_source(&lock.slots(), stateroot.as_str()),
        retain: Retain::default(),
        position: Position::Default,
    };
    let order = plan::plan(&lock.slots_beside(stateroot, Some(commit))?, &wish)?;
    boot::room(lock, boot, &kept(lock, &order), Some(&new))?;
    Ok(())
}

fn kept(lock: &SysrootLock, order: &[Next]) -> Vec<Deployment> {
    let deployment = |next: &Next| match next {
        Next::Keep(index) => lock.deployments.get(*index).cloned(),
        Next::New => None,
    };
    order.iter().filter_map(deployment).collect()
}

/// Measures the kernel of a commit; `None` where its files will be links to the deployment's.
fn new_kernel(
    lock: &SysrootLock,
    boot: &Dir,
    stateroot: &StaterootName,
    commit: CommitId,
) -> Result<Option<boot::NewKernel>, PreflightError> {
    let failed = |source| PreflightError::Kernel { commit, source };
    let kernel =
        CommitKernel::find(&lock.repo, commit, lock.look_for_device_trees()).map_err(failed)?;
    if boot::is_shared(lock, boot)? {
        return Ok(None);
    }
    Ok(Some(boot::NewKernel {
        stateroot: stateroot.to_string(),
        bootcsum: kernel.bootcsum().map_err(failed)?,
        bytes: kernel.size(boot.space()?.block_bytes).map_err(failed)?,
        overlays: Vec::new(),
    }))
}
