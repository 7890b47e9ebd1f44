//! New systems: a bootable disk, made of a repository.
//!
//! ```text
//! disk image                                  IMAGE.partial.d, gone at the end
//!   sector 0      boot code of GRUB             root/       the system: /ostree, /boot, one deployment
//!   BIOS-BOOT     GRUB's core image             esp/        what the EFI system partition gets
//!   EFI-SYSTEM    FAT32                         boot.img    file systems, each a sparse file
//!   boot          ext4, if it is asked for      root.img
//!   root          ext4, XFS or Btrfs
//! ```
//! A file system is made of a directory by its own maker where that keeps owners, extended attributes and hard links: ext4. XFS and Btrfs are mounted
//! from a loop device, in a mount namespace of this process, and filled there. The file systems are then copied to their places, holes left out, and the
//! partition table is written last. An image is `IMAGE.partial` until it is whole and durable.

mod file_systems;
mod loader;
mod output;
mod partitions;
mod programs;
mod system;
mod table;
mod to_disk;
mod uuid;

pub use file_systems::{FileSystemError, Filled};
pub use loader::{Loader, LoaderError};
pub use output::{OutputError, Wipe};
pub use partitions::{FileSystem, Partition, Role, Sizes, SizesError};
pub use programs::ProgramError;
pub use system::{RemoteSettings, Source, System, SystemError};
pub use to_disk::{Disk, DiskError, DiskPlan, MadeDisk, MadePartition, plan_disk, to_disk};
