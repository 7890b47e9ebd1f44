//! Free space and kind of the file system behind a handle.

use std::os::fd::AsFd;

use rustix::fs::StatVfsMountFlags;

use crate::dir::Dir;
use crate::error::Result;
use crate::file::on;

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total_bytes: u64,
    /// Not in use, with what is reserved for root.
    pub free_bytes: u64,
    /// Free for users without privilege; plan with this.
    pub available_bytes: u64,
    /// Bytes in the unit that files take space in.
    pub block_bytes: u64,
    /// Inodes in all; 0 where the file system makes them as needed.
    pub total_inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
}

/// The kind of a file system, where this program treats it specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystemKind {
    /// ext2, ext3, ext4.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// FAT: no symlinks, no hard links, no owners.
    Fat,
    /// tmpfs: does not outlive the power.
    Tmpfs,
    /// overlayfs.
    Overlay,
    /// EROFS, as composefs images are.
    Erofs,
    /// Another one, by its magic number.
    Other(u64),
}

impl Dir {
    /// Returns the room on the file system of this directory.
    pub fn space(&self) -> Result<Space> {
        let stat = on(self, "ask for the free space of", || {
            rustix::fs::fstatvfs(self.as_fd())
        })?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space {
            total_bytes: bytes(stat.f_blocks),
            free_bytes: bytes(stat.f_bfree),
            available_bytes: bytes(stat.f_bavail),
            block_bytes: stat.f_frsize,
            total_inodes: stat.f_files,
            free_inodes: stat.f_ffree,
        })
    }

    /// Whether this process may make entries in the directory: permissions, and a file system that is not read-only.
    pub fn is_writable(&self) -> bool {
        use rustix::fs::{Access, AtFlags};
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::accessat(self, c".", wanted, AtFlags::EACCESS).is_ok()
    }

    /// Whether the mount or the file system behind this handle is read-only.
    pub fn is_read_only(&self) -> Result<bool> {
        let stat = on(self, "ask for the mount of", || {
            rustix::fs::fstatvfs(self.as_fd())
        })?;
        Ok(stat.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    /// Returns the kind of the file system of this directory.
    pub fn file_system_kind(&self) -> Result<FileSystemKind> {
        let stat = on(self, "ask for the file system of", || {
            rustix::fs::fstatfs(self.as_fd())
        })?;
        // The numbers of linux/magic.h; 32 bits, whatever the width of the field.
        Ok(match stat.f_type as u64 & 0xffff_ffff {
            0xef53 => FileSystemKind::Ext,
            0x5846_5342 => FileSystemKind::Xfs,
            0x9123_683e => FileSystemKind::Btrfs,
            0x4d44 => FileSystemKind::Fat,
            0x0102_1994 => FileSystemKind::Tmpfs,
            0x794c_7630 => FileSystemKind::Overlay,
            0xe0f5_e1e2 => FileSystemKind::Erofs,
            other => FileSystemKind::Other(other),
        })
    }

    /// Returns what tells this file system from others, also when another one gets its device number: most derive it from their UUID.
    pub fn file_system_id(&self) -> Result<u64> {
        on(self, "ask for the file system of", || {
            rustix::fs::fstatvfs(self.as_fd())
        })
        .map(|stat| stat.f_fsid)
    }

    /// Returns the kernel's number of the mount through which this handle was opened, the first field of its line in mountinfo.
    pub fn mount_id(&self) -> Result<u64> {
        use rustix::fs::{AtFlags, StatxFlags};
        let flags = AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
        on(self, "ask for the mount of", || {
            rustix::fs::statx(self.as_fd(), c"", flags, StatxFlags::MNT_ID)
        })
        .map(|stat| stat.stx_mnt_id)
    }
}
