//! Writes the boot entries of an order, with the kernels that they name and the boot loader's own configuration.

use ostler_bootloader::{Choice, NextBoot, TakesEffect};
use ostler_format::bootlink::loader_dir;
use ostler_format::{BootEntry, Turn};
use ostler_fs::{Dir, Durability, FsError, Trusted};

use crate::boot_settings::BootSettings;
use crate::deployment::Deployment;
use crate::kernel::{Kernel, KernelError};
use crate::layout;
use crate::lock::SysrootLock;
use crate::os_release;

use super::compare::{Versions, counter};
use super::entry::{self, Place};
use super::{PublishError, kernels};

/// Returns the entries as they were written.
pub(super) fn write_entries(
    lock: &SysrootLock,
    boot: &Dir,
    version: Turn,
    order: &[Deployment],
    versions: &Versions,
) -> Result<Vec<BootEntry>, PublishError> {
    let path = layout::entries(version);
    boot.remove_all(loader_dir(version))?;
    let directory = boot.create_dir_all(Trusted(&path), 0o755)?;
    let boot_settings = BootSettings::read(lock.repo.config().file())?;
    let show_stateroot = order
        .iter()
        .any(|deployment| deployment.id.stateroot != order[0].id.stateroot);
    let mut entries = Vec::with_capacity(order.len());
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
        let tries = counter(deployment, boot_settings.tries);
        let name = place.file_name(deployment, lock.settings.old_entry_names, tries);
        directory.write_atomic(name, entry.to_bytes(), 0o644, Durability::Cached)?;
        entries.push(entry);
    }
    Ok(entries)
}

/// How the boot loader took it.
pub(super) struct Configured {
    /// Whether its configuration changes in the same step as the entries.
    pub(super) one_step: bool,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

/// Tells the boot loader that was found or chosen; one that reads the entries itself needs nothing.
pub(super) fn configure_boot_loader(
    lock: &SysrootLock,
    boot: &Dir,
    version: Turn,
    order: &[Deployment],
    entries: &[BootEntry],
) -> Result<Configured, PublishError> {
    if entries.is_empty() {
        return Ok(Configured {
            one_step: false,
            warnings: Vec::new(),
        });
    }
    let choice = match lock.repo.config().file().string("sysroot", "bootloader")? {
        Some(text) => text.parse::<Choice>()?,
        None => Choice::Auto,
    };
    let default_tree = order
        .first()
        .map(|deployment| lock.open_deployment(&deployment.id))
        .transpose()?;
    let backend = ostler_bootloader::select(choice, boot)?;
    let written = backend.write(&NextBoot {
        boot,
        boot_path: &lock.path.join(layout::BOOT),
        boot_version: version,
        entries,
        default_tree: default_tree.as_ref(),
        booted: lock.booted().is_some(),
        grub_mkconfig: lock.settings.grub_mkconfig.clone(),
    })?;
    // A boot loader without a configuration of its own may read the entries whenever it likes.
    let one_step = backend.takes_effect() == TakesEffect::WithTheSwap && written.path.is_some();
    Ok(Configured {
        one_step,
        warnings: written.warnings,
    })
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

fn kernel_error(deployment: &Deployment, source: KernelError) -> PublishError {
    PublishError::Kernel {
        deployment: Box::new(deployment.id.clone()),
        source,
    }
}
