//! Writes the boot entries of an order, with the kernels that they name and the boot loader's own configuration.

use ostler_bootloader::{Choice, NextBoot, TakesEffect};
use ostler_format::{BootEntry, Checksum, Turn};
use ostler_fs::{Dir, Durability, FsError, Trusted};

use crate::boot_form::{BootForm, write_new};
use crate::boot_settings::BootSettings;
use crate::deployment::Deployment;
use crate::kernel::{Kernel, KernelError};
use crate::layout;
use crate::lock::SysrootLock;
use crate::os_release;

use super::compare::{Versions, counter};
use super::entry::{self, Place};
use super::{PublishError, flat_kernels, kernels};

/// Where a boot order is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// `/boot`.
    pub(super) boot: &'a Dir,
    /// How it holds the order.
    pub(super) form: BootForm,
    /// Its boot version, which is not active yet.
    pub(super) version: Turn,
}

/// Returns the entries as they were written.
pub(super) fn write_entries(
    lock: &SysrootLock,
    target: Target<'_>,
    order: &[Deployment],
    versions: &Versions,
) -> Result<Vec<BootEntry>, PublishError> {
    let Target {
        boot,
        form,
        version,
    } = target;
    let directory = form.start_entries(boot, version)?;
    let boot_settings = BootSettings::read(lock.repo.config().file())?;
    let show_stateroot = order
        .iter()
        .any(|deployment| deployment.id.stateroot != order[0].id.stateroot);
    let mut entries = Vec::with_capacity(order.len());
    for (index, deployment) in order.iter().enumerate() {
        let root = lock.open_deployment(&deployment.id)?;
        let kernel = Kernel::find(&root, lock.look_for_device_trees())
            .map_err(|source| kernel_error(deployment, source))?;
        install(lock, target, deployment, &kernel)?;
        let pretty_name = os_release::pretty_name(&root)?;
        let place = Place {
            boot_version: version,
            in_names: form.version_in_names(version),
            index,
            count: order.len(),
            show_stateroot,
            pretty_name: pretty_name
                .as_deref()
                .unwrap_or(deployment.id.stateroot.as_str()),
            version: versions.of(deployment),
            prefix: match form {
                BootForm::Linked => boot_settings.prefix,
                // It is a file system of its own.
                BootForm::Flat => "/",
            },
            extra: &boot_settings.extra,
        };
        let entry =
            entry::entry(deployment, &kernel, &place).map_err(|source| PublishError::Kargs {
                deployment: Box::new(deployment.id.clone()),
                source,
            })?;
        let tries = counter(deployment, boot_settings.tries);
        let name = place.file_name(deployment, lock.settings.old_entry_names, tries);
        match form {
            BootForm::Linked => {
                directory.write_atomic(name, entry.to_bytes(), 0o644, Durability::Cached)?;
            }
            BootForm::Flat => drop(write_new(&directory, &name, &entry.to_bytes())?),
        }
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
    target: Target<'_>,
    deployment: &Deployment,
    kernel: &Kernel,
) -> Result<(), PublishError> {
    let boot = target.boot;
    let name = layout::kernel_dir(&deployment.id.stateroot, &deployment.bootcsum);
    match target.form {
        BootForm::Linked => kernels::install(boot, kernel, &name)?,
        BootForm::Flat => flat_kernels::install(boot, kernel, &name)?,
    }
    install_overlays(lock, target, &deployment.overlay_initrds)
}

fn install_overlays(
    lock: &SysrootLock,
    target: Target<'_>,
    overlays: &[Checksum],
) -> Result<(), PublishError> {
    if overlays.is_empty() {
        return Ok(());
    }
    let source = Dir::open_ambient(lock.host.run.join(layout::RUN_STAGED_INITRDS));
    for checksum in overlays {
        let installed = format!("{}/{checksum}.img", layout::BOOT_OVERLAYS);
        let present = target.boot.exists(Trusted(installed))?;
        match (&source, target.form) {
            // Of one that was copied in this boot a crash may have left a part.
            (Ok(source), BootForm::Flat) if source.exists(checksum.to_hex())? => {
                flat_kernels::install_overlay(target.boot, source, checksum)?;
            }
            _ if present => {}
            (Ok(source), _) => kernels::install_overlay(target.boot, source, checksum)?,
            (Err(error), _) => {
                return Err(FsError::new("open", error.path(), error.kind()).into());
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
