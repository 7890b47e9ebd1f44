//! From a part to objects.
//!
//! | module | what it does |
//! |---|---|
//! | `payload` | a part's file unpacked into a file without a name, found its way about in |
//! | `source` | the content of an old object, read anywhere |
//! | `patch` | a bsdiff patch, applied as a stream |
//! | `steps`, `execute` | the operations, read and executed |
//! | `threads` | several parts at once |
//!
//! Memory is bounded by a constant for each of at most four threads: the two tables of at most 16 MiB each, metadata objects of at most 128 MiB one at a time,
//! the decoder's dictionary, and buffers. Each object's checksum is verified before it gets its name.

mod execute;
mod patch;
mod payload;
mod source;
mod steps;
mod threads;

use std::io::Read;

use ostler_format::delta::PartHeader;

use super::DeltaError;
use crate::transaction::Transaction;
use execute::Executor;
#[cfg(test)]
pub(super) use patch::patched;
pub(super) use payload::{Payload, Room};
pub(super) use steps::Steps;
pub(crate) use threads::on_threads;

/// A part that is to be applied.
pub(crate) struct PartInput<'p> {
    /// Its number, from 0, for messages.
    pub(crate) number: usize,
    /// What the superblock says of it.
    pub(crate) head: &'p PartHeader,
    /// Its file.
    pub(crate) file: &'p mut dyn Read,
    /// Whether regular files with mode bits beyond 0775 are refused.
    pub(crate) bare_user_only_files: bool,
}

/// Checks a part, and makes its objects in the transaction; those that are here already are passed over.
///
/// # Errors
/// [`DeltaError`]; objects that were made by then stay in the transaction.
pub(crate) fn apply_part(
    transaction: &Transaction<'_>,
    input: PartInput<'_>,
) -> Result<(), DeltaError> {
    let payload = Payload::unpack(
        Room::Transaction(transaction),
        input.number,
        input.head,
        input.file,
    )?;
    let refused = input.bare_user_only_files;
    Executor::new(transaction, input.number, input.head, &payload, refused)?.run()
}
