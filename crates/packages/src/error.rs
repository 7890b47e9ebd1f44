//! What is wrong with bytes that should be packages.

/// Bytes of a package, of a database of packages or of a list of them, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackagesError {
    /// There are more than there should be.
    #[error("it has {found} bytes, more than {max}")]
    TooLarge {
        /// Bytes that there are.
        found: u64,
        /// Bytes that are read.
        max: u64,
    },
    /// A part is not what it must be.
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

impl PackagesError {
    pub(crate) fn at_byte(byte: usize, problem: &'static str) -> Self {
        Self::Malformed {
            place: "byte",
            found: byte,
            problem,
        }
    }

    pub(crate) fn at_line(line: usize, problem: &'static str) -> Self {
        Self::Malformed {
            place: "line",
            found: line,
            problem,
        }
    }
}
