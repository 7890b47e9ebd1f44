//! fs-verity on files of a repository and of what is made from it.

use std::fs::File;

use ostler_fs::inode_flags::{self, Verity};

use crate::config::Tristate;
use crate::error::StoreError;

/// Seals a complete file, which nobody has open for writing, so that the kernel checks what is read of it; the setting `ex-integrity.fsverity`
/// says what happens where the file system can't.
///
/// # Errors
/// [`StoreError::VerityUnsupported`], and what the kernel says, with [`Tristate::Yes`] alone.
pub fn seal(file: &File, wanted: Tristate) -> Result<(), StoreError> {
    if wanted == Tristate::No {
        return Ok(());
    }
    match inode_flags::enable_verity(file) {
        Ok(Verity::Unsupported) if wanted == Tristate::Yes => Err(StoreError::VerityUnsupported),
        Ok(_) => Ok(()),
        Err(_) if wanted == Tristate::Maybe => Ok(()),
        Err(e) => Err(e.into()),
    }
}
