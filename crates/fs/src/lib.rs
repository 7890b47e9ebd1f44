//! File-system calls beneath directory handles.
//!
//! | module | what it has |
//! |---|---|
//! | `dir` | [`Dir`]: open, create, link, rename, list, remove; symlinks are never followed unasked |
//! | `writers` | [`writers()`]: who has a file open for writing |
//! | `temp_file` | [`TempFile`]: a file without a name until it is complete |
//! | [`mod@file`] | owner, mode, times, sync of an open file |
//! | [`xattr`] | extended attributes |
//! | `space` | free bytes, kind of file system |
//! | [`walk()`] | everything below a directory, in order |
//! | [`copy`] | reflink, copies by the kernel, chunked reads |
//! | [`lock`] | open-file-description locks, as libostree takes them |
//! | [`inode_flags`] | the immutable flag, fs-verity |
//! | [`loop_device`] | a file as a block device |
//! | [`disk`] | disks and images of them: sizes, where data is, zeros |
//! | [`mount`] | mount table, bind, remount, move, private namespace, boot id |
//! | [`overlay`] | a writable layer above a directory, made complete before it is seen |
//! | `inherited` | [`inherited()`]: descriptors that the process was given by number |
//! | [`kexec`] | the kernel of a restart without firmware |
//! | `freeze` | writing a journal back before a boot loader reads |
//!
//! It is the only crate that calls the file system and the only one with unsafe code. Errors are [`FsError`]: operation, path, reason.
//! Linux 5.6 or newer (`openat2`).

pub mod copy;
mod dir;
pub mod disk;
mod error;
pub mod file;
mod freeze;
mod inherited;
pub mod inode_flags;
pub mod kexec;
pub mod lock;
pub mod loop_device;
mod metadata;
pub mod mount;
mod name;
pub mod overlay;
mod space;
mod temp_file;
mod walk;
mod writers;
pub mod xattr;

pub use dir::{Access, Dir, Durability, Entries, EntryRef, HardLink};
pub use error::{Context, FsError, Result};
pub use inherited::inherited;
pub use metadata::{FileType, Metadata, Timestamp};
pub use name::{Name, Trusted};
pub use space::{FileSystemKind, Space};
pub use temp_file::{
    LinkOutcome, LinkPolicy, TEMPORARY_PREFIX, TempFile, hard_link_open, unique_name,
};
pub use walk::{MAX_DEPTH, Next, Step, Visited, walk};
pub use writers::{Writers, writers};

/// Returns the user id that the process acts with.
#[must_use]
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
