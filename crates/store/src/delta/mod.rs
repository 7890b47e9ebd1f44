//! Static deltas: files that lead from one commit, or from nothing, to another.
//!
//! ```text
//! deltas/<from[0:2]>/<from[2:]>-<to>/superblock    deltas/<to[0:2]>/<to[2:]>/superblock     (names: see `DeltaName`)
//! delta-indexes/<to[0:2]>/<to[2:]>.index           a{sv}: what the summary says of the deltas to one commit
//! ```

//! | module | what it does |
//! |---|---|
//! | `index` | which deltas there are, and the files that say so |
//! | `files` | a superblock, plain or signed, and its parts |
//! | `apply` | from a part to objects |
//! | `offline` | a whole delta whose files are at hand |
//! | `inspect` | what a part has inside |
//! | `generate` | making a delta |
//! | [`native`] | Ostler's own encoding beside libostree's |

mod apply;
mod error;
mod files;
mod index;
mod inspect;
pub mod native;
mod offline;

mod generate;

pub(crate) use apply::{PartInput, apply_part, on_threads};
pub use error::DeltaError;
pub use files::DeltaFiles;
pub(crate) use files::parse as parse_superblock;
pub use generate::{GenerateOptions, Generated, Placement, generate};
pub use index::{indexed, list, reindex, remove, remove_orphans, remove_to};
pub(crate) use index::{reindex_known, to_value};
pub use inspect::{PartStats, part_stats};
pub use offline::apply_offline;
