//! The text form of values, as people write and read it: `{'version': <'39'>, 'size': <uint64 7>}`.
//!
//! Reading has three steps: [`token`] cuts the text, [`tree`] builds what it says, [`infer`] finds the types that it
//! leaves open; then [`build`] makes the value.

mod build;
mod infer;
mod number;
mod print;
mod printable;
mod token;
mod tree;

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

fn error(at: usize, problem: impl Into<String>) -> TextError {
    TextError {
        problem: problem.into(),
        at,
    }
}

impl Value {
    /// Prints as GLib's `g_variant_print` does.
    pub fn print(&self, annotate: Annotate) -> String {
        let mut out = String::new();
        print::print(self, annotate == Annotate::Types, &mut out);
        out
    }

    /// Reads text as GLib's `g_variant_parse` does; without a type it is inferred.
    ///
    /// Numbers that don't say their type are `i`, or `d` with a point or exponent; text is `s`.
    pub fn parse_text(ty: Option<&Type>, text: &str) -> Result<Self, TextError> {
        let node = tree::parse(text)?;
        match ty {
            Some(ty) => build::build(&node, ty),
            None => build::build_inferred(&node),
        }
    }
}
