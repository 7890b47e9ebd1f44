//! Packs: the objects of commits in a few large files, for clients that know of them.
//!
//! | module | what it does |
//! |---|---|
//! | `catalog` | which packs and indexes there are; removes those that nothing needs |
//! | `contents` | which objects a commit needs, and which earlier packs have them |
//! | `read`, `pipeline` | objects read in order and laid into blocks, compressed on some processors, written in order |
//! | `write` | makes a pack |
//! | `group` | from the bytes of a group back to objects |
//! | `replace`, `left_out` | content that only packs have, where an archive was told so: left out, put back, and read in its pack |
//! | `verify` | whether packs hold what their indexes say |
//!
//! A commit's pack holds what no earlier pack does, so that a client which has any earlier commit finds most of what it lacks in one place. All
//! objects stay in `objects/` as well, as long as nobody asks for [`replace_objects`]: packs are a second way to the same bytes. The format is `ostler-format`'s [`PackIndex`].
//!
//! [`PackIndex`]: ostler_format::pack::PackIndex

mod catalog;
mod contents;
mod group;
mod left_out;
mod pipeline;
mod read;
mod replace;
mod verify;
mod write;

pub use catalog::{Listed, announce, list, remove, sweep};
pub use replace::{Replaced, replace_objects, restore_objects};
pub use verify::{PackProblem, Verified, verify};
pub use write::{CreateOptions, Created, DEFAULT_LEVEL, DEFAULT_MEMORY, LEVELS, create};

pub(crate) use catalog::named_by_checksum;
pub(crate) use contents::Contents;
pub(crate) use group::{Framing, Group, Piece, Unpacking};
pub(crate) use left_out::LeftOut;
pub(crate) use pipeline::{Blocks, Frame, compress_all, writing};
pub(crate) use read::{Before, Cut, Laid, Limits, ObjectReader, Standing};
pub(crate) use replace::forget;
pub(crate) use verify::{Fault, check_group, read_group};
