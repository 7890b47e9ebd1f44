//! What goes where on a new disk: a pure function from what is asked for to a partition table.

use std::fmt;
use std::str::FromStr;

/// Bytes in a sector of the disks that are made.
pub(super) const SECTOR_BYTES: u64 = 512;
/// Partitions begin at multiples of this.
const ALIGNMENT: u64 = 1 << 20;
/// Room for GRUB's core image.
const BIOS_BOOT_BYTES: u64 = 1 << 20;
/// A smaller one is no FAT32, which firmware expects.
const ESP_MIN_BYTES: u64 = 64 << 20;
const BOOT_MIN_BYTES: u64 = 64 << 20;
const ROOT_MIN_BYTES: u64 = 256 << 20;

/// The file system of the root partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4, with fs-verity.
    #[default]
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
}

impl FileSystem {
    /// Its name, as `mount` and `mkfs` know it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FileSystem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Ext4, Self::Xfs, Self::Btrfs]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not one of ext4, xfs and btrfs"))
    }
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// GRUB's core image, which a BIOS machine's first sector loads.
    BiosBoot,
    /// The EFI system partition.
    Esp,
    /// A `/boot` of its own.
    Boot,
    /// The root.
    Root,
}

impl Role {
    /// The name of such a partition, and the label of its file system.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::BiosBoot => "BIOS-BOOT",
            Self::Esp => "EFI-SYSTEM",
            Self::Boot => "boot",
            Self::Root => "root",
        }
    }

    /// The type, of the discoverable partitions specification where that has one; the root's is of this machine's architecture.
    #[must_use]
    pub fn type_guid(self) -> &'static str {
        match self {
            Self::BiosBoot => "21686148-6449-6e6f-744e-656564454649",
            Self::Esp => "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            Self::Boot => "bc13c2ff-59e6-4262-a352-b275fd6f7172",
            Self::Root if cfg!(target_arch = "aarch64") => "b921b045-1df0-41c3-af44-4c6f280d3fae",
            Self::Root => "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub role: Role,
    /// Where it begins, in bytes from the disk's start.
    pub first_byte: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// How much of a disk is for what; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The whole disk.
    pub disk: u64,
    /// The EFI system partition.
    pub esp: u64,
    /// A `/boot` of its own, if there is one.
    pub boot: Option<u64>,
}

/// A disk can't be divided so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizesError {
    /// A partition would be too small to be of use.
    #[error("the {name} partition has {found} MiB, and needs {needed} at least")]
    Small {
        /// Its name.
        name: &'static str,
        /// What it would have.
        found: u64,
        /// What it needs.
        needed: u64,
    },
}

/// Divides a disk: BIOS boot, EFI system, `/boot` if it is asked for, and the root at the end, where it can grow.
///
/// # Errors
/// [`SizesError`].
pub(super) fn plan(sizes: &Sizes) -> Result<Vec<Partition>, SizesError> {
    let mut partitions = Vec::new();
    let mut at = ALIGNMENT;
    let mut add = |role, bytes: u64| {
        let bytes = bytes / ALIGNMENT * ALIGNMENT;
        partitions.push(Partition {
            role,
            first_byte: at,
            bytes,
        });
        at += bytes;
    };
    require("EFI-SYSTEM", sizes.esp, ESP_MIN_BYTES)?;
    add(Role::BiosBoot, BIOS_BOOT_BYTES);
    add(Role::Esp, sizes.esp);
    if let Some(boot) = sizes.boot {
        require("boot", boot, BOOT_MIN_BYTES)?;
        add(Role::Boot, boot);
    }
    // The second copy of the table is at the end.
    let root = sizes.disk.saturating_sub(at + ALIGNMENT);
    require("root", root, ROOT_MIN_BYTES)?;
    partitions.push(Partition {
        role: Role::Root,
        first_byte: at,
        bytes: root / ALIGNMENT * ALIGNMENT,
    });
    Ok(partitions)
}

fn require(name: &'static str, found: u64, needed: u64) -> Result<(), SizesError> {
    match found >= needed {
        true => Ok(()),
        false => Err(SizesError::Small {
            name,
            found: found >> 20,
            needed: needed >> 20,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn partitions_follow_each_other_and_leave_room_for_both_tables() {
        for boot in [None, Some(300 * MIB + 7)] {
            let disk = 2048 * MIB + 511;
            let sizes = Sizes {
                disk,
                esp: 100 * MIB,
                boot,
            };
            let partitions = plan(&sizes).unwrap();
            assert_eq!(partitions.len(), 3 + usize::from(boot.is_some()));
            assert_eq!(partitions[0].first_byte, MIB);
            for pair in partitions.windows(2) {
                assert_eq!(pair[0].first_byte + pair[0].bytes, pair[1].first_byte);
            }
            assert!(partitions.iter().all(|p| p.bytes > 0 && p.bytes % MIB == 0));
            let root = partitions.last().unwrap();
            assert_eq!(root.role, Role::Root, "it can grow");
            let left = disk - root.first_byte - root.bytes;
            assert!((MIB..2 * MIB).contains(&left), "{left}");
        }
    }

    #[test]
    fn a_disk_without_room_is_refused_with_both_numbers() {
        let sizes = |disk, esp, boot| Sizes { disk, esp, boot };
        let refused = |sizes| plan(&sizes).unwrap_err().to_string();
        assert_eq!(
            refused(sizes(200 * MIB, 100 * MIB, None)),
            "the root partition has 97 MiB, and needs 256 at least"
        );
        assert_eq!(
            refused(sizes(2048 * MIB, 10 * MIB, None)),
            "the EFI-SYSTEM partition has 10 MiB, and needs 64 at least"
        );
        assert_eq!(
            refused(sizes(2048 * MIB, 100 * MIB, Some(MIB))),
            "the boot partition has 1 MiB, and needs 64 at least"
        );
        assert!(refused(sizes(0, 100 * MIB, None)).contains("root"));
    }
}
