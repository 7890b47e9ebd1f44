//! `remote`: the places that a repository pulls from.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod refs;
pub(crate) mod show_url;
pub(crate) mod summary;
