//! Which inodes are objects of the repository, so that a hardlinked checkout is committed without reading its files.

use std::collections::HashMap;

use ostler_format::{FileId, ObjectKind, ObjectName, StorageForm};
use ostler_fs::{Dir, Entries, FileSystemKind};

use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::repo::Repo;

/// The objects of a repository and its parents by device and inode.
#[derive(Debug, Default)]
pub(super) struct HardlinkMap {
    /// One a directory of objects: its device, and its inodes.
    places: Vec<(u64, HashMap<u64, FileId>)>,
}

impl HardlinkMap {
    /// Lists the bare objects of the repository and its parents; the objects of an archive are nobody's files.
    pub(super) fn scan(repo: &Repo) -> Result<Self, StoreError> {
        let mut map = Self::default();
        for repo in repo.chain() {
            if repo.mode() != RepoMode::Archive {
                map.places.push(scan(repo.objects())?);
            }
        }
        Ok(map)
    }

    /// The object that the inode is.
    pub(super) fn get(&self, dev: u64, ino: u64) -> Option<FileId> {
        self.places
            .iter()
            .filter(|(device, _)| *device == dev)
            .find_map(|(_, inodes)| inodes.get(&ino).copied())
    }
}

fn scan(objects: &Dir) -> Result<(u64, HashMap<u64, FileId>), StoreError> {
    let device = objects.self_metadata()?.dev;
    // A listing of overlayfs may give the numbers of the layer below, which stat does not.
    let listing_is_true = objects.file_system_kind()? != FileSystemKind::Overlay;
    let mut inodes = HashMap::new();
    let mut entries = Entries::new();
    for first in 0..=u8::MAX {
        let prefix = format!("{first:02x}");
        let Some(dir) = objects.open_dir_optional(&prefix)? else {
            continue;
        };
        dir.entries_into(&mut entries)?;
        for entry in entries.iter() {
            let name = entry
                .str_name()
                .and_then(|n| ObjectName::from_loose_names(&prefix, n, StorageForm::Bare).ok());
            let Some(ObjectName {
                checksum,
                kind: ObjectKind::File,
            }) = name
            else {
                continue;
            };
            let ino = if listing_is_true {
                entry.ino
            } else {
                match dir.metadata_optional(entry.c_name())? {
                    Some(stat) => stat.ino,
                    None => continue,
                }
            };
            inodes.insert(ino, checksum.into());
        }
    }
    Ok((device, inodes))
}
