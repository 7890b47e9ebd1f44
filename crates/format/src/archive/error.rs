//! Why an archive cannot be read on.

use std::io;

/// An archive that ends early or breaks its format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins like no archive that is known here.
    #[error("Unrecognized archive format")]
    Unrecognized,
    /// The stream ends where more must follow.
    #[error("the archive ends early, within {within}")]
    Truncated {
        /// What was being read.
        within: String,
    },
    /// A header makes no sense.
    #[error("the header at byte {offset} is broken: {problem}")]
    Header {
        /// Where it begins in the uncompressed stream.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// An entry cannot be what it says.
    #[error("`{name}`: {problem}")]
    Entry {
        /// The entry's path, with what is not UTF-8 replaced.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ArchiveError {
    pub(super) fn header(offset: u64, problem: impl Into<String>) -> Self {
        Self::Header {
            offset,
            problem: problem.into(),
        }
    }

    pub(super) fn entry(name: &[u8], problem: impl Into<String>) -> Self {
        Self::Entry {
            name: shown(name),
            problem: problem.into(),
        }
    }

    pub(super) fn truncated(within: impl Into<String>) -> Self {
        Self::Truncated {
            within: within.into(),
        }
    }
}

/// The start of a name as text.
pub(super) fn shown(name: &[u8]) -> String {
    const SHOWN: usize = 512;
    String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned()
}
