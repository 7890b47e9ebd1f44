//! The deltas that a repository has, and the files that tell clients of them.

use std::collections::{BTreeMap, BTreeSet};

use ostler_format::delta::{DELTAS_KEY, DeltaIndex, DeltaName};
use ostler_format::{Checksum, CommitId, Metadata, Value};
use ostler_fs::{Dir, Entries, FileType};

use crate::error::StoreError;
use crate::repo::Repo;

const DELTAS: &str = "deltas";
const INDEXES: &str = "delta-indexes";
/// The largest superblock that is read; it holds the small parts themselves.
const MAX_SUPERBLOCK: u64 = ostler_format::MAX_METADATA_SIZE;

/// Lists the deltas of a repository with the checksums of their superblocks.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn list(repo: &Repo) -> Result<BTreeMap<DeltaName, Checksum>, StoreError> {
    let mut found = BTreeMap::new();
    let Some(deltas) = repo.dir().open_dir_beneath_optional(DELTAS)? else {
        return Ok(found);
    };
    for (prefix, folder) in folders(&deltas)? {
        for (rest, delta) in folders(&folder)? {
            let Some(entry) = DeltaName::from_folder_names(&prefix, &rest) else {
                continue;
            };
            if let Some(bytes) = delta.read_optional("superblock", MAX_SUPERBLOCK)? {
                found.insert(entry, Checksum::of(&bytes));
            }
        }
    }
    Ok(found)
}

/// Deletes a delta; false if there is none of that name.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn remove(repo: &Repo, name: &DeltaName) -> Result<bool, StoreError> {
    Ok(remove_where(repo, |entry| Ok(entry == name))? > 0)
}

/// The commits that have an index of deltas, by checksum.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn indexed(repo: &Repo) -> Result<Vec<CommitId>, StoreError> {
    let mut found = Vec::new();
    for_each_index(repo, |_, _, target| {
        found.push(target);
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// Writes the indexes anew, or only that of the commit `to`, and says in the repository's `config` that there are some.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn reindex(repo: &mut Repo, to: Option<CommitId>) -> Result<(), StoreError> {
    let mut deltas = list(repo)?;
    match to {
        None => reindex_known(repo, &deltas)?,
        Some(to) => {
            deltas.retain(|name, _| name.to == to);
            write_indexes(repo, &deltas)?;
        }
    }
    if repo.config().indexed_deltas {
        return Ok(());
    }
    repo.change_config(|file| file.set_boolean("core", "indexed-deltas", true))
}

/// Deletes the deltas that lead to `commit`; returns how many.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn remove_to(repo: &Repo, commit: CommitId) -> Result<u64, StoreError> {
    remove_where(repo, |entry| Ok(entry.to == commit))
}

/// Deletes the deltas that lead to commits which are not here; returns how many.
///
/// # Errors
/// [`StoreError::Fs`].
pub fn remove_orphans(repo: &Repo) -> Result<u64, StoreError> {
    remove_where(repo, |entry| Ok(!repo.has_object(&entry.to.into())?))
}

fn remove_where(
    repo: &Repo,
    doomed: impl Fn(&DeltaName) -> Result<bool, StoreError>,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    let Some(deltas) = repo.dir().open_dir_beneath_optional(DELTAS)? else {
        return Ok(removed);
    };
    for (prefix, folder) in folders(&deltas)? {
        for (rest, delta) in folders(&folder)? {
            let Some(entry) = DeltaName::from_folder_names(&prefix, &rest) else {
                continue;
            };
            if doomed(&entry)? {
                // Its head first: without it nobody takes the rest for a delta.
                delta.unlink_optional("superblock")?;
                folder.remove_all(&rest)?;
                removed += 1;
            }
        }
    }
    if removed > 0 && repo.dir().exists(INDEXES)? {
        reindex_known(repo, &list(repo)?)?;
    }
    Ok(removed)
}

/// Writes an index for each commit that a delta leads to, and removes the others.
///
/// Each index appears whole; a crash leaves some of them old.
///
/// # Errors
/// [`StoreError::Fs`].
pub(crate) fn reindex_known(
    repo: &Repo,
    deltas: &BTreeMap<DeltaName, Checksum>,
) -> Result<(), StoreError> {
    remove_stale(repo, &deltas.keys().map(|name| name.to).collect())?;
    write_indexes(repo, deltas)
}

fn write_indexes(repo: &Repo, deltas: &BTreeMap<DeltaName, Checksum>) -> Result<(), StoreError> {
    let mut by_target: BTreeMap<CommitId, Vec<(DeltaName, Checksum)>> = BTreeMap::new();
    for (entry, superblock) in deltas {
        by_target
            .entry(entry.to)
            .or_default()
            .push((*entry, *superblock));
    }
    for (target, deltas) in by_target {
        let path = DeltaIndex::path(target);
        let (folder, file) = path.rsplit_once('/').expect("it lies in a folder");
        let folder = repo.dir().create_dir_all(folder, 0o775)?;
        let mut index = Metadata::new();
        index.push(DELTAS_KEY, to_value(deltas));
        repo.replace_file(&folder, file, &index.to_bytes()?, repo.durability())?;
    }
    Ok(())
}

/// Returns the map that summaries and indexes have: key of the delta to checksum of its superblock.
pub(crate) fn to_value(deltas: impl IntoIterator<Item = (DeltaName, Checksum)>) -> Value {
    let mut map = Metadata::new();
    for (entry, superblock) in deltas {
        map.push(
            entry.to_string(),
            Value::Bytes(superblock.as_bytes().to_vec()),
        );
    }
    map.into_hash_order().to_value()
}

fn remove_stale(repo: &Repo, targets: &BTreeSet<CommitId>) -> Result<(), StoreError> {
    for_each_index(repo, |folder, name, target| {
        if !targets.contains(&target) {
            folder.unlink_optional(name)?;
        }
        Ok(())
    })
}

/// Calls `each` with an index's folder, file name and commit.
fn for_each_index(
    repo: &Repo,
    mut each: impl FnMut(&Dir, &str, CommitId) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(indexes) = repo.dir().open_dir_beneath_optional(INDEXES)? else {
        return Ok(());
    };
    for (prefix, folder) in folders(&indexes)? {
        for entry in folder.entries()?.iter() {
            let Some(name) = entry.str_name() else {
                continue;
            };
            let target = name
                .strip_suffix(".index")
                .and_then(|rest| Checksum::from_delta_name(&format!("{prefix}{rest}")).ok())
                .map(CommitId::new);
            if let Some(target) = target {
                each(&folder, name, target)?;
            }
        }
    }
    Ok(())
}

fn folders(dir: &Dir) -> Result<Vec<(String, Dir)>, StoreError> {
    let entries: Entries = dir.entries()?;
    let mut found = Vec::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.file_type == FileType::Directory)
    {
        if let Some(name) = entry.str_name() {
            found.push((name.to_owned(), dir.open_dir(name)?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::RepoMode;

    #[test]
    fn an_index_follows_the_deltas_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Archive, None).unwrap();
        let (from, to) = (Checksum::of(b"from"), Checksum::of(b"to"));
        let (from_name, to_name) = (from.to_delta_name(), to.to_delta_name());
        let folder = |name: String| {
            let path = repo.path().join("deltas").join(&name[..2]).join(&name[2..]);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("superblock"), &name).unwrap();
            path
        };
        folder(to_name.clone());
        let second = folder(format!("{from_name}-{to_name}"));
        let index = repo.path().join(format!(
            "delta-indexes/{}/{}.index",
            &to_name[..2],
            &to_name[2..]
        ));
        let indexed = || {
            reindex_known(&repo, &list(&repo).unwrap()).unwrap();
            let bytes = std::fs::read(&index).ok()?;
            let metadata = Metadata::parse(&bytes).unwrap();
            Some(Metadata::from_value(metadata.get(DELTAS_KEY).unwrap().clone()).unwrap())
        };

        let both = indexed().unwrap();
        assert_eq!(both.len(), 2);
        let sum = Checksum::of(to_name.as_bytes());
        assert_eq!(
            both.get(&to.to_string()).unwrap().as_bytes(),
            Some(&sum.as_bytes()[..])
        );
        std::fs::remove_dir_all(second).unwrap();
        assert_eq!(indexed().unwrap().len(), 1);
        std::fs::remove_dir_all(repo.path().join("deltas")).unwrap();
        assert!(
            indexed().is_none(),
            "the index of a commit without deltas is gone"
        );
    }
}
