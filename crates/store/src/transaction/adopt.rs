//! Files that become objects by a second name, without being copied.

use std::fs::File;

use ostler_format::{FileId, ObjectName};
use ostler_fs::{HardLink, Trusted, file, hard_link_open};

use super::Transaction;
use super::intake::EPOCH;
use crate::error::StoreError;

/// Whether a file could be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// The object is there: this inode, or one that was there before.
    Done,
    /// Another file system, or the kernel forbids it; it must be copied.
    Impossible,
}

impl Transaction<'_> {
    /// Makes the inode of `file` the content object `id`.
    ///
    /// The caller has hashed it, made sure that owner, mode and xattrs are what the repository's mode keeps, and will
    /// remove the file's other names: until then whoever writes to it damages the object. Its times become 0. It is not counted,
    /// as ostree counts what is written.
    pub(crate) fn adopt_content(&self, content: &File, id: FileId) -> Result<Adoption, StoreError> {
        let name = ObjectName::from(id);
        if self.has(&name)? {
            return Ok(Adoption::Done);
        }
        let staging = &self.intake.staging;
        let path = staging.path_for(&name)?;
        match hard_link_open(content, &staging.dir, Trusted(&path))? {
            HardLink::Linked => {}
            // Another thread has just staged the same content.
            HardLink::AlreadyExists => return Ok(Adoption::Done),
            HardLink::TooManyLinks | HardLink::CrossDevice | HardLink::NotPermitted => {
                return Ok(Adoption::Impossible);
            }
        }
        file::set_times(content, EPOCH)?;
        if self.intake.per_object_fsync {
            file::sync(content)?;
        }
        self.intake.enable_verity(&path)?;
        staging.note(name);
        Ok(Adoption::Done)
    }
}
