//! Native deltas: Ostler's own encoding of what leads from one commit to another.
//!
//! ```text
//! native-deltas/<to[0:2]>/<to[2:]>.list     the deltas to a commit: from which, which file, length of its index
//! native-deltas/<sum[0:2]>/<sum[2:]>.delta  index and groups; named by the SHA-256 of the file
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `catalog` | which deltas there are; removes those that nothing lists |
//! | `similar` | finds old files by content, where neither path nor name tells |
//! | `old` | what stands before frames: made, and read again |
//! | `align` | where a new version is like an old one |
//! | `encode` | a frame, coded and read again |
//! | `generate` | making a delta, with the pipeline that makes [packs](crate::pack) |
//! | `file` | a delta's file opened; its groups |
//! | `apply` | a whole delta whose file is at hand |
//! | `verify` | whether a delta gives what it says |
//!
//! The format is `ostler-format`'s [`NativeDelta`](ostler_format::delta::NativeDelta). `ostree` looks into none of these folders. A repository with native
//! deltas says so in its `config` (`native-deltas` in the group `[ostler]`), and a [pull](mod@crate::pull) then takes groups as it takes those
//! of packs: what comes out of one is an object only if its checksum is right. Each frame that is unpacked takes at most 48 MiB, whatever the sizes.

mod align;
mod apply;
mod catalog;
mod encode;
mod file;
mod generate;
mod old;
mod similar;
mod verify;

pub use apply::apply_native;
pub use catalog::{announce, list, remove, remove_to, sweep};
pub use file::NativeFile;
pub(crate) use file::groups;
pub use generate::{DEFAULT_LEVEL, LEVELS, NativeGenerated, NativeOptions, generate};
pub use verify::verify;

pub(crate) use encode::encode;
pub(crate) use old::OldObjects;
