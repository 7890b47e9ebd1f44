//! The only writer of boot entries and bootlinks.
//!
//! A new boot order is written beside the active one and becomes active by one rename, so a power cut at any instant boots the old order
//! or the new one:
//!
//! ```text
//! entries change: kernels -> loader.<1-B>/entries -> boot.<1-B>.<S'> -> boot.<1-B> -> boot loader -> refs -> sync
//!                 -> rename /boot/loader.tmp to loader -> sync
//! targets only:   boot.<B>.<1-S> -> refs -> sync -> rename over boot.<B> -> sync
//! ```
//! The targets alone change if, place by place, kernel, arguments, version and stateroot stay. Each step writes where nothing active
//! looks, so whoever runs after a crash simply starts again.

mod entry;
mod kernels;
mod links;

use std::collections::HashMap;

use ostler_format::bootlink::{boot_dir, loader_dir};
use ostler_format::kargs::KargsError;
use ostler_format::keyfile::KeyFileError;
use ostler_format::{Checksum, CommitId, RefName, Turn};
use ostler_fs::{Dir, Durability, FileSystemKind, FsError, Trusted};
use ostler_store::{RefKey, StoreError};

use crate::boot_settings::BootSettings;
use crate::cleanup;
use crate::deployment::Deployment;
use crate::kernel::{Kernel, KernelError};
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::os_release;
use crate::preflight::{self, BootSpaceError, Room};
use crate::staged;
use crate::stateroot::bump_mtime;
use crate::sysroot::{SysrootError, read_sub_version};

use entry::Place;

/// A boot order that could not be published; the old one is in place.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or directory.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The repository.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system root.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// A deployment's kernel.
    #[error("deployment `{deployment}`: {source}")]
    Kernel {
        /// The deployment.
        deployment: Box<DeploymentId>,
        /// What is wrong with it.
        source: KernelError,
    },
    /// A deployment's kernel arguments.
    #[error("deployment `{deployment}`: {source}")]
    Kargs {
        /// The deployment.
        deployment: Box<DeploymentId>,
        /// What is wrong with them.
        source: KargsError,
    },
    /// A setting of the boot entries.
    #[error("the repository's config: {0}")]
    Config(#[from] KeyFileError),
    /// `/boot` is too small.
    #[error(transparent)]
    BootSpace(#[from] BootSpaceError),
    /// The order lacks a deployment that must stay.
    #[error("refusing to drop deployment `{deployment}`: it is {reason}")]
    Drops {
        /// The deployment.
        deployment: Box<DeploymentId>,
        /// Why it must stay.
        reason: &'static str,
    },
    /// `/boot` cannot hold the links that make the change one step.
    #[error("/boot is a FAT file system, which has no symbolic links")]
    FatBoot,
    /// There is no `/boot`.
    #[error("the system root has no `boot` directory")]
    NoBoot,
    /// The freeze of `/boot` failed as it was told to.
    #[error("fifreeze watchdog was run; During fsfreeze-thaw: aborting due to test-fifreeze")]
    TestFreeze,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The order was in place already.
    Unchanged,
    /// The order is new.
    Changed {
        /// Whether boot entries changed, not only what they lead to.
        entries: bool,
        /// The active directory of bootlinks.
        bootlinks: String,
        /// How many deployments there were before.
        count_before: usize,
        /// How many there are.
        count: usize,
    },
}

/// Makes `next` the boot order.
///
/// A deployment in it is one of the present ones, or was made by [`materialize`](crate::materialize); a staged one stays only as the
/// first. When this returns, the order survives a power cut; what it replaced is left for [`cleanup`](crate::cleanup).
///
/// # Errors
/// [`PublishError`]; the old order stays active then.
pub fn publish(lock: &mut SysrootLock, next: &[Deployment]) -> Result<Published, PublishError> {
    require_kept(lock, next)?;
    let drops_staged =
        lock.staged().is_some() && !next.first().is_some_and(|first| first.staged.is_some());
    let order = with_bootserials(
        next.iter()
            .filter(|deployment| deployment.staged.is_none())
            .cloned()
            .collect(),
    );
    let now: Vec<Deployment> = lock
        .deployments
        .iter()
        .filter(|now| now.staged.is_none())
        .cloned()
        .collect();
    let versions = Versions::read(lock, order.iter().chain(&now));
    let same_entries = now.len() == order.len()
        && now
            .iter()
            .zip(&order)
            .all(|(now, next)| same_entry(now, next, &versions));
    let unchanged = same_entries && now.iter().zip(&order).all(|(now, next)| now.id == next.id);
    if unchanged && !drops_staged {
        return Ok(Published::Unchanged);
    }
    let boot = usable_boot(lock)?;
    if drops_staged {
        staged::discard(lock)?;
    }
    let mut published = Published::Unchanged;
    if !unchanged {
        let bootlinks = if same_entries {
            swap_targets(lock, &boot, &order)?
        } else {
            if preflight::boot_space(lock, &boot, &order)? == Room::AfterDropping {
                drop_outgoing(lock, &boot, &order, &versions)?;
            }
            swap_entries(lock, &boot, &order, &versions)?
        };
        let (count_before, count) = (now.len(), order.len());
        published = Published::Changed {
            entries: !same_entries,
            bootlinks,
            count_before,
            count,
        };
    }
    bump_mtime(&lock.ostree)?;
    lock.sysroot_mut().reload()?;
    Ok(published)
}

/// Replaces the active entry of a published deployment by the one that it holds, in one step and without a new boot order.
///
/// # Errors
/// [`PublishError`].
pub(crate) fn rewrite_entry(
    lock: &SysrootLock,
    deployment: &Deployment,
) -> Result<(), PublishError> {
    let boot = usable_boot(lock)?;
    let entries = boot.open_dir(Trusted(layout::entries(lock.boot_version)))?;
    if let Some(name) = &deployment.entry_name {
        entries.write_atomic(name, deployment.entry.to_bytes(), 0o644, Durability::Synced)?;
    }
    Ok(())
}

/// Makes room in `/boot`: first the kernels that stay become the whole boot order, then the others are removed.
fn drop_outgoing(
    lock: &mut SysrootLock,
    boot: &Dir,
    order: &[Deployment],
    versions: &Versions,
) -> Result<(), PublishError> {
    let stays = |now: &&Deployment| {
        now.staged.is_none() && order.iter().any(|next| next.bootcsum == now.bootcsum)
    };
    let common = with_bootserials(lock.deployments.iter().filter(stays).cloned().collect());
    swap_entries(lock, boot, &common, versions)?;
    lock.sysroot_mut().reload()?;
    cleanup::boot(lock)?;
    Ok(())
}

fn usable_boot(lock: &SysrootLock) -> Result<Dir, PublishError> {
    let boot = lock
        .boot
        .as_ref()
        .ok_or(PublishError::NoBoot)?
        .try_clone()?;
    match boot.file_system_kind()? {
        FileSystemKind::Fat => Err(PublishError::FatBoot),
        _ => Ok(boot),
    }
}

/// The plan keeps these already; nothing else may lose them either.
fn require_kept(lock: &SysrootLock, next: &[Deployment]) -> Result<(), PublishError> {
    for deployment in &lock.deployments {
        let kept = next.iter().any(|next| next.id == deployment.id);
        let reason = match (deployment.booted, deployment.is_pinned()) {
            (true, _) => "booted",
            (false, true) => "pinned",
            (false, false) => continue,
        };
        if !kept {
            return Err(PublishError::Drops {
                deployment: Box::new(deployment.id.clone()),
                reason,
            });
        }
    }
    Ok(())
}

/// Counts the deployments that share a kernel.
fn with_bootserials(mut order: Vec<Deployment>) -> Vec<Deployment> {
    let mut counts: HashMap<Checksum, u32> = HashMap::new();
    for deployment in &mut order {
        let count = counts.entry(deployment.bootcsum).or_default();
        deployment.bootserial = *count;
        *count += 1;
    }
    order
}

/// The versions of commits, by which boot entries are titled.
struct Versions(HashMap<CommitId, Option<String>>);

impl Versions {
    /// A commit that cannot be read has no version; its deployment boots all the same.
    fn read<'a>(lock: &SysrootLock, deployments: impl Iterator<Item = &'a Deployment>) -> Self {
        let version = |commit| {
            let commit = lock.repo.read_commit(commit).ok()?;
            commit.metadata.get_str("version").map(str::to_owned)
        };
        let mut versions = HashMap::new();
        for deployment in deployments {
            let commit = deployment.id.commit;
            versions.entry(commit).or_insert_with(|| version(commit));
        }
        Self(versions)
    }

    fn of(&self, deployment: &Deployment) -> Option<&str> {
        self.0.get(&deployment.id.commit)?.as_deref()
    }
}

/// Whether the boot loader can't tell the two apart but by where `ostree=` leads.
fn same_entry(now: &Deployment, next: &Deployment, versions: &Versions) -> bool {
    now.bootcsum == next.bootcsum
        && now.overlay_initrds == next.overlay_initrds
        && now.chosen_kargs() == next.chosen_kargs()
        && annotations(now).eq(annotations(next))
        && versions.of(now) == versions.of(next)
        && now.id.stateroot == next.id.stateroot
}

/// The keys of an entry that neither this program nor the boot loader knows.
fn annotations(deployment: &Deployment) -> impl Iterator<Item = &(String, String)> {
    deployment
        .entry
        .other
        .iter()
        .filter(|(key, _)| key.starts_with("x-"))
}

fn swap_targets(
    lock: &SysrootLock,
    boot: &Dir,
    order: &[Deployment],
) -> Result<String, PublishError> {
    let (version, sub) = (lock.boot_version, lock.sub_version.other());
    links::create(&lock.ostree, version, sub, order)?;
    write_refs(lock, version, sub, order)?;
    sync(lock, boot)?;
    links::activate(&lock.ostree, version, sub)?;
    if !lock.settings.skip_sync {
        lock.ostree.sync()?;
    }
    Ok(boot_dir(version, sub))
}

fn swap_entries(
    lock: &SysrootLock,
    boot: &Dir,
    order: &[Deployment],
    versions: &Versions,
) -> Result<String, PublishError> {
    let version = lock.boot_version.other();
    let sub = read_sub_version(&lock.ostree, version)?.other();
    write_entries(lock, boot, version, order, versions)?;
    links::create(&lock.ostree, version, sub, order)?;
    links::activate(&lock.ostree, version, sub)?;
    write_refs(lock, version, sub, order)?;
    if !boot.exists("boot")? {
        // So that paths with and without /boot lead to the kernels, on a file system of its own or not.
        boot.symlink(".", "boot")?;
    }
    boot.unlink_optional(layout::LOADER_NEXT)?;
    boot.symlink(loader_dir(version), layout::LOADER_NEXT)?;
    sync(lock, boot)?;
    boot.rename(layout::LOADER_NEXT, boot, layout::LOADER)?;
    if !lock.settings.skip_sync {
        boot.sync()?;
        flush_journal(boot)?;
    }
    Ok(boot_dir(version, sub))
}

fn write_entries(
    lock: &SysrootLock,
    boot: &Dir,
    version: Turn,
    order: &[Deployment],
    versions: &Versions,
) -> Result<(), PublishError> {
    let path = layout::entries(version);
    boot.remove_all(Trusted(&path))?;
    let entries = boot.create_dir_all(Trusted(&path), 0o755)?;
    let boot_settings = BootSettings::read(lock.repo.config().file())?;
    let show_stateroot = order
        .iter()
        .any(|deployment| deployment.id.stateroot != order[0].id.stateroot);
    for (index, deployment) in order.iter().enumerate() {
        let root = lock.open_deployment(&deployment.id)?;
        let kernel = Kernel::find(&root, lock.look_for_device_trees())
            .map_err(|source| kernel_error(deployment, source))?;
        install(lock, boot, deployment, &kernel)?;
        let pretty_name = os_release::pretty_name(&root)?;
        let place = Place {
            boot_version: version,
            index,
            count: order.len(),
            show_stateroot,
            pretty_name: pretty_name
                .as_deref()
                .unwrap_or(deployment.id.stateroot.as_str()),
            version: versions.of(deployment),
            prefix: boot_settings.prefix,
            extra: &boot_settings.extra,
        };
        let entry =
            entry::entry(deployment, &kernel, &place).map_err(|source| PublishError::Kargs {
                deployment: Box::new(deployment.id.clone()),
                source,
            })?;
        let name = place.file_name(deployment, lock.settings.old_entry_names);
        entries.write_atomic(name, entry.to_bytes(), 0o644, Durability::Cached)?;
    }
    Ok(())
}

fn install(
    lock: &SysrootLock,
    boot: &Dir,
    deployment: &Deployment,
    kernel: &Kernel,
) -> Result<(), PublishError> {
    kernels::install(boot, kernel, &deployment.id.stateroot, &deployment.bootcsum)?;
    if !deployment.overlay_initrds.is_empty() {
        let source = Dir::open_ambient(lock.host.run.join(layout::RUN_STAGED_INITRDS));
        for checksum in &deployment.overlay_initrds {
            if !boot.exists(Trusted(format!("{}/{checksum}.img", layout::BOOT_OVERLAYS)))? {
                let source = source
                    .as_ref()
                    .map_err(|e| FsError::new("open", e.path(), e.kind()))?;
                kernels::install_overlay(boot, source, checksum)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn kernel_error(deployment: &Deployment, source: KernelError) -> PublishError {
    PublishError::Kernel {
        deployment: Box::new(deployment.id.clone()),
        source,
    }
}

/// Keeps the commits of the next order alive, before it is active: a prune at any moment must find the refs of what boots.
fn write_refs(
    lock: &SysrootLock,
    version: Turn,
    sub: Turn,
    order: &[Deployment],
) -> Result<(), PublishError> {
    for (index, deployment) in order.iter().enumerate() {
        let name = RefName::new(layout::deployment_ref(version, sub, index))
            .expect("digits and slashes are a ref's name");
        let key = RefKey::Head(name);
        lock.repo.set_ref(&key, Some(deployment.id.commit))?;
    }
    Ok(())
}

/// Everything that was written is on disk when this returns, and where a boot loader that can't replay a journal looks for it.
fn sync(lock: &SysrootLock, boot: &Dir) -> Result<(), PublishError> {
    if lock.settings.test_freeze {
        return Err(PublishError::TestFreeze);
    }
    if lock.settings.skip_sync {
        return Ok(());
    }
    lock.ostree.sync_file_system()?;
    flush_journal(boot)
}

fn flush_journal(boot: &Dir) -> Result<(), PublishError> {
    match boot.freeze_and_thaw() {
        Ok(true) => Ok(()),
        Ok(false) => Ok(boot.sync_file_system()?),
        // Without privilege, as in an image build, nobody boots from it before it is unmounted.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok(boot.sync_file_system()?)
        }
        Err(error) => Err(error.into()),
    }
}
