//! What a copy of a system root to another disk loses: the seals of fs-verity.
//!
//! Each file that the settings want sealed is sealed by itself, so a killed call goes on the next time.

use ostler_format::{ObjectKind, StorageForm};
use ostler_fs::{FsError, Trusted};
use ostler_store::config::Tristate;
use ostler_store::{RepoMode, StoreError, integrity};

use crate::lock::SysrootLock;
use crate::materialize::{self, MaterializeError};

/// Files were not sealed; those before stay sealed.
#[derive(Debug, thiserror::Error)]
pub enum PostCopyError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// An object, or a file system without fs-verity.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The image of a deployment.
    #[error("{0}")]
    Image(#[from] MaterializeError),
}

/// Seals the objects of the repository and the images of the deployments, as the repository's `ex-integrity.fsverity` wants it.
///
/// # Errors
/// [`PostCopyError`].
pub fn post_copy(lock: &SysrootLock) -> Result<(), PostCopyError> {
    let (repo, wanted) = (&lock.repo, lock.repo.config().fsverity);
    if wanted != Tristate::No && repo.mode() != RepoMode::Archive {
        let form: StorageForm = repo.mode().storage_form();
        repo.for_each_object(|name| {
            if name.kind != ObjectKind::File {
                return Ok(());
            }
            let path = name.loose_path(form);
            let metadata = repo.objects().metadata(Trusted(&path))?;
            if metadata.is_file() {
                integrity::seal(&repo.objects().open_regular(Trusted(&path))?.0, wanted)?;
            }
            Ok(())
        })?;
    }
    for deployment in &lock.deployments {
        materialize::seal_image(repo, &lock.open_deployment(&deployment.id)?)?;
    }
    Ok(())
}
