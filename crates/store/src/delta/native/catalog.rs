//! The native deltas of a repository.

use std::collections::{BTreeMap, HashSet};

use ostler_format::delta::{DeltaName, MAX_NATIVE_LIST, NativeEntry, NativeList};
use ostler_format::pack::Pack;
use ostler_format::{Checksum, CommitId};
use ostler_fs::Trusted;

use crate::error::StoreError;
use crate::pack::named_by_checksum;
use crate::repo::Repo;

/// Their folder in a repository.
pub(super) const FOLDER: &str = "native-deltas";

/// Lists the deltas of a repository.
///
/// # Errors
/// [`StoreError::Fs`]. A list that is damaged lists nothing, as for clients.
pub fn list(repo: &Repo) -> Result<BTreeMap<DeltaName, NativeEntry>, StoreError> {
    let mut found = BTreeMap::new();
    for to in commits(repo)? {
        for entry in read(repo, to)?.deltas {
            let from = Some(entry.from);
            found.insert(DeltaName { from, to }, entry);
        }
    }
    Ok(found)
}

/// Says in the repository's `config` that there are native deltas, for clients to look for them.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn announce(repo: &mut Repo) -> Result<(), StoreError> {
    if repo.config().native_deltas {
        return Ok(());
    }
    repo.change_config(|file| file.set_boolean("ostler", "native-deltas", true))
}

/// Deletes a delta; false if there is none of that name.
///
/// # Errors
/// [`StoreError::Fs`], [`StoreError::Lock`].
pub fn remove(repo: &Repo, name: &DeltaName) -> Result<bool, StoreError> {
    let _lock = repo.lock_exclusive()?;
    let mut list = read(repo, name.to)?;
    let before = list.deltas.len();
    list.deltas.retain(|entry| Some(entry.from) != name.from);
    if list.deltas.len() == before {
        return Ok(false);
    }
    write(repo, name.to, &list)?;
    remove_unlisted(repo)?;
    Ok(true)
}

/// Deletes the deltas that lead to `commit`.
///
/// # Errors
/// [`StoreError::Fs`], [`StoreError::Lock`].
pub fn remove_to(repo: &Repo, commit: CommitId) -> Result<(), StoreError> {
    let _lock = repo.lock_exclusive()?;
    write(repo, commit, &NativeList::default())?;
    remove_unlisted(repo)?;
    Ok(())
}

/// Deletes the deltas to commits that are not here, and files that no list has; returns how many files. The caller holds the exclusive
/// lock.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn sweep(repo: &Repo) -> Result<u64, StoreError> {
    let mut removed = 0;
    for to in commits(repo)? {
        if !repo.has_own_object(&to.into())? {
            let path = NativeList::path(to);
            removed += u64::from(repo.dir().unlink_optional(Trusted(&path))?);
        }
    }
    Ok(removed + remove_unlisted(repo)?)
}

/// Lists a delta whose file is here, in the place of an older one from the same commit. The caller holds the exclusive lock.
pub(super) fn add(repo: &Repo, to: CommitId, entry: NativeEntry) -> Result<(), StoreError> {
    let mut list = read(repo, to)?;
    list.deltas.retain(|other| other.from != entry.from);
    list.deltas.push(entry);
    list.deltas.sort_by_key(|entry| entry.from);
    write(repo, to, &list)?;
    remove_unlisted(repo)?;
    Ok(())
}

/// The deltas to a commit; none if the list is absent or damaged.
pub(super) fn read(repo: &Repo, to: CommitId) -> Result<NativeList, StoreError> {
    let path = NativeList::path(to);
    let bytes = repo.dir().read_optional(Trusted(&path), MAX_NATIVE_LIST)?;
    let list = bytes.and_then(|bytes| NativeList::parse(&bytes).ok());
    Ok(list.unwrap_or_default())
}

fn write(repo: &Repo, to: CommitId, list: &NativeList) -> Result<(), StoreError> {
    let path = NativeList::path(to);
    if list.deltas.is_empty() {
        repo.dir().unlink_optional(Trusted(&path))?;
        return Ok(());
    }
    let (folder, name) = path.rsplit_once('/').expect("it lies in a folder");
    let folder = repo.dir().create_dir_all(folder, 0o775)?;
    repo.replace_file(&folder, name, &list.to_bytes(), repo.durability())
}

fn commits(repo: &Repo) -> Result<Vec<CommitId>, StoreError> {
    let names = named_by_checksum(repo, FOLDER, ".list")?;
    Ok(names.into_iter().map(CommitId::new).collect())
}

fn remove_unlisted(repo: &Repo) -> Result<u64, StoreError> {
    let listed: HashSet<Checksum> = list(repo)?
        .into_values()
        .map(|entry| entry.file.checksum)
        .collect();
    let mut removed = 0;
    for checksum in named_by_checksum(repo, FOLDER, ".delta")? {
        let path = path_of(checksum);
        if !listed.contains(&checksum) && repo.dir().unlink_optional(Trusted(&path))? {
            removed += 1;
        }
    }
    Ok(removed)
}

fn path_of(checksum: Checksum) -> String {
    let entry = NativeEntry {
        from: CommitId::new(checksum),
        file: Pack { checksum, size: 0 },
        index_size: 0,
    };
    entry.path()
}
