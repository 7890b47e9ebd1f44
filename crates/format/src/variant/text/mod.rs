//! The text form of values, as people write and read it: `{'version': <'39'>, 'size': <uint64 7>}`.

use thiserror::Error;

use super::types::Type;
use super::value::Value;

/// Whether printed text carries the types that can't be told from the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotate {
    /// Reads back as the same type without being told it: `uint32 7`, `@as []`.
    Types,
    /// Bare: `7`, `[]`.
    Nothing,
}

/// Why text is not a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {at}")]
pub struct TextError {
    /// What is wrong.
    pub problem: String,
    /// Where, in bytes from the start of the text.
    pub at: usize,
}

#[allow(clippy::unimplemented)]
impl Value {
    /// Prints as GLib's `g_variant_print` does.
    pub fn print(&self, annotate: Annotate) -> String {
        unimplemented!("{annotate:?}")
    }

    /// Reads text as GLib's `g_variant_parse` does; without a type it is inferred.
    pub fn parse_text(ty: Option<&Type>, text: &str) -> Result<Self, TextError> {
        unimplemented!("{ty:?} {text}")
    }
}
