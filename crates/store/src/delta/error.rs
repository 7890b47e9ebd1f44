//! What can go wrong with a static delta.

use ostler_format::delta::{DeltaName, PartHeader};
use ostler_format::{Checksum, CommitId, ObjectError, ObjectName};

use crate::error::StoreError;
use crate::sign::SignError;

/// A delta that cannot be read, made or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The repository failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A name is no delta's.
    #[error("Invalid rev {text}")]
    Name {
        /// What was given.
        text: String,
    },
    /// The repository does not have the delta.
    #[error("Can't find delta {name}")]
    Absent {
        /// The delta.
        name: DeltaName,
    },
    /// The file that is to be applied, or a part beside it, is not there.
    #[error("No such file or directory: {path}")]
    NoFile {
        /// Its path.
        path: String,
    },
    /// The superblock cannot be used.
    #[error("superblock of the delta: {source}")]
    Superblock {
        /// What is wrong with it.
        #[from]
        source: ObjectError,
    },
    /// It leads from a commit that is not here.
    #[error("Commit {from}, which is the delta source, is not in repository")]
    NoSource {
        /// The commit.
        from: CommitId,
    },
    /// Some objects must be fetched by themselves, which an offline delta cannot.
    #[error("Cannot execute delta offline: contains {count} fallback objects")]
    Fallbacks {
        /// How many.
        count: usize,
    },
    /// The delta is signed, or has to be, and its signatures are not good.
    #[error("{0}")]
    Refused(#[from] SignError),
    /// It needs other deltas to be applied before it.
    #[error("it needs other deltas to be applied before it, which is not supported")]
    Prerequisites,
    /// A signature has to be checked and no key is named.
    #[error("Key is mandatory to check delta signature")]
    NoKey,
    /// A part's file has another length than the superblock says.
    #[error("part {part}: it has {found} bytes, the superblock says {expected}")]
    PartSize {
        /// Which part, from 0.
        part: usize,
        /// The length that the superblock says.
        expected: u64,
        /// The length it has, or more than that.
        found: u64,
    },
    /// A part's file has another checksum than the superblock says.
    #[error("part {part}: Corrupted delta part; checksum expected='{expected}' actual='{actual}'")]
    PartChecksum {
        /// Which part, from 0.
        part: usize,
        /// The checksum that the superblock says.
        expected: Checksum,
        /// The checksum of what is there.
        actual: Checksum,
    },
    /// A file is too large to be put into a part.
    #[error("{object}: its {size} bytes do not fit into the memory that may be used")]
    Memory {
        /// The file.
        object: ObjectName,
        /// Bytes of its content.
        size: u64,
    },
    /// A native delta's file is not one.
    #[error("native delta `{path}`: {problem}")]
    Native {
        /// Its path or name.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A native delta brings so many objects that no client would read its index.
    #[error(
        "a native delta of so many objects has an index of {index_bytes} bytes, which is more than clients read"
    )]
    NativeTooLarge {
        /// Bytes of the index.
        index_bytes: u64,
    },
    /// A group of a native delta cannot be unpacked, or does not give what it should.
    #[error("native delta {name}: the group at {offset}: {problem}")]
    NativeGroup {
        /// The delta.
        name: DeltaName,
        /// Where in its file the group begins.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// A part cannot be unpacked, or its tables cannot be read.
    #[error("part {part}: {problem}")]
    Part {
        /// Which part, from 0.
        part: usize,
        /// What is wrong.
        problem: String,
    },
    /// An operation cannot be executed.
    #[error("part {part}: {}: {problem}", object_text(object.as_ref()))]
    Operation {
        /// Which part, from 0.
        part: usize,
        /// The object that is being made.
        object: Option<ObjectName>,
        /// What is wrong.
        problem: String,
    },
}

impl DeltaError {
    /// Compares a part's file, by its length and checksum, with what the superblock says.
    ///
    /// # Errors
    /// [`DeltaError::PartSize`], [`DeltaError::PartChecksum`].
    pub(crate) fn check_part(
        part: usize,
        head: &PartHeader,
        found: u64,
        actual: Checksum,
    ) -> Result<(), Self> {
        if found != head.compressed_size {
            return Err(Self::PartSize {
                part,
                expected: head.compressed_size,
                found,
            });
        }
        if actual != head.checksum {
            return Err(Self::PartChecksum {
                part,
                expected: head.checksum,
                actual,
            });
        }
        Ok(())
    }
}

fn object_text(object: Option<&ObjectName>) -> String {
    object.map_or_else(|| "after its last object".to_owned(), ToString::to_string)
}
