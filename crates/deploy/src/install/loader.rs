//! The boot loader of a new disk.

use std::path::Path;
use std::str::FromStr;

use ostler_bootloader::StandingConfig;
use ostler_bootloader::grub_disk::{self, BiosError, BiosImages, Firmware, GrubImage, ImageError};
use ostler_fs::{Dir, Durability, FsError};
use ostler_store::progress::{Event, Sink};

use super::partitions::{Partition, Role, SECTOR_BYTES};

/// Which boot loader a new system gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loader {
    /// GRUB 2, for each firmware that the tree, or else this machine, has modules for.
    #[default]
    Grub2,
    /// None: entries are written, and something else reads them.
    None,
}

impl Loader {
    /// Its name on the command line, and the value of `sysroot.bootloader`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grub2 => "grub2",
            Self::None => "none",
        }
    }
}

impl FromStr for Loader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" | "grub2" => Ok(Self::Grub2),
            "none" => Ok(Self::None),
            _ => Err(format!("`{text}` is not one of auto, grub2 and none")),
        }
    }
}

/// A boot loader could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// An image for a BIOS.
    #[error("{0}")]
    Bios(#[from] BiosError),
    /// An image.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// Nothing to make an image of.
    #[error("neither the tree nor this machine has modules of GRUB in `usr/lib/grub`")]
    NoModules,
}

/// What is known once the system is there.
pub(super) struct Installing<'a> {
    /// The deployment's root.
    pub(super) tree: &'a Path,
    /// The file system that has `/boot`.
    pub(super) boot_uuid: &'a str,
    /// Where in it `/boot` is: empty for a file system of its own.
    pub(super) boot_prefix: &'a str,
    /// A directory for files on the way.
    pub(super) scratch: &'a Path,
    /// Where the core image for a BIOS goes, if there is such a place.
    pub(super) bios_boot: Option<&'a Partition>,
    /// The root of the EFI system partition, if there is one.
    pub(super) esp: Option<&'a Path>,
}

/// What was installed.
#[derive(Debug, Default)]
pub(super) struct Installed {
    pub(super) bios: Option<BiosImages>,
    /// Which firmware starts it.
    pub(super) firmware: Vec<&'static str>,
}

/// Writes the configuration that no deployment has to change.
pub(super) fn prepare(loader: Loader, boot: &Dir, kargs: &[String]) -> Result<(), FsError> {
    if loader == Loader::Grub2 {
        let config = StandingConfig {
            serial: kargs.iter().any(|karg| karg.starts_with("console=ttyS")),
            ..StandingConfig::default()
        };
        let grub = boot.create_dir_all("grub", 0o755)?;
        grub.write_atomic("grub.cfg", config.to_string(), 0o644, Durability::Synced)?;
    }
    Ok(())
}

/// Makes images for all firmware that there are modules for.
pub(super) fn install(
    loader: Loader,
    to: &Installing<'_>,
    sink: &dyn Sink,
) -> Result<Installed, LoaderError> {
    let mut installed = Installed::default();
    if loader == Loader::None {
        return Ok(installed);
    }
    if let Some(partition) = to.bios_boot
        && let Some(modules) = modules(to, Firmware::Bios, sink)
    {
        installed.bios = Some(bios(to, &modules, partition)?);
        installed.firmware.push("bios");
    }
    if let Some(esp) = to.esp {
        let (firmware, name) = match cfg!(target_arch = "aarch64") {
            true => (Firmware::EfiArm, "BOOTAA64.EFI"),
            false => (Firmware::EfiX86, "BOOTX64.EFI"),
        };
        if let Some(modules) = modules(to, firmware, sink) {
            let image = image(to, firmware, &modules)?;
            let dir = Dir::open_ambient(esp)?.create_dir_all("EFI", 0o755)?;
            let dir = dir.create_dir_all("BOOT", 0o755)?;
            dir.write_atomic(name, image, 0o644, Durability::Synced)?;
            installed.firmware.push("uefi");
        }
    }
    match installed.firmware.is_empty() {
        true => Err(LoaderError::NoModules),
        false => Ok(installed),
    }
}

fn modules(to: &Installing<'_>, firmware: Firmware, sink: &dyn Sink) -> Option<std::path::PathBuf> {
    let found = grub_disk::find_modules(to.tree, firmware);
    if found.is_none() {
        let format = firmware.format();
        sink.event(Event::Notice(format!(
            "there are no modules of GRUB for {format}, in the tree or on this machine: such machines won't boot the disk"
        )));
    }
    found
}

fn image(to: &Installing<'_>, firmware: Firmware, modules: &Path) -> Result<Vec<u8>, ImageError> {
    let image = GrubImage {
        firmware,
        modules,
        uuid: to.boot_uuid,
        config_dir: &format!("{}/grub", to.boot_prefix),
    };
    image.make(to.scratch)
}

fn bios(
    to: &Installing<'_>,
    modules: &Path,
    partition: &Partition,
) -> Result<BiosImages, LoaderError> {
    const BOOT_IMAGE_MAX_BYTES: u64 = 4096;
    debug_assert_eq!(partition.role, Role::BiosBoot);
    let core = image(to, Firmware::Bios, modules)?;
    let boot = Dir::open_ambient(modules)?.read("boot.img", BOOT_IMAGE_MAX_BYTES)?;
    Ok(grub_disk::place(
        &boot,
        &core,
        partition.first_byte / SECTOR_BYTES,
        partition.bytes / SECTOR_BYTES,
    )?)
}
