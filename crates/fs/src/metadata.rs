//! What the kernel knows of an inode.

use std::fmt;

use rustix::fs::{AtFlags, Statx, StatxAttributes, StatxFlags};

/// The kind of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileType {
    /// A file with content.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something that this program doesn't know.
    Unknown,
}

impl FileType {
    /// Reads the type bits of an `st_mode`.
    pub fn from_mode(mode: u32) -> Self {
        rustix::fs::FileType::from_raw_mode(mode).into()
    }

    /// Whether it is a directory.
    pub fn is_dir(self) -> bool {
        self == FileType::Directory
    }

    /// Whether it is a regular file.
    pub fn is_file(self) -> bool {
        self == FileType::Regular
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self == FileType::Symlink
    }
}

impl From<rustix::fs::FileType> for FileType {
    fn from(file_type: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType as Raw;
        match file_type {
            Raw::RegularFile => FileType::Regular,
            Raw::Directory => FileType::Directory,
            Raw::Symlink => FileType::Symlink,
            Raw::Fifo => FileType::Fifo,
            Raw::Socket => FileType::Socket,
            Raw::CharacterDevice => FileType::CharDevice,
            Raw::BlockDevice => FileType::BlockDevice,
            _ => FileType::Unknown,
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileType::Regular => "regular file",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::CharDevice => "character device",
            FileType::BlockDevice => "block device",
            FileType::Unknown => "unknown file type",
        })
    }
}

/// Seconds and nanoseconds since 1970-01-01 UTC; before it, the seconds are negative and the nanoseconds still count forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The attributes of one inode, from statx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The kind.
    pub file_type: FileType,
    /// The whole `st_mode`: type, set-id bits and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content; of a symlink, the length of its target.
    pub size: u64,
    /// Bytes that the file system holds for it.
    pub allocated_bytes: u64,
    /// Hard links.
    pub nlink: u32,
    /// Device that holds it, as `st_dev`.
    pub dev: u64,
    /// Inode number in that device.
    pub ino: u64,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of the inode, set by the kernel alone.
    pub ctime: Timestamp,
    /// The device that a device node stands for, as `st_rdev`.
    pub rdev: u64,
    /// Whether the inode has the immutable flag; false where the file system doesn't say.
    pub immutable: bool,
    /// Whether fs-verity protects it.
    pub verity: bool,
    /// Whether it is the root of a mount; false where the kernel doesn't say (before 5.8).
    pub mount_root: bool,
}

impl Metadata {
    /// The permission, set-id and sticky bits: `mode & 0o7777`.
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type.is_dir()
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type.is_file()
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.file_type.is_symlink()
    }

    /// What tells one inode from another on this machine.
    pub fn dev_ino(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    pub(crate) const MASK: StatxFlags = StatxFlags::BASIC_STATS;
    pub(crate) const AT_NAME: AtFlags = AtFlags::SYMLINK_NOFOLLOW
        .union(AtFlags::NO_AUTOMOUNT)
        .union(AtFlags::STATX_SYNC_AS_STAT);
    pub(crate) const AT_FD: AtFlags = AtFlags::EMPTY_PATH.union(AtFlags::NO_AUTOMOUNT);
}

impl From<Statx> for Metadata {
    #[inline]
    fn from(stat: Statx) -> Self {
        let mode = u32::from(stat.stx_mode);
        let time = |time: rustix::fs::StatxTimestamp| Timestamp {
            seconds: time.tv_sec,
            nanoseconds: time.tv_nsec,
        };
        let has = |attribute| stat.stx_attributes.contains(attribute);
        Metadata {
            file_type: FileType::from_mode(mode),
            mode,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: stat.stx_size,
            allocated_bytes: stat.stx_blocks * 512,
            nlink: stat.stx_nlink,
            dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            ino: stat.stx_ino,
            mtime: time(stat.stx_mtime),
            ctime: time(stat.stx_ctime),
            rdev: rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
            immutable: has(StatxAttributes::IMMUTABLE),
            verity: has(StatxAttributes::VERITY),
            mount_root: has(StatxAttributes::MOUNT_ROOT),
        }
    }
}
