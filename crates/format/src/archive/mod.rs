//! Archives of files: tar in all its dialects, and cpio, as streams of entries; and the tar and cpio that are written.
//!
//! | module | what it has |
//! |---|---|
//! | `tar` | headers, extended headers, sparse maps; [`write_tar_entry`] |
//! | `cpio` | headers of `newc`, `crc` and `odc` |
//! | `cpio_write` | [`write_cpio_header`]: `newc`, for the kernel |
//! | `content` | the bytes of the entry that is being read |
//!
//! [`ArchiveReader`] reads a stream once, from start to end, and never holds more of it than one header: names and extended
//! headers have limits, content is handed on as it comes. What an entry declares is what it has: content that ends early is
//! an error, and what follows the declared end belongs to the next entry. Paths are given as they are, however wicked;
//! whoever places them somewhere must look at them.

mod content;
mod cpio;
mod cpio_write;
mod error;
mod reader;
mod source;
mod tar;

pub use cpio_write::{CpioHeader, cpio_end, cpio_padding, write_cpio_header};
pub use error::ArchiveError;
pub use reader::ArchiveReader;
pub use tar::{TarHeader, TarKind, TarWriteError, tar_end, tar_padding, write_tar_entry};

use crate::xattrs::Xattrs;

/// Bytes in a path or link target, at most.
pub const MAX_ARCHIVE_NAME: u64 = 64 * 1024;
/// Bytes in one extended header, at most.
pub const MAX_EXTENDED_HEADER: u64 = 4 * 1024 * 1024;

/// One thing in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// As it is in the archive; never with a NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permissions, without the file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content; 0 for all but regular files.
    pub size: u64,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, whose content can be read next.
    File,
    /// One of several names of a regular file: the one with content has it for all of the same inode.
    SharedFile {
        /// Device and number of the inode, which mean nothing outside of the archive.
        inode: (u64, u64),
    },
    /// A directory.
    Directory,
    /// A symlink to this target.
    Symlink(Vec<u8>),
    /// A further name of the file at this path.
    HardLink(Vec<u8>),
    /// Something that is neither a file, a directory nor a symlink: a device, a fifo, a socket.
    Special(&'static str),
}
