//! The packs and indexes of a repository.

use std::collections::HashSet;

use ostler_format::pack::{MAX_PACK_INDEX_SIZE, Pack, PackIndex};
use ostler_format::{Checksum, CommitId};
use ostler_fs::{Dir, FileType, Trusted};

use crate::error::StoreError;
use crate::repo::Repo;

/// The folder of packs in a repository.
pub(super) const FOLDER: &str = "packs";

/// A commit that has an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The commit.
    pub commit: CommitId,
    /// Objects that it needs beside itself.
    pub objects: u64,
    /// Bytes of all packs that its objects are in.
    pub pack_bytes: u64,
    /// Bytes of the groups that its objects are in.
    pub group_bytes: u64,
    /// How many packs those are.
    pub packs: u64,
}

/// Lists the commits that have indexes, by checksum.
///
/// # Errors
/// [`StoreError::Fs`]; [`StoreError::PackIndex`] for a damaged index.
pub fn list(repo: &Repo) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for commit in commits(repo)? {
        let Some(index) = read(repo, commit)? else {
            continue;
        };
        let members = index.groups.iter().flat_map(|group| &group.members);
        listed.push(Listed {
            commit,
            objects: members.filter(|member| member.name.is_some()).count() as u64,
            pack_bytes: index.packs.iter().map(|pack| pack.size).sum(),
            group_bytes: index.groups.iter().map(|group| group.packed).sum(),
            packs: index.packs.len() as u64,
        });
    }
    Ok(listed)
}

/// Says in the repository's `config` that there are packs, for clients to look for them.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn announce(repo: &mut Repo) -> Result<(), StoreError> {
    if repo.config().packs {
        return Ok(());
    }
    repo.change_config(|file| file.set_boolean("ostler", "packs", true))
}

/// Removes the index of a commit, and packs that no other index needs; false if it has none.
///
/// # Errors
/// [`StoreError::Fs`], [`StoreError::Lock`].
pub fn remove(repo: &Repo, commit: CommitId) -> Result<bool, StoreError> {
    let lock = repo.lock_exclusive()?;
    let removed = repo
        .dir()
        .unlink_optional(Trusted(&PackIndex::path(commit)))?;
    if removed {
        remove_unneeded(repo)?;
    }
    drop(lock);
    Ok(removed)
}

/// Removes the indexes of commits that are not here, and packs that no index needs; returns how many files. The caller holds the
/// exclusive lock.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn sweep(repo: &Repo) -> Result<u64, StoreError> {
    let mut removed = 0;
    for commit in commits(repo)? {
        if !repo.has_own_object(&commit.into())? {
            removed += u64::from(
                repo.dir()
                    .unlink_optional(Trusted(&PackIndex::path(commit)))?,
            );
        }
    }
    Ok(removed + remove_unneeded(repo)?)
}

/// Reads the index of a commit.
pub(super) fn read(repo: &Repo, commit: CommitId) -> Result<Option<PackIndex>, StoreError> {
    let path = PackIndex::path(commit);
    let Some(bytes) = repo
        .dir()
        .read_optional(Trusted(&path), MAX_PACK_INDEX_SIZE)?
    else {
        return Ok(None);
    };
    let index = PackIndex::parse(&bytes);
    index
        .map(Some)
        .map_err(|source| StoreError::PackIndex { commit, source })
}

/// The commits that have indexes, by checksum.
pub(super) fn commits(repo: &Repo) -> Result<Vec<CommitId>, StoreError> {
    let names = names(repo, ".index")?;
    Ok(names.into_iter().map(CommitId::new).collect())
}

/// Whether a pack is there, with the length that an index says.
pub(super) fn has(repo: &Repo, pack: &Pack) -> Result<bool, StoreError> {
    let stat = repo.dir().metadata_optional(Trusted(&pack.path()))?;
    Ok(stat.is_some_and(|stat| stat.is_file() && stat.size == pack.size))
}

fn remove_unneeded(repo: &Repo) -> Result<u64, StoreError> {
    let mut needed = HashSet::new();
    if let Some(places) = repo.left_out()? {
        needed.extend(places.index().packs.iter().map(|pack| pack.checksum));
    }
    for commit in commits(repo)? {
        // An index that cannot be read needs nothing: clients do without it.
        if let Ok(Some(index)) = read(repo, commit) {
            needed.extend(index.packs.iter().map(|pack| pack.checksum));
        }
    }
    let mut removed = 0;
    for checksum in names(repo, ".pack")? {
        let path = Pack { checksum, size: 0 }.path();
        if !needed.contains(&checksum) && repo.dir().unlink_optional(Trusted(&path))? {
            removed += 1;
        }
    }
    Ok(removed)
}

fn names(repo: &Repo, ending: &str) -> Result<Vec<Checksum>, StoreError> {
    named_by_checksum(repo, FOLDER, ending)
}

/// The checksums that files with this ending, in a folder of the repository, are named by, sorted.
pub(crate) fn named_by_checksum(
    repo: &Repo,
    folder: &str,
    ending: &str,
) -> Result<Vec<Checksum>, StoreError> {
    let mut found = Vec::new();
    let Some(folder) = repo.dir().open_dir_beneath_optional(folder)? else {
        return Ok(found);
    };
    for prefix in folder.entries()?.iter() {
        let Some(prefix_name) = prefix.str_name() else {
            continue;
        };
        if prefix.file_type != FileType::Directory {
            continue;
        }
        let inner: Dir = folder.open_dir(prefix_name)?;
        for entry in inner.entries()?.iter() {
            let rest = entry.str_name().and_then(|name| name.strip_suffix(ending));
            let checksum = rest.map(|rest| Checksum::from_hex(&format!("{prefix_name}{rest}")));
            if let Some(Ok(checksum)) = checksum {
                found.push(checksum);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
