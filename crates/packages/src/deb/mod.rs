//! Debian's world: dpkg's database, changelogs.

pub mod changelog;
pub mod status;
