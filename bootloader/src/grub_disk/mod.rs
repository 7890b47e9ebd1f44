//! GRUB on a disk that is not this machine's: core images by `grub-mkimage`, placed without asking any device.
//!
//! ```text
//! sector 0        boot.img up to byte 440: reads one sector, at the address in its bytes 92..100
//! BIOS boot       core.img: its first sector (diskboot.img) reads the others, by the list at its end
//! partition       {u64 first sector, u16 sectors, u16 segment}, zero ends it
//! ```
//! `grub-mkimage` fills everything but the addresses. All modules that are needed are in the image, so that it reads nothing but `grub.cfg`, from
//! the file system that its built-in commands find by UUID.

mod bios;
mod image;

pub use bios::{BiosError, BiosImages, place};
pub use image::{Firmware, GrubImage, ImageError, find_modules};
