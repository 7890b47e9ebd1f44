//! The only writer of boot entries and bootlinks.
//!
//! A new boot order is written beside the active one and becomes active by one rename, so a power cut at any instant boots the old order
//! or the new one:
//!
//! ```text
//! entries change: kernels -> loader.<1-B>/entries -> boot.<1-B>.<S'> -> boot.<1-B> -> boot loader -> refs -> sync
//!                 -> rename /boot/loader.tmp to loader -> sync
//! targets only:   boot.<B>.<1-S> -> refs -> sync -> rename over boot.<B> -> sync
//! entries, FAT:   kernels -> loader/entries/ostree-b<1-B>-* -> boot.<1-B>.<S'> -> boot.<1-B> -> refs -> sync
//!                 -> one byte of loader/loader.conf -> sync
//! ```
//! The targets alone change if, place by place, kernel, arguments, version and stateroot stay. Each step writes where nothing active
//! looks, so whoever runs after a crash simply starts again.

mod compare;
mod entries;
mod entry;
mod flat_kernels;
mod kernels;
mod links;

use ostler_bootloader::systemd_boot;
use ostler_bootloader::{BootloaderError, ChoiceError};
use ostler_format::bootlink::{boot_dir, loader_dir};
use ostler_format::kargs::KargsError;
use ostler_format::keyfile::KeyFileError;
use ostler_format::{RefName, Turn};
use ostler_fs::{Dir, Durability, FsError, Trusted};
use ostler_store::{RefKey, StoreError, TransactionOptions};

use crate::boot_form::{BootForm, FlatBootError, require_fit};
use crate::boot_settings::{BootSettings, BootSettingsError};
use crate::cleanup;
use crate::deployment::Deployment;
use crate::kernel::KernelError;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::preflight::{self, BootSpaceError, Room};
use crate::staged;
use crate::stateroot::bump_mtime;
use crate::sysroot::{SysrootError, read_sub_version};

use compare::{Versions, same_entry, with_bootserials};

/// A boot order that could not be published; the old one is in place.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The system root.
    #[error("{0}")]
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
    #[error("{0}")]
    Settings(#[from] BootSettingsError),
    /// A setting of the boot loader.
    #[error("the repository's config: {0}")]
    Config(#[from] KeyFileError),
    /// The name of a boot loader in the settings.
    #[error("the repository's config: {0}")]
    BootLoaderChoice(#[from] ChoiceError),
    /// The boot loader's own configuration.
    #[error("bootloader write config: {0}")]
    BootLoader(#[from] BootloaderError),
    /// `/boot` is too small.
    #[error("{0}")]
    BootSpace(#[from] BootSpaceError),
    /// The order lacks a deployment that must stay.
    #[error("refusing to drop deployment `{deployment}`: it is {reason}")]
    Drops {
        /// The deployment.
        deployment: Box<DeploymentId>,
        /// Why it must stay.
        reason: &'static str,
    },
    /// A `/boot` that has no links, and a boot loader that needs them.
    #[error("{0}")]
    FlatBoot(#[from] FlatBootError),
    /// There is no `/boot`.
    #[error("the system root has no `boot` directory")]
    NoBoot,
    /// The freeze of `/boot` failed as it was told to.
    #[error("fifreeze watchdog was run; During fsfreeze-thaw: aborting due to test-fifreeze")]
    TestFreeze,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Whether boot entries changed, not only what they lead to.
    pub entries: bool,
    /// Whether the change was one step for the boot loader too.
    pub one_step: bool,
    /// The active directory of bootlinks.
    pub bootlinks: String,
    /// How many deployments there were before.
    pub count_before: usize,
    /// How many there are.
    pub count: usize,
    /// What a person should know: parts of an entry that the boot loader can't be told.
    pub warnings: Vec<String>,
}

/// Makes `next` the boot order.
///
/// A deployment in it is one of the present ones, or was made by [`materialize`](crate::materialize); a staged one stays only as the
/// first. When this returns, the order survives a power cut; what it replaced is left for [`cleanup`]. Returns `None` if the
/// order was in place already.
///
/// # Errors
/// [`PublishError`]; the old order stays active then.
pub fn publish(
    lock: &mut SysrootLock,
    next: &[Deployment],
) -> Result<Option<Published>, PublishError> {
    require_kept(lock, next)?;
    let drops_staged =
        lock.staged().is_some() && next.first().is_none_or(|first| first.staged.is_none());
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
    let tries = BootSettings::read(lock.repo.config().file())?.tries;
    let same_entries = now.len() == order.len()
        && now
            .iter()
            .zip(&order)
            .all(|(now, next)| same_entry(now, next, &versions, tries));
    let unchanged = same_entries && now.iter().zip(&order).all(|(now, next)| now.id == next.id);
    if unchanged && !drops_staged {
        return Ok(None);
    }
    let boot = usable_boot(lock)?;
    if drops_staged {
        staged::discard(lock)?;
    }
    let mut published = None;
    if !unchanged {
        let (count_before, count) = (now.len(), order.len());
        let told = if same_entries {
            Told::targets_only(swap_targets(lock, &boot, &order)?)
        } else {
            if preflight::boot_space(lock, &boot, &order)? == Room::AfterDropping {
                drop_outgoing(lock, &boot, &order, &versions)?;
            }
            swap_entries(lock, &boot, &order, &versions)?
        };
        published = Some(Published {
            entries: !same_entries,
            one_step: told.one_step,
            bootlinks: told.bootlinks,
            warnings: told.warnings,
            count_before,
            count,
        });
    }
    bump_mtime(&lock.ostree)?;
    lock.sysroot_mut().reload()?;
    Ok(published)
}

/// How a swap went.
struct Told {
    bootlinks: String,
    one_step: bool,
    warnings: Vec<String>,
}

impl Told {
    fn targets_only(bootlinks: String) -> Self {
        Self {
            bootlinks,
            one_step: true,
            warnings: Vec::new(),
        }
    }
}

/// Replaces the active entries of the published ones of all deployments by those that they hold, each in one step and without a new boot order.
///
/// On FAT, where a file can't be replaced in one step, they are published as a new order.
///
/// # Errors
/// [`PublishError`].
pub(crate) fn rewrite_entries(
    lock: &mut SysrootLock,
    deployments: &[Deployment],
) -> Result<(), PublishError> {
    let boot = usable_boot(lock)?;
    if BootForm::of(&boot)? == BootForm::Flat {
        publish(lock, deployments)?;
        return Ok(());
    }
    let entries = boot.open_dir(Trusted(layout::entries(lock.boot_version)))?;
    let published = deployments.iter().filter(|it| it.staged.is_none());
    for deployment in published {
        if let Some(name) = &deployment.entry_name {
            entries.write_atomic(name, deployment.entry.to_bytes(), 0o644, Durability::Synced)?;
        }
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
    require_fit(&boot, lock.repo.config().file())?;
    Ok(boot)
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
) -> Result<Told, PublishError> {
    let version = lock.boot_version.other();
    let sub = read_sub_version(&lock.ostree, version)?.other();
    let form = BootForm::of(boot)?;
    if form == BootForm::Flat && systemd_boot::prepare(boot, lock.boot_version)? {
        // Before entries of the other order are there.
        boot.sync_file_system()?;
    }
    let target = entries::Target {
        boot,
        form,
        version,
    };
    let written = entries::write_entries(lock, target, order, versions)?;
    links::create(&lock.ostree, version, sub, order)?;
    links::activate(&lock.ostree, version, sub)?;
    write_refs(lock, version, sub, order)?;
    let configured = entries::configure_boot_loader(lock, boot, version, order, &written)?;
    switch(lock, boot, form, version)?;
    Ok(Told {
        bootlinks: boot_dir(version, sub),
        one_step: configured.one_step || form == BootForm::Flat,
        warnings: configured.warnings,
    })
}

/// Makes the entries of a boot version the active ones, once all that was written is on disk.
fn switch(
    lock: &SysrootLock,
    boot: &Dir,
    form: BootForm,
    version: Turn,
) -> Result<(), PublishError> {
    match form {
        BootForm::Linked => {
            if !boot.exists("boot")? {
                // So that paths with and without /boot lead to the kernels, on a file system of its own or not.
                boot.symlink(".", "boot")?;
            }
            boot.unlink_optional(layout::LOADER_NEXT)?;
            boot.symlink(loader_dir(version), layout::LOADER_NEXT)?;
            sync(lock, boot)?;
            boot.rename(layout::LOADER_NEXT, boot, layout::LOADER)?;
        }
        BootForm::Flat => {
            sync(lock, boot)?;
            systemd_boot::switch(boot, version)?;
        }
    }
    if !lock.settings.skip_sync {
        boot.sync()?;
        flush_journal(boot)?;
    }
    Ok(())
}

/// Keeps the commits of the next order alive, before it is active: a prune at any moment must find the refs of what boots.
///
/// It is a transaction of the repository, so that what earlier boots left unfinished there goes with each deployment.
fn write_refs(
    lock: &SysrootLock,
    version: Turn,
    sub: Turn,
    order: &[Deployment],
) -> Result<(), PublishError> {
    let transaction = lock.repo.begin(TransactionOptions::default())?;
    for (index, deployment) in order.iter().enumerate() {
        let name = RefName::new(layout::deployment_ref(version, sub, index))
            .expect("digits and slashes are a ref's name");
        transaction.set_ref(RefKey::Head(name), Some(deployment.id.commit));
    }
    transaction.commit()?;
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
