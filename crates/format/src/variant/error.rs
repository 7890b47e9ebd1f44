use thiserror::Error;

/// Why bytes, a type string or a value are not a GVariant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VariantError {
    /// The bytes break a rule of normal form.
    #[error("not in normal form: {rule}")]
    NotNormal {
        /// The rule, in words.
        rule: &'static str,
    },
    /// The text is not one complete, definite type.
    #[error("`{text}` is not a type string")]
    BadType {
        /// At most 80 characters of the text.
        text: String,
    },
    /// Containers lie deeper in each other than [`crate::variant::MAX_DEPTH`].
    #[error("values are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The bytes hold more than [`crate::variant::MAX_VALUES`] values.
    #[error("more than {limit} values")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// An array's item or a maybe's content is not of the declared type.
    #[error("a value of type `{found}` where type `{expected}` is declared")]
    Mismatch {
        /// The declared type.
        expected: String,
        /// The value's type.
        found: String,
    },
    /// A string holds a NUL, or an object path or signature breaks its grammar, so it can't be serialized.
    #[error("`{text}` can't be a value of type `{ty}`")]
    BadString {
        /// The type's letter: `s`, `o` or `g`.
        ty: char,
        /// At most 80 characters of the text.
        text: String,
    },
}

pub(crate) fn not_normal(rule: &'static str) -> VariantError {
    VariantError::NotNormal { rule }
}
