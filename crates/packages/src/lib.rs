//! The packages of operating system trees, in both worlds: dpkg's and rpm's. Knows nothing of boot.
//!
//! | module | what it owns |
//! |---|---|
//! | [`package`] | what a package is called |
//! | [`version`] | which of two versions is newer |
//! | [`tree`] | files of a commit or a directory, found by path |
//! | [`database`] | what a tree says is installed |
//! | [`changes`], [`changelogs`] | what changes between two trees, and what changelogs say of it |
//! | [`mod@file`] | packages as files: what they say of themselves, and whether they are whole |
//! | [`mod@import`] | a package as a commit |
//! | [`deb`] | Debian's formats |
//! | [`mod@rpm`] | rpm's formats |
//! | [`pkglist`], [`advisories`] | packages and advisories in the metadata of a commit |
//!
//! Parsers are pure: bytes in, values out, sizes capped before anything is allocated; `fuzz/` has targets for them, `spec/` describes the formats.

pub mod advisories;
pub mod changelogs;
pub mod changes;
pub mod database;
pub mod deb;
mod error;
pub mod file;
pub mod import;
pub mod package;
pub mod pkglist;
pub mod rpm;
pub mod tree;
pub mod version;

pub use error::PackagesError;
pub use package::{Package, World};
