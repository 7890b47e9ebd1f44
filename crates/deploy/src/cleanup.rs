//! Removes what nothing refers to: leftovers of a crash and what a new boot order replaced.
//!
//! The boot entries say what is in use. Each removal stands for itself, so a killed cleanup goes on the next time.

use std::collections::HashSet;

use ostler_format::{Checksum, CommitId, RefName, StaterootName, Turn};
use ostler_fs::{Dir, FsError, TEMPORARY_PREFIX, Trusted};
use ostler_store::progress::Silent;
use ostler_store::prune::{PruneOptions, prune};
use ostler_store::reachable::Depth;
use ostler_store::{RefKey, StoreError};

use crate::boot_form::BootForm;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::stateroot::open_var;

/// Within `/var`: where rpm-ostree keeps what it has fetched of package repositories.
const PACKAGE_CACHE: &str = "cache/rpm-ostree";
/// Within [`PACKAGE_CACHE`]: metadata, and the form in which it is searched.
const PACKAGE_METADATA: [&str; 2] = ["repomd", "solv"];

/// Something could not be removed; what was removed before stays so.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Removes boot versions that are not active, deployments and kernels that no boot entry leads to, and refs of both.
///
/// Returns the deployments that were removed. Objects stay in the repository.
///
/// # Errors
/// [`CleanupError`].
pub fn leftovers(lock: &SysrootLock) -> Result<Vec<DeploymentId>, CleanupError> {
    boot_versions(lock)?;
    let removed = deployments(lock)?;
    boot(lock)?;
    refs(lock)?;
    Ok(removed)
}

/// What a cleanup removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Deployments that no boot entry led to.
    pub deployments: Vec<DeploymentId>,
    /// Bytes of objects that nothing needed.
    pub bytes_freed: u64,
}

/// As [`leftovers`], and removes the objects that no ref and no deployment needs.
///
/// # Errors
/// [`CleanupError`].
pub fn full(lock: &SysrootLock) -> Result<Cleaned, CleanupError> {
    let deployments = leftovers(lock)?;
    // Deployments have refs by now; of history nothing is kept.
    let options = PruneOptions {
        refs_only: true,
        depth: Depth::Parents(0),
        ..PruneOptions::default()
    };
    let report = prune(&lock.repo, &options, &Silent)?;
    Ok(Cleaned {
        deployments,
        bytes_freed: report.bytes_freed,
    })
}

/// Removes what rpm-ostree keeps of package repositories in a stateroot's `/var`; it fetches that again when it needs it.
///
/// # Errors
/// [`CleanupError`].
pub fn package_metadata(lock: &SysrootLock, stateroot: &StaterootName) -> Result<(), CleanupError> {
    let var = open_var(lock, stateroot)?;
    if let Some(cache) = var.open_dir_beneath_optional(PACKAGE_CACHE)? {
        for name in PACKAGE_METADATA {
            cache.remove_all(name)?;
        }
    }
    Ok(())
}

/// Removes a deployment that no boot entry leads to, whole: its directory last, so that a later cleanup finds it again.
pub(crate) fn remove_deployment(lock: &SysrootLock, id: &DeploymentId) -> Result<(), FsError> {
    let Some(dir) = lock.ostree.open_dir_optional(Trusted(id.path()))? else {
        return Ok(());
    };
    let identity = dir.self_metadata()?.dev_ino();
    drop(dir);
    let backing = lock.host.booted.and_then(|booted| booted.backing_root);
    if identity == lock.host.root || Some(identity) == backing {
        // The running root, whatever the boot entries say.
        return Ok(());
    }
    let beside = [
        id.origin_path(),
        id.merge_report_path(),
        id.health_report_path(),
        id.backing_path(),
    ];
    for path in beside {
        lock.ostree.remove_all(Trusted(path))?;
    }
    lock.ostree.remove_all_immutable(Trusted(id.path()))?;
    Ok(())
}

/// Removes kernels and initrds in `/boot` that no deployment boots with.
pub(crate) fn boot(lock: &SysrootLock) -> Result<(), FsError> {
    let Some(boot) = &lock.boot else {
        return Ok(());
    };
    let form = BootForm::of(boot)?;
    remove_temporary(boot)?;
    let used: HashSet<String> = lock
        .deployments
        .iter()
        .map(|deployment| layout::kernel_dir(&deployment.id.stateroot, &deployment.bootcsum))
        .collect();
    if let Some(kernels) = boot.open_dir_optional(layout::BOOT_KERNELS)? {
        for entry in kernels
            .entries()?
            .iter()
            .filter(|entry| entry.file_type.is_dir())
        {
            let Some(name) = entry.str_name() else {
                continue;
            };
            let unused = layout::parse_kernel_dir(name).is_some() && !used.contains(name);
            if unused || layout::is_unfinished_kernel_dir(name) {
                form.remove(&kernels, name)?;
            }
        }
    }
    let overlays: HashSet<Checksum> = lock
        .deployments
        .iter()
        .flat_map(|deployment| &deployment.overlay_initrds)
        .copied()
        .collect();
    if let Some(directory) = boot.open_dir_optional(Trusted(layout::BOOT_OVERLAYS))? {
        for entry in directory.entries()?.iter() {
            let checksum = entry
                .str_name()
                .and_then(|name| name.strip_suffix(".img")?.parse().ok());
            if checksum.is_some_and(|checksum| !overlays.contains(&checksum)) {
                form.remove(&directory, entry.name())?;
            }
        }
    }
    Ok(())
}

/// Of four possible pairs of boot version and sub-version one is active.
fn boot_versions(lock: &SysrootLock) -> Result<(), FsError> {
    let other = lock.boot_version.other();
    if let Some(boot) = &lock.boot {
        BootForm::of(boot)?.remove_entries(boot, other)?;
        boot.unlink_optional(layout::LOADER_NEXT)?;
    }
    lock.ostree.unlink_optional(layout::bootlinks(other))?;
    for sub in [Turn::Zero, Turn::One] {
        lock.ostree.remove_all(layout::bootlinks_dir(other, sub))?;
    }
    lock.ostree.remove_all(layout::bootlinks_dir(
        lock.boot_version,
        lock.sub_version.other(),
    ))?;
    remove_temporary(&lock.ostree)
}

/// What was made under a temporary name, and not renamed before a crash.
fn remove_temporary(dir: &Dir) -> Result<(), FsError> {
    for entry in dir.entries()?.iter() {
        if entry.name().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            dir.remove_all(entry.name())?;
        }
    }
    Ok(())
}

fn deployments(lock: &SysrootLock) -> Result<Vec<DeploymentId>, CleanupError> {
    let used: HashSet<&DeploymentId> = lock
        .deployments
        .iter()
        .map(|deployment| &deployment.id)
        .collect();
    let mut removed = Vec::new();
    let stateroots = lock.ostree.open_dir(layout::DEPLOY)?;
    for stateroot in stateroots
        .entries()?
        .iter()
        .filter(|entry| entry.file_type.is_dir())
    {
        let Some(stateroot) = stateroot
            .str_name()
            .and_then(|name| StaterootName::new(name).ok())
        else {
            continue;
        };
        for id in deployment_directories(&lock.ostree, &stateroot)? {
            if !used.contains(&id) {
                remove_deployment(lock, &id)?;
                removed.push(id);
            }
        }
        orphans(lock, &stateroot)?;
    }
    Ok(removed)
}

/// Returns the deployments of a stateroot that have a directory, in use or not.
pub(crate) fn deployment_directories(
    ostree: &Dir,
    stateroot: &StaterootName,
) -> Result<Vec<DeploymentId>, FsError> {
    let Some(directory) = ostree.open_dir_optional(Trusted(layout::deployments(stateroot)))? else {
        return Ok(Vec::new());
    };
    let entries = directory.entries()?;
    let names = entries
        .iter()
        .filter(|entry| entry.file_type.is_dir())
        .filter_map(|entry| entry.str_name());
    let id = |(commit, serial)| DeploymentId {
        stateroot: stateroot.clone(),
        commit,
        serial,
    };
    Ok(names
        .filter_map(layout::parse_deployment_name)
        .map(id)
        .collect())
}

/// Removes files and layers whose deployment has no directory.
fn orphans(lock: &SysrootLock, stateroot: &StaterootName) -> Result<(), FsError> {
    let exists: HashSet<String> = deployment_directories(&lock.ostree, stateroot)?
        .iter()
        .map(DeploymentId::name)
        .collect();
    if let Some(directory) = lock
        .ostree
        .open_dir_optional(Trusted(layout::deployments(stateroot)))?
    {
        remove_temporary(&directory)?;
        for entry in directory
            .entries()?
            .iter()
            .filter(|entry| entry.file_type.is_file())
        {
            let of = entry.str_name().and_then(layout::parse_companion_name);
            if of.is_some_and(|of| !exists.contains(of)) {
                directory.unlink(entry.name())?;
            }
        }
    }
    if let Some(directory) = lock
        .ostree
        .open_dir_optional(Trusted(layout::backing(stateroot)))?
    {
        for entry in directory.entries()?.iter() {
            let Some(name) = entry.str_name() else {
                continue;
            };
            if layout::parse_deployment_name(name).is_some() && !exists.contains(name) {
                directory.remove_all(name)?;
            }
        }
    }
    Ok(())
}

/// Sets the refs that keep the deployments' commits, and removes those of other boot orders.
fn refs(lock: &SysrootLock) -> Result<(), CleanupError> {
    hold_commits(lock)?;
    let prefix = RefKey::Head(RefName::new("ostree").expect("a word is a ref's name"));
    for key in lock.repo.list_refs(Some(&prefix))?.keys() {
        let Some((boot, sub, index)) = layout::parse_deployment_ref(key.name().as_str()) else {
            continue;
        };
        let active =
            (boot, sub) == (lock.boot_version, lock.sub_version) && index < lock.deployments.len();
        if !active {
            lock.repo.set_ref(key, None)?;
        }
    }
    Ok(())
}

/// Gives each deployment the ref of its place. At no moment is a commit of the order without a ref: one that is about to lose its only one
/// gets another beyond the last place, which goes with those of other orders.
fn hold_commits(lock: &SysrootLock) -> Result<(), CleanupError> {
    let name = |index| {
        let name = layout::deployment_ref(lock.boot_version, lock.sub_version, index);
        RefKey::Head(RefName::new(name).expect("digits and slashes are a ref's name"))
    };
    let order: Vec<CommitId> = lock.deployments.iter().map(|it| it.id.commit).collect();
    let mut held = Vec::with_capacity(order.len());
    for index in 0..order.len() {
        held.push(lock.repo.read_ref(&name(index))?);
    }
    for (index, commit) in order.iter().enumerate() {
        if held[index] == Some(*commit) {
            continue;
        }
        let lost = held[index].filter(|old| {
            let elsewhere = held.iter().filter(|held| **held == Some(*old)).count() > 1;
            order.contains(old) && !elsewhere
        });
        if let Some(lost) = lost {
            lock.repo.set_ref(&name(held.len()), Some(lost))?;
            held.push(Some(lost));
        }
        lock.repo.set_ref(&name(index), Some(*commit))?;
        held[index] = Some(*commit);
    }
    Ok(())
}
