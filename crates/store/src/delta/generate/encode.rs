//! What becomes of one new file: content as it is, pieces of an old one, or a patch.

use std::io::Read;

use ostler_format::FileId;

use super::budget::Budget;
use super::plan::{NewFile, OldFile};
use super::{GenerateOptions, bsdiff, copies};
use crate::error::StoreError;
use crate::repo::Repo;

/// How a file's content is made.
#[derive(Debug)]
pub(super) enum Encoding {
    /// It is in the delta.
    Whole,
    /// These pieces come from the old one, what is between them is in the delta.
    Pieces(Vec<copies::Piece>),
    /// A patch of the old one, for `apply::patch`.
    Patch(Vec<u8>),
}

/// Finds the best encoding of a file that has an old one.
pub(super) fn encode(
    repo: &Repo,
    file: &NewFile,
    options: &GenerateOptions,
    budget: &Budget,
) -> Result<Encoding, StoreError> {
    let Some(old) = file.old else {
        return Ok(Encoding::Whole);
    };
    let patches = options.bsdiff
        && old.size.max(file.size) <= options.max_bsdiff_bytes
        && budget.fits(patch_memory(&old, file));
    let needed = match patches {
        true => patch_memory(&old, file),
        false => old.size.saturating_add(file.size).saturating_mul(2),
    };
    if !budget.fits(needed) {
        return Ok(Encoding::Whole);
    }
    let _share = budget.take(needed);
    let (old_content, new) = (content(repo, old.id)?, content(repo, file.id)?);
    if patches && old_content != new {
        let patch = bsdiff::diff(&old_content, &new);
        return Ok(match is_worth_it(&patch, new.len()) {
            true => Encoding::Patch(patch),
            false => Encoding::Whole,
        });
    }
    let pieces = match old_content == new {
        true => vec![copies::Piece {
            old: 0,
            new: 0,
            length: new.len(),
        }],
        false => copies::find(&old_content, &new),
    };
    let copied: usize = pieces.iter().map(|piece| piece.length).sum();
    Ok(match copied >= new.len() / 4 && copied > 0 {
        true => Encoding::Pieces(pieces),
        false => Encoding::Whole,
    })
}

/// The two files, the suffix array of four bytes a byte, and the patch.
fn patch_memory(old: &OldFile, new: &NewFile) -> u64 {
    old.size
        .saturating_mul(5)
        .saturating_add(new.size.saturating_mul(2))
        .saturating_add(1 << 20)
}

/// Whether enough of a patch is zeros; the rest is no better than the content itself, which may compress.
fn is_worth_it(patch: &[u8], size: usize) -> bool {
    let zeros = patch.iter().filter(|byte| **byte == 0).count();
    zeros * 8 >= size
}

/// Reads a content object whole.
pub(super) fn content(repo: &Repo, id: FileId) -> Result<Vec<u8>, StoreError> {
    let mut object = repo.open_file_object(id)?;
    let name = id.checksum().to_string();
    let mut bytes = Vec::with_capacity(usize::try_from(object.size).unwrap_or(0));
    object
        .read_to_end(&mut bytes)
        .map_err(|error| StoreError::io(name, error))?;
    Ok(bytes)
}
