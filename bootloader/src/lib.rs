//! Boot loader backends and the programs that run before the real root.
//!
//! Boot Loader Specification entries in `/boot/loader.B/entries` are written by whoever publishes a boot order. A [`Backend`] then
//! brings the boot loader's own configuration in line with them, before the link `/boot/loader` is swapped to `loader.B`:
//!
//! | backend | what it writes | when it takes effect |
//! |---|---|---|
//! | [`BlsOnly`] | nothing: the boot loader reads the entries | with the swap; on FAT with that of [`systemd_boot`] |
//! | [`Syslinux`] | `loader.B/syslinux.cfg`, what others wrote there kept | with the swap |
//! | [`Uboot`] | `loader.B/uEnv.txt` | with the swap |
//! | [`Grub2`] | `loader.B/grub-menu.cfg` for a `grub.cfg` that stays ([`StandingConfig`]) | with the swap |
//! | | `loader.B/grub.cfg`, or `efi/EFI/VENDOR/grub.cfg` | with the swap, or at once |
//!
//! [`grub_disk`] puts GRUB itself on a new disk.
//! [`first_root`] is what runs before the system's own root is there, [`tree_files`] what a tree carries for that, [`trial`] which deployments have
//! proven themselves and what becomes of one that does not, [`counting`] what boot loaders are told of that.
//!
//! Every file is written whole under another name, or in a directory that is not in use yet, and synced.

mod backend;
mod bls_only;
mod choice;
pub mod counting;
pub mod first_root;
mod grub2;
pub mod grub_disk;
pub mod program;
mod syslinux;
pub mod systemd_boot;
pub mod tree_files;
pub mod trial;
mod uboot;

#[cfg(test)]
mod test_boot;

pub use backend::{Backend, BootloaderError, NextBoot, TakesEffect, Written};
pub use bls_only::BlsOnly;
pub use choice::{Choice, ChoiceError, select};
pub use grub2::{Grub2, GrubMenu, StandingConfig};
pub use syslinux::Syslinux;
pub use uboot::Uboot;
