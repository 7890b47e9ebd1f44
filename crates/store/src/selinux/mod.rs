//! SELinux labels by path, as the policy in a tree's `etc/selinux` gives them.
//!
//! | module | what it has |
//! |---|---|
//! | `contexts` | `file_contexts`: which pattern gives which label |
//! | `aliases` | `file_contexts.subs`: paths that are labelled as others are |
//! | `policy` | [`Labels`]: the policy of a directory or of a commit |
//!
//! The rules are libselinux's: of the patterns that match a path and a file's type the last counts, one without wildcards before
//! all that have some. Nothing here asks the kernel, so that a tree is labelled the same on a host without SELinux.

mod aliases;
mod contexts;
mod policy;

pub use contexts::ContextsError;
pub use policy::{DefaultConfiguration, LabelError, Labels, SELINUX_XATTR};
