//! rpm's world: headers and their fields.

pub mod header;
mod identity;
pub mod tag;

pub use identity::{Change, changelog, package};
