//! Packs: the objects of commits in a few large files, for clients that know of them.
//!
//! | module | what it does |
//! |---|---|
//! | `catalog` | which packs and indexes there are; removes those that nothing needs |
//! | `contents` | which objects a commit needs, and which earlier packs have them |
//! | `write` | makes a pack: objects are read in order, compressed on as many processors as memory allows, written in order |
//! | `group` | from the bytes of a group back to objects |
//! | `verify` | whether packs hold what their indexes say |
//!
//! A commit's pack holds what no earlier pack does, so that a client which has any earlier commit finds most of what it lacks in one place. All
//! objects stay in `objects/` as well: packs are a second way to the same bytes. The format is `ostler-format`'s [`PackIndex`].
//!
//! [`PackIndex`]: ostler_format::pack::PackIndex

mod catalog;
mod contents;
mod group;
mod verify;
mod write;

pub use catalog::{Listed, announce, list, remove, sweep};
pub use verify::{PackProblem, Verified, verify};
pub use write::{CreateOptions, Created, DEFAULT_LEVEL, DEFAULT_MEMORY, LEVELS, create};

pub(crate) use group::{Piece, Unpacking};
