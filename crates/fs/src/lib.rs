//! File-system calls beneath directory handles.
//!
//! | module | what it has |
//! |---|---|
//! | `dir` | [`Dir`]: open, create, link, rename, list, remove; symlinks are never followed unasked |
//! | `temp_file` | [`TempFile`]: a file without a name until it is complete |
//! | [`file`] | owner, mode, times, sync of an open file |
//! | [`xattr`] | extended attributes |
//! | `space` | free bytes, kind of file system |
//! | [`inode_flags`] | the immutable flag, fs-verity |
//!
//! It is the only crate that calls the file system and the only one with unsafe code. Errors are [`FsError`]: operation, path, reason.
//! Linux 5.6 or newer (`openat2`).

mod dir;
mod error;
pub mod file;
pub mod inode_flags;
mod metadata;
mod name;
mod space;
mod temp_file;
pub mod xattr;

pub use dir::{Access, Dir, Durability, Entries, EntryRef, HardLink};
pub use error::{Context, FsError, Result};
pub use metadata::{FileType, Metadata, Timestamp};
pub use name::{Name, Trusted};
pub use space::{FileSystemKind, Space};
pub use temp_file::{LinkOutcome, LinkPolicy, TEMPORARY_PREFIX, TempFile};
