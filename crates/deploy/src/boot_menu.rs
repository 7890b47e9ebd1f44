//! Boot entries as a boot loader's own menu.

use ostler_bootloader::{BootloaderError, GrubMenu};
use ostler_format::Turn;

use crate::sysroot::{Sysroot, SysrootError};

/// There is no menu.
#[derive(Debug, thiserror::Error)]
pub enum BootMenuError {
    /// The entries.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// An entry that can't be booted.
    #[error("{0}")]
    Entry(#[from] BootloaderError),
}

/// What grub-mkconfig knows of the device of `/boot`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrubDevice {
    /// Makes the entries' ids unique.
    pub id: String,
    /// Commands that find it.
    pub prepare_root: String,
}

/// Returns the entries of a boot version as commands of GRUB 2.
///
/// # Errors
/// [`BootMenuError`].
pub fn grub2(
    sysroot: &Sysroot,
    version: Turn,
    device: &GrubDevice,
) -> Result<String, BootMenuError> {
    let entries = sysroot.boot_entries(version)?;
    let menu = GrubMenu {
        entries: &entries,
        boot_device_id: &device.id,
        prepare_root: &device.prepare_root,
    };
    Ok(menu.text()?)
}
