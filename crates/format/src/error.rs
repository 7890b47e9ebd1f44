use thiserror::Error;

use crate::variant::VariantError;

/// Why bytes are not an object, or a struct can't become one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// The GVariant is broken.
    #[error("{object}: {source}")]
    Variant {
        /// What was being read or written.
        object: &'static str,
        /// What is wrong with it.
        source: VariantError,
    },
    /// It is larger than the limit.
    #[error("{object} is {found} bytes, the limit is {limit}")]
    TooLarge {
        /// What was being read or written.
        object: &'static str,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A checksum field is not 32 bytes.
    #[error("{object}: a checksum of {found} bytes")]
    ChecksumLength {
        /// What was being read.
        object: &'static str,
        /// Bytes in the field.
        found: usize,
    },
    /// A file name is empty, `.`, `..`, or holds `/` or NUL.
    #[error("{}", bad_name(object, name))]
    Name {
        /// What was being read or written.
        object: &'static str,
        /// The name.
        name: String,
    },
    /// A name is not greater than the one before it.
    #[error("{object}: `{name}` is repeated or out of order")]
    Order {
        /// What was being read or written.
        object: &'static str,
        /// The second of the two names.
        name: String,
    },
    /// The mode's type or bits are not allowed there.
    #[error("{object}: mode 0{mode:o} is not allowed")]
    Mode {
        /// What was being read or written.
        object: &'static str,
        /// The mode, with its file type.
        mode: u32,
    },
    /// A field has a value that it must not have.
    #[error("{object}: {problem}")]
    Field {
        /// What was being read or written.
        object: &'static str,
        /// The field and its fault.
        problem: &'static str,
    },
    /// An xattr's name is empty, too long or holds NUL, or its value is too long.
    #[error("xattr `{name}`: {problem}")]
    Xattr {
        /// The xattr's name.
        name: String,
        /// Its fault.
        problem: &'static str,
    },
}

fn bad_name(object: &str, name: &str) -> String {
    if name.contains('/') {
        return format!("Invalid / in filename {name}");
    }
    format!("{object}: `{name}` can't be a file's name")
}

pub(crate) trait InObject<T> {
    /// Says what was being read or written.
    fn within(self, object: &'static str) -> Result<T, ObjectError>;
}

impl<T> InObject<T> for Result<T, VariantError> {
    fn within(self, object: &'static str) -> Result<T, ObjectError> {
        self.map_err(|source| ObjectError::Variant { object, source })
    }
}
