//! Objects as GVariant's text.

use ostler_format::{Annotate, Type, Value};

/// Which order of bytes integers are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// As stored.
    AsStored,
    /// Swapped, so that big-endian fields show their values.
    Swapped,
}

impl Bytes {
    /// Prints a value in this order.
    pub(crate) fn print(self, value: &Value) -> String {
        match self {
            Self::AsStored => value.print(Annotate::Types),
            Self::Swapped => value.byteswapped().print(Annotate::Types),
        }
    }

    /// Parses stored bytes as `signature` says and prints them.
    ///
    /// # Errors
    /// A signature that is none, bytes that don't fit it.
    pub(crate) fn print_stored(self, signature: &str, stored: &[u8]) -> anyhow::Result<String> {
        Ok(self.print(&Value::parse(&Type::parse(signature)?, stored)?))
    }
}
