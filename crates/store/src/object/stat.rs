//! What a content object's file says of itself without being opened.

use ostler_format::{FileHeader, FileId, ObjectKind, ObjectName, Xattrs};
use ostler_fs::{FileType, Trusted};

use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;

impl Repo {
    /// Reads owner, mode, symlink target and size of a content object; its xattrs may be left out.
    ///
    /// In modes whose object is the file itself this is a single call of the file system, an order of magnitude less than opening it.
    ///
    /// # Errors
    /// As [`Repo::open_file_object`].
    pub fn stat_file_object(&self, id: FileId) -> Result<(FileHeader, u64), StoreError> {
        let name = ObjectName::new(id.checksum(), ObjectKind::File);
        for repo in self.chain() {
            if let Some(found) = stat_bare(repo, &name)? {
                return Ok(found);
            }
        }
        let object = self.open_file_object(id)?;
        Ok((object.header, object.size))
    }
}

/// Returns `None` if the object is not here or does not tell everything by its inode.
fn stat_bare(repo: &Repo, name: &ObjectName) -> Result<Option<(FileHeader, u64)>, StoreError> {
    let owner_is_real = match repo.mode() {
        RepoMode::Bare | RepoMode::BareSplitXattrs => true,
        RepoMode::BareUserOnly => false,
        RepoMode::BareUser | RepoMode::Archive => return Ok(None),
    };
    let path = name.loose_path(repo.mode().storage_form());
    let Some(stat) = repo.objects().metadata_optional(Trusted(&path))? else {
        return Ok(None);
    };
    let symlink_target = match stat.file_type {
        FileType::Regular => String::new(),
        FileType::Symlink => match String::from_utf8(repo.objects().read_link(Trusted(&path))?) {
            Ok(target) => target,
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let header = FileHeader {
        uid: if owner_is_real { stat.uid } else { 0 },
        gid: if owner_is_real { stat.gid } else { 0 },
        mode: stat.mode,
        symlink_target,
        xattrs: Xattrs::new(),
    };
    let size = if header.is_symlink() { 0 } else { stat.size };
    Ok(Some((header, size)))
}
