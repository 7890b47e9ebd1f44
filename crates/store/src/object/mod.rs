//! Objects on disk: reading them in every mode, and the physical form that each mode gives them.

mod content;
mod import;
mod list;
mod physical;
mod read;
mod stat;
mod verify;

pub use content::FileObject;

/// The most bytes of xattrs, names and values together, that one inode may have.
pub const MAX_XATTRS: usize = 1 << 20;

pub(crate) use import::check_bare_user_only;
pub use import::{ImportOptions, Imported, Importer, Trust};
pub(crate) use physical::{USER_META_XATTR, physical_mode};
pub(crate) use read::{header_error, open_file_object_at};
pub use verify::ObjectVerifier;
pub(crate) use verify::{EIO, is_unreadable, unreadable};
