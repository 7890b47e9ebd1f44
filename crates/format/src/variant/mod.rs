//! GVariant: typed values, their little-endian normal form, and their text form.
//!
//! [`Value`] holds any value and is right for metadata. Objects that must be read fast are taken apart in place with
//! [`split_tuple`], [`Items`] and [`split_str`], which check the same rules of normal form.

mod decode;
mod encode;
mod error;
pub(crate) mod framing;
mod glib_order;
mod text;
mod types;
mod value;

pub use decode::{MAX_VALUES, split_variant};
pub(crate) use encode::{pad, push_frame};
pub use error::VariantError;
pub(crate) use error::not_normal;
pub use framing::{Items, Member, split_str, split_tuple};
pub(crate) use glib_order::glib_order;
pub use text::{Annotate, TextError};
pub use types::{MAX_DEPTH, Members, Type};
pub use value::Value;
