//! Debian's world: dpkg's database, changelogs, packages as files.

pub mod ar;
pub mod changelog;
pub mod file;
pub mod paragraph;
pub mod relation;
pub mod status;
