//! Metalinks of version 3: where one file may be had, how long it is, and which hashes it has.
//!
//! Only what a client needs is read; elements that are not known are passed over, with all that they hold.

mod parse;

use sha2::{Digest, Sha256, Sha512};
use thiserror::Error;

/// One file of a metalink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metalink {
    /// Its length in bytes; never 0.
    pub size: u64,
    /// Its SHA-256, if that is given.
    pub sha256: Option<[u8; 32]>,
    /// Its SHA-512, if that is given. At least one of the two is.
    pub sha512: Option<[u8; 64]>,
    /// `http` and `https` URLs, at least one, the preferred ones first.
    pub urls: Vec<String>,
}

/// Why a document says nothing of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetalinkError {
    /// It is longer than [`Metalink::MAX_BYTES`].
    #[error("the metalink has {found} bytes, the limit is {}", Metalink::MAX_BYTES)]
    TooLarge {
        /// Its length.
        found: usize,
    },
    /// It is not XML.
    #[error("the metalink is not XML: {message}")]
    Xml {
        /// What the parser says.
        message: String,
    },
    /// There is something else where the root element should be.
    #[error("Document must begin with an element")]
    NoElement,
    /// Elements lie within elements beyond reason.
    #[error("elements lie more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// It says nothing of the file.
    #[error("the metalink has no `file` element with the name `{name}`")]
    NoFile {
        /// The file's name.
        name: String,
    },
    /// The length is missing, zero or no number.
    #[error("No `size` element of `{name}` with a number above zero")]
    NoSize {
        /// The file's name.
        name: String,
    },
    /// There is no hash that can be checked.
    #[error("No `verification` of `{name}` with known `hash` (sha256 or sha512)")]
    NoHash {
        /// The file's name.
        name: String,
    },
    /// A hash is not the hexadecimal number that it should be.
    #[error("Invalid hash digest for {kind}")]
    BadHash {
        /// `sha256` or `sha512`.
        kind: &'static str,
    },
    /// There is nowhere to fetch it from.
    #[error("No `url` of `{name}` whose method is http or https among the elements of `resources`")]
    NoUrl {
        /// The file's name.
        name: String,
    },
}

/// What was fetched is not the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetalinkMismatch {
    /// It has another length.
    #[error("Expected size is {expected} bytes but content is {actual} bytes")]
    Size {
        /// As the metalink says.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// It has another hash.
    #[error("Expected checksum is {expected} but actual is {actual}")]
    Hash {
        /// As the metalink says, in hexadecimal digits.
        expected: String,
        /// As it is.
        actual: String,
    },
}

impl Metalink {
    /// The longest document that is read.
    pub const MAX_BYTES: usize = 1 << 20;
    /// The deepest that elements may lie within elements.
    pub const MAX_DEPTH: usize = 64;

    /// Reads what a document says of the file `name`; of several elements with that name the first counts.
    ///
    /// # Errors
    /// [`MetalinkError`]; a document that gives no hash of the file is refused, as is one that gives a wrong one.
    pub fn parse(document: &[u8], name: &str) -> Result<Self, MetalinkError> {
        parse::parse(document, name)
    }

    /// Checks that `content` is the file: its length and every hash that is given.
    ///
    /// # Errors
    /// [`MetalinkMismatch`], the first that is found.
    pub fn check(&self, content: &[u8]) -> Result<(), MetalinkMismatch> {
        let actual = content.len() as u64;
        if actual != self.size {
            return Err(MetalinkMismatch::Size {
                expected: self.size,
                actual,
            });
        }
        if let Some(expected) = &self.sha512 {
            check_hash(expected, &Sha512::digest(content))?;
        }
        if let Some(expected) = &self.sha256 {
            check_hash(expected, &Sha256::digest(content))?;
        }
        Ok(())
    }
}

fn check_hash(expected: &[u8], actual: &[u8]) -> Result<(), MetalinkMismatch> {
    if expected == actual {
        return Ok(());
    }
    Err(MetalinkMismatch::Hash {
        expected: hex(expected),
        actual: hex(actual),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
