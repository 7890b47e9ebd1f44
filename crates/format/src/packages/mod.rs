//! The package databases that OS trees carry: dpkg's `status`, and the headers in rpm's `rpmdb.sqlite`; and the list of packages
//! in the metadata of a commit.
//!
//! All are read for what is installed, never written.

pub mod dpkg;
pub mod pkglist;
pub mod rpm;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture; empty if the database says none.
    pub architecture: String,
    /// Its whole version as its packager writes it: `[EPOCH:]UPSTREAM[-REVISION]`.
    pub version: String,
}

/// A package database that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackagesError {
    /// It is larger than any should be.
    #[error("it has {found} bytes, more than {max}")]
    TooLarge {
        /// Bytes that there are.
        found: usize,
        /// Bytes that are read.
        max: usize,
    },
    /// A part of it is not what it must be.
    #[error("at {place} {found}: {problem}")]
    Malformed {
        /// What `found` counts.
        place: &'static str,
        /// Where.
        found: usize,
        /// What is wrong there.
        problem: &'static str,
    },
}
