//! Room in the repository for the objects of a commit, where the commit says how large they are.

use ostler_format::{CommitId, ObjectError, ObjectKind, ObjectName, SIZES_KEY, parse_sizes};
use ostler_fs::FsError;
use ostler_store::StoreError;
use ostler_store::config::MinFreeSpace;
use ostler_store::transaction::format_size;

use crate::lock::SysrootLock;

/// The repository's file system has too little room for a commit; nothing of its content was fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadSpaceError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// What the commit says of its sizes.
    #[error("the sizes in commit `{commit}`: {source}")]
    Sizes {
        /// The commit.
        commit: CommitId,
        /// What is wrong with them.
        source: ObjectError,
    },
    /// There is too little room.
    #[error(
        "the repository has {} free, of which {} stay free; the new objects of `{commit}` need {}",
        format_size(*free_bytes),
        format_size(*kept_bytes),
        format_size(*needed_bytes)
    )]
    Full {
        /// The commit.
        commit: CommitId,
        /// What is free, in bytes.
        free_bytes: u64,
        /// What the repository's config keeps free, in bytes.
        kept_bytes: u64,
        /// What the objects need, in bytes.
        needed_bytes: u64,
    },
}

/// Checks that the objects that are not here yet fit, if the commit says how large they are.
pub(crate) fn require_space(
    lock: &SysrootLock,
    commit: CommitId,
) -> Result<(), DownloadSpaceError> {
    let metadata = lock.repo.read_commit(commit)?.metadata;
    let Some(sizes) = metadata.get(SIZES_KEY) else {
        return Ok(());
    };
    let sizes =
        parse_sizes(sizes).map_err(|source| DownloadSpaceError::Sizes { commit, source })?;
    let space = lock.ostree.space()?;
    let block_bytes = space.block_bytes.max(1);
    let mut needed_bytes = 0_u64;
    for entry in sizes {
        let name = ObjectName::new(entry.checksum, entry.kind.unwrap_or(ObjectKind::File));
        if !lock.repo.has_object(&name)? {
            let bytes = entry
                .unpacked
                .checked_next_multiple_of(block_bytes)
                .unwrap_or(u64::MAX);
            needed_bytes = needed_bytes.saturating_add(bytes);
        }
    }
    let kept_bytes = match lock.repo.config().min_free_space {
        MinFreeSpace::Percent(percent) => space.total_bytes / 100 * percent,
        MinFreeSpace::Bytes(bytes) => bytes,
    };
    let free_bytes = space.free_bytes;
    if needed_bytes > 0 && needed_bytes.saturating_add(kept_bytes) > free_bytes {
        return Err(DownloadSpaceError::Full {
            commit,
            free_bytes,
            kept_bytes,
            needed_bytes,
        });
    }
    Ok(())
}
