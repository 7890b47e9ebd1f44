//! Static deltas: files that lead from one commit, or from nothing, to another.
//!
//! ```text
//! deltas/<from[0:2]>/<from[2:]>-<to>/superblock    deltas/<to[0:2]>/<to[2:]>/superblock     (names: see `DeltaName`)
//! delta-indexes/<to[0:2]>/<to[2:]>.index           a{sv}: what the summary says of the deltas to one commit
//! ```

mod index;

pub use index::{list, remove_orphans, remove_to};
pub(crate) use index::{reindex, to_value};
