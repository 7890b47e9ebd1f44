//! What is looked at before the content of a commit is fetched.

use ostler_format::{CommitId, Refspec, RemoteName};
use ostler_store::checkout::{self, CheckoutError, Target};
use ostler_store::{Repo, StoreError};

use crate::deployment::Deployment;
use crate::kernel::{self, CommitKernel};
use crate::lock::SysrootLock;
use crate::preflight::{self, PreflightError};

use super::fetch::Fetch;
use super::follow::redirect;
use super::{UpgradeError, require_newer};

/// More directories of modules than any tree has.
const MAX_KERNELS: usize = 64;
/// The name of nothing: asking for it in a directory brings the directory's listing alone.
const NOTHING: &str = ".ostler-nothing";

/// Checks time, size and kernel of a commit that is not whole in the repository yet.
pub(super) fn content_is_fetched(
    lock: &SysrootLock,
    fetch: &mut dyn Fetch,
    followed: &Refspec,
    commit: CommitId,
    current: &Deployment,
    not_older_than: Option<CommitId>,
) -> Result<(), UpgradeError> {
    let Some(remote) = &followed.remote else {
        return Ok(());
    };
    if is_whole(&lock.repo, commit)? {
        return Ok(());
    }
    let failed = |source| UpgradeError::Fetch {
        refspec: followed.to_string(),
        source,
    };
    fetch
        .fetch_commit(&lock.repo, remote, commit)
        .map_err(failed)?;
    if let Some(current) = not_older_than {
        require_newer(&lock.repo, current, commit)?;
    }
    preflight::download(lock, commit).map_err(PreflightError::from)?;
    let Some(boot) = lock.boot.as_ref() else {
        return Err(PreflightError::NoBoot.into());
    };
    // A commit that sends on to another ref need not be bootable.
    if redirect(&lock.repo, commit, followed)?.is_none()
        && !preflight::is_shared(lock, boot).map_err(PreflightError::from)?
    {
        fetch_kernel(lock, fetch, remote, commit).map_err(failed)??;
        preflight::kernel(lock, boot, &current.id.stateroot, commit)?;
    }
    Ok(())
}

fn is_whole(repo: &Repo, commit: CommitId) -> Result<bool, StoreError> {
    let name = ostler_format::ObjectName::new(commit.checksum(), ostler_format::ObjectKind::Commit);
    Ok(repo.has_object(&name)? && !repo.is_partial(commit)?)
}

/// Brings the kernel, its initramfs and device trees, before all else.
fn fetch_kernel(
    lock: &SysrootLock,
    fetch: &mut dyn Fetch,
    remote: &RemoteName,
    commit: CommitId,
) -> Result<Result<(), PreflightError>, super::FetchError> {
    let listings = |directories: &[String]| -> Vec<String> {
        directories
            .iter()
            .map(|directory| format!("/{directory}/{NOTHING}"))
            .collect()
    };
    let mut directories = kernel::directories().map(str::to_owned).to_vec();
    fetch.fetch_paths(&lock.repo, remote, commit, &listings(&directories))?;
    directories = modules(&lock.repo, commit)?;
    if !directories.is_empty() {
        fetch.fetch_paths(&lock.repo, remote, commit, &listings(&directories))?;
    }
    let kernel = match CommitKernel::find(&lock.repo, commit, lock.look_for_device_trees()) {
        Ok(kernel) => kernel,
        Err(source) => return Ok(Err(PreflightError::Kernel { commit, source })),
    };
    fetch.fetch_paths(&lock.repo, remote, commit, &kernel.paths())?;
    Ok(Ok(()))
}

fn modules(repo: &Repo, commit: CommitId) -> Result<Vec<String>, CheckoutError> {
    let [modules, ..] = kernel::directories();
    let tree = match checkout::find(repo, commit, modules) {
        Ok(Target::Directory { tree, .. }) => repo.read_dirtree(tree)?,
        Ok(Target::File { .. }) | Err(CheckoutError::NoSuchPath { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = tree
        .dirs
        .into_iter()
        .take(MAX_KERNELS)
        .map(|entry| entry.name);
    Ok(names.map(|name| format!("{modules}/{name}")).collect())
}
