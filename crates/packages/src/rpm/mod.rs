//! rpm's world: headers and their fields, packages as files.

pub mod capabilities;
pub mod file;
pub mod files;
pub mod header;
mod identity;
pub mod relation;
pub mod script;
pub mod tag;
pub mod verify;

pub use identity::{Change, changelog, package};
