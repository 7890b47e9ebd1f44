//! Objects from a tree that was checked out: its files are names of the objects, or copies of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use ostler_format::{CommitId, DirTreeRef, FileHeader, FileId, ObjectKind, ObjectName, Xattrs};
use ostler_fs::{Dir, FileType, Metadata, file, xattr};

use super::Staged;
use crate::error::StoreError;
use crate::object::MAX_XATTRS;
use crate::transaction::{ContentFile, Hashing, Transaction};

/// How many places of one object are looked at.
const MAX_PLACES: usize = 8;
const BUFFER: usize = 128 * 1024;

/// Stages those of `names` that are files or symlinks of the tree and still as they were committed.
pub(super) fn stage(
    transaction: &Transaction<'_>,
    root: &Dir,
    commit: CommitId,
    names: &BTreeSet<ObjectName>,
) -> Result<Staged, StoreError> {
    let mut places = places(transaction, commit, names)?;
    let mut staged = Staged::new();
    for name in names {
        let mut result = Ok(false);
        for path in places.remove(name).unwrap_or_default() {
            result = match stage_place(transaction, root, &path, *name) {
                Ok(false) => Err(format!("`{path}` is not as it was committed")),
                Ok(true) => Ok(true),
                Err(error) => Err(error.to_string()),
            };
            if result == Ok(true) {
                break;
            }
        }
        staged.push((*name, result));
    }
    Ok(staged)
}

/// Where the commit's tree has the content objects in `names`, as far as its directories can be read.
fn places(
    transaction: &Transaction<'_>,
    commit: CommitId,
    names: &BTreeSet<ObjectName>,
) -> Result<BTreeMap<ObjectName, Vec<String>>, StoreError> {
    let mut found: BTreeMap<ObjectName, Vec<String>> = BTreeMap::new();
    if !names.iter().any(|name| name.kind == ObjectKind::File) {
        return Ok(found);
    }
    let repo = transaction.repo();
    let Ok(commit) = repo.read_commit(commit) else {
        return Ok(found);
    };
    let mut left = vec![(String::new(), commit.tree)];
    while let Some((path, id)) = left.pop() {
        let Some(bytes) = repo.read_metadata_optional(&id.into())? else {
            continue;
        };
        let Ok(tree) = DirTreeRef::parse(&bytes) else {
            continue;
        };
        for entry in tree.files() {
            let name = ObjectName::from(entry.id);
            if names.contains(&name) {
                let list = found.entry(name).or_default();
                if list.len() < MAX_PLACES {
                    list.push(format!("{path}{}", entry.name));
                }
            }
        }
        for entry in tree.dirs() {
            left.push((format!("{path}{}/", entry.name), entry.tree));
        }
    }
    Ok(found)
}

/// Stages what is at `path` if it has the right checksum.
fn stage_place(
    transaction: &Transaction<'_>,
    root: &Dir,
    path: &str,
    name: ObjectName,
) -> Result<bool, StoreError> {
    let (parent, last) = path.rsplit_once('/').unwrap_or((".", path));
    let Some(dir) = root.open_dir_beneath_optional(parent)? else {
        return Ok(false);
    };
    let Some(stat) = dir.metadata_optional(last)? else {
        return Ok(false);
    };
    match stat.file_type {
        FileType::Symlink => {
            let pairs = dir.xattrs(last, MAX_XATTRS)?;
            let mut header = header(&stat, pairs)?;
            let Ok(target) = String::from_utf8(dir.read_link(last)?) else {
                return Ok(false);
            };
            header.symlink_target = target;
            if header.file_id_of_symlink()? != FileId::new(name.checksum) {
                return Ok(false);
            }
            transaction.intake().stage_symlink(&header, name)?;
            Ok(true)
        }
        FileType::Regular => stage_regular(transaction, &dir, last, name),
        _ => Ok(false),
    }
}

/// Copies the file: another name of it would change with the tree.
fn stage_regular(
    transaction: &Transaction<'_>,
    dir: &Dir,
    last: &str,
    name: ObjectName,
) -> Result<bool, StoreError> {
    let Some((mut source, _)) = dir.open_regular_optional(last)? else {
        return Ok(false);
    };
    let stat = file::metadata(&source)?;
    let header = header(&stat, xattr::all(&source, MAX_XATTRS)?)?;
    let intake = transaction.intake().clone();
    let mut copy = ContentFile::begin(intake, header, Some(stat.size), Hashing::Sha256)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => copy.put(&buffer[..got])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io(name.to_string(), error)),
        }
    }
    if copy.checksum() != Some(name.checksum) {
        return Ok(false);
    }
    copy.link(name)?;
    Ok(true)
}

fn header(stat: &Metadata, pairs: Vec<xattr::Xattr>) -> Result<FileHeader, StoreError> {
    Ok(FileHeader {
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode,
        symlink_target: String::new(),
        xattrs: Xattrs::from_pairs(pairs)?,
    })
}
