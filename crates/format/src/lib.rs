//! OSTree's bytes to Rust values and back: pure parsers and writers.
//!
//! Nothing here opens a file or asks for the time. What comes in is untrusted: it is capped, checked whole, and either
//! refused or written back byte for byte. The formats are described in `spec/`.
//!
//! | module | |
//! |---|---|
//! | `checksum`, `object` | SHA-256, typed ids, object kinds and names, loose paths |
//! | [`variant`] | GVariant: types, values, framing, text |
//! | `commit`, `metadata`, `sizes`, `signatures` | commits and what is attached to them |
//! | `dirtree`, `dirtree_ref`, `dirmeta` | directories, owned and in place |
//! | `file_header`, `xattrs`, `mode` | files and symlinks |
//! | `summary`, `metalink` | a repository's refs; where the list of them may be had |
//! | [`delta`] | static deltas: superblocks, parts, operations, indexes |
//! | [`composefs`] | a tree as an EROFS image over objects, and digests of fs-verity |
//! | [`pack`] | the index of a commit's packs |
//! | [`keyfile`], [`refname`], [`origin`] | configuration, names of refs and remotes, where a deployment comes from |
//! | [`archive`] | tar and cpio as streams of entries, and tar written |
//! | `grub_env`, `uboot_env` | what boot loaders keep between boots |
//! | [`kargs`], [`bls`], [`bootlink`] | kernel arguments, boot entries, links to deployments |

pub mod archive;
pub mod bls;
pub mod bootlink;
mod checksum;
mod commit;
pub mod composefs;
pub mod delta;
mod dirmeta;
mod dirtree;
mod dirtree_ref;
mod error;
mod file_header;
mod grub_env;
pub mod kargs;
pub mod keyfile;
mod metadata;
mod metalink;
mod mode;
mod object;
pub mod origin;
pub mod pack;
pub mod refname;
mod signatures;
mod sizes;
mod summary;
mod uboot_env;
pub mod variant;
mod varint;
mod xattrs;

pub use bls::{BootEntry, EntryName};
pub use bootlink::{Bootlink, DeploymentName, StaterootName, Turn};
pub use checksum::{
    CHECKSUM_HEX_LEN, CHECKSUM_LEN, Checksum, ChecksumError, ChecksumHex, CommitId, DirMetaId,
    DirTreeId, FileId, Hasher,
};
pub use commit::Commit;
pub use dirmeta::DirMeta;
pub use dirtree::{DirEntry, DirTree, check_name};
pub use dirtree_ref::{DirEntries, DirEntryRef, DirTreeRef, Entries, FileEntries, FileEntryRef};
pub use error::ObjectError;
pub use file_header::{FileHeader, HEADER_PREFIX_LEN, MAX_HEADER_SIZE, ReadHeaderError};
pub use grub_env::{GrubEnv, GrubEnvError};
pub use kargs::{Karg, KernelArgs};
pub use keyfile::KeyFile;
pub use metadata::Metadata;
pub use metalink::{Metalink, MetalinkError, MetalinkMismatch};
pub use mode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
pub use object::{MAX_METADATA_SIZE, ObjectKind, ObjectName, ObjectNameError, StorageForm};
pub use origin::Origin;
pub use refname::{CollectionId, NameError, RefName, Refspec, RemoteName, Revision};
pub use signatures::{MAX_SIGNATURE_SIZE, MAX_SIGNATURES, SignatureKind};
pub use sizes::{SIZES_KEY, SizeEntry, parse_sizes, sizes_to_value};
pub use summary::{Summary, SummaryRef, collection_map_to_value, refs_to_value};
pub use uboot_env::{UbootEnv, UbootEnvError};
pub use variant::{Annotate, Type, Value, VariantError};
pub use varint::{read_varint, write_varint};
pub use xattrs::{MAX_XATTR_NAME, MAX_XATTR_VALUE, Xattrs};
