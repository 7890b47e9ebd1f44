//! Room for the directories and the `/etc` of a new deployment; its other files are links to the repository's.

use ostler_format::{CommitId, DirTreeId};
use ostler_fs::FsError;
use ostler_store::checkout::{self, CheckoutError, Target};
use ostler_store::transaction::format_size;
use ostler_store::{Repo, StoreError};

use crate::lock::SysrootLock;

/// Left free for the boot order and what the file system needs for itself.
const MARGIN_BYTES: u64 = 1 << 20;
const MARGIN_INODES: u64 = 64;

/// The repository's file system has too little room for a deployment; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TreeSpaceError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The commit's directories.
    #[error("{0}")]
    Checkout(#[from] CheckoutError),
    /// There are too few bytes.
    #[error("the file system of /ostree has {} free, the deployment needs {}", format_size(*free_bytes), format_size(*needed_bytes))]
    Bytes {
        /// What is free, in bytes.
        free_bytes: u64,
        /// What the deployment needs, in bytes.
        needed_bytes: u64,
    },
    /// There are too few inodes.
    #[error("the file system of /ostree has {free} inodes free, the deployment needs {needed}")]
    Inodes {
        /// How many are free.
        free: u64,
        /// How many the deployment needs.
        needed: u64,
    },
}

/// What a tree takes beside the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    directories: u64,
    copied_files: u64,
    copied_bytes: u64,
}

pub(super) fn require_space(lock: &SysrootLock, commit: CommitId) -> Result<(), TreeSpaceError> {
    let space = lock.ostree.space()?;
    let root = lock.repo.read_commit(commit)?;
    let mut needs = Needs {
        directories: count_directories(&lock.repo, root.tree, 0)?,
        ..Needs::default()
    };
    for etc in ["usr/etc", "etc"] {
        match checkout::find(&lock.repo, commit, etc) {
            Ok(Target::Directory { tree, .. }) => {
                add_copies(&lock.repo, tree, space.block_bytes, &mut needs, 0)?
            }
            Ok(Target::File { .. }) | Err(CheckoutError::NoSuchPath { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let needed_bytes = needs.directories * space.block_bytes + needs.copied_bytes + MARGIN_BYTES;
    if needed_bytes > space.free_bytes {
        return Err(TreeSpaceError::Bytes {
            free_bytes: space.free_bytes,
            needed_bytes,
        });
    }
    let needed = needs.directories + needs.copied_files + MARGIN_INODES;
    if space.total_inodes > 0 && needed > space.free_inodes {
        return Err(TreeSpaceError::Inodes {
            free: space.free_inodes,
            needed,
        });
    }
    Ok(())
}

/// Deeper trees than any that can be checked out count as if they ended there.
const MAX_DEPTH: usize = 256;

fn count_directories(repo: &Repo, tree: DirTreeId, depth: usize) -> Result<u64, StoreError> {
    let mut count = 1;
    if depth < MAX_DEPTH {
        for entry in repo.read_dirtree(tree)?.dirs {
            count += count_directories(repo, entry.tree, depth + 1)?;
        }
    }
    Ok(count)
}

fn add_copies(
    repo: &Repo,
    tree: DirTreeId,
    block_bytes: u64,
    needs: &mut Needs,
    depth: usize,
) -> Result<(), StoreError> {
    let tree = repo.read_dirtree(tree)?;
    for (_, id) in &tree.files {
        let size = repo.open_file_object(*id)?.size;
        needs.copied_files += 1;
        needs.copied_bytes += size.next_multiple_of(block_bytes.max(1));
    }
    for entry in tree.dirs.iter().filter(|_| depth < MAX_DEPTH) {
        needs.directories += 1;
        add_copies(repo, entry.tree, block_bytes, needs, depth + 1)?;
    }
    Ok(())
}
