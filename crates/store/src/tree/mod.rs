//! Trees in the making: from directories on disk, archives and commits to objects.
//!
//! | module | what it has |
//! |---|---|
//! | `builder` | [`TreeBuilder`]: sources laid over each other |
//! | `mutable`, `write` | [`MutableTree`]: directories in memory, read from the repository where they are touched |
//! | `from_dir` | a directory on disk: walked, hashed and written by all processors |
//! | `from_tar` | a tar or cpio archive, compressed or not |
//! | `from_commit` | a commit's tree |
//! | `modifier`, `stat_overrides`, `skip_list` | what becomes of owners, modes, xattrs and labels, and what is left out |
//! | `metas` | directories' owners, modes and xattrs on their way to objects |
//! | `hardlinks` | which inodes are objects |
//! | `index` | which files were committed before and have not changed |
//! | `sizes` | what each object takes to download and to store |

mod builder;
mod error;
mod from_commit;
mod from_dir;
mod from_tar;
mod hardlinks;
mod index;
mod metas;
mod modifier;
mod mutable;
mod sizes;
mod skip_list;
mod stat_overrides;
mod write;

pub use builder::{BuiltTree, Hardlinks, Sources, TreeBuilder, TreeOptions};
pub use error::TreeError;
pub use from_dir::Consumed;
pub use from_tar::{
    ArchiveOptions, ArchiveSource, ArchiveTreeError, Entries, PathFilter, PathFilterError,
};
pub use index::IndexUse;
pub use modifier::{Attributes, Modifier};
pub use mutable::{MutableTree, NodeId};
pub use skip_list::SkipList;
pub use stat_overrides::{StatOverrides, StatOverridesError};
