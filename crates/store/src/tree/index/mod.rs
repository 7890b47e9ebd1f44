//! Remembers which file had which content, so that an unchanged tree is committed again without being read.
//!
//! It is a SQLite database, `extensions/ostler/commit-index.sqlite` in the repository, where libostree looks at nothing. Per
//! directory it holds, for each file: inode number, size, mtime, ctime, owner and mode as they were, what the modifiers made
//! of owner and mode, and the id. An id is the same in every repository mode.
//!
//! # Why an entry can be trusted
//! - Every change of a file's content, owner, mode or xattrs sets its ctime, which no program can choose. An entry is used
//!   only if inode, size, mtime and ctime (to the nanosecond), owner and mode are as they were.
//! - An entry is made only if the file was the same before and after it was read, if nobody had it open (or mapped) for
//!   writing, and if its ctime was then at least [`MARGIN`] old: a later change gets a later time. Where a ctime has no
//!   nanoseconds the file system may count in seconds, and no entry is made.
//! - Only ext, XFS and Btrfs are trusted: their inode numbers are stable, and a write through a mapping sets the ctime. That
//!   excludes network file systems, FUSE, overlayfs, and tmpfs, where a mapping that was read first can be written
//!   without any trace.
//! - The file system's own id is part of the key, beside the device number, which another disk may get one day; so are the
//!   user and the user namespace, which decide which xattrs and owners are seen.
//! - Each row carries a checksum over its key and content, so that a torn or foreign page counts as absent.
//! - The object must still exist: that is looked up for each file.
//!
//! Absent, locked, damaged or on a read-only file system it is silently not used. It is bounded: [`MAX_FILES`] per commit, and
//! the least recently used trees go when the database passes its limit.

mod database;
mod record;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_fs::{Dir, FileSystemKind, Metadata, Timestamp};

use crate::repo::Repo;
use database::Database;
pub(super) use record::{FileRecord, Records};

/// How old a file's ctime must be when it is read: more than the clock's tick, and any file system's granularity but FAT's.
const MARGIN: Duration = Duration::from_secs(2);
/// Files that one commit may add; the rest is read again.
const MAX_FILES: usize = 400_000;
/// The environment variable that switches the index off with the value `0`.
const SWITCH: &str = "OSTLER_COMMIT_INDEX";

/// Whether unchanged files may be recognised instead of read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexUse {
    /// Where the file system can be trusted.
    #[default]
    WhereSafe,
    /// Every file is read.
    Never,
}

/// Which directory of which file system a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    file_system: u64,
    dev: u64,
    ino: u64,
}

/// The index of one source directory during a commit.
pub(super) struct Index {
    database: Database,
    /// By device: the file system's id, `None` if it is not trusted.
    file_systems: HashMap<u64, Option<u64>>,
    added: Vec<(Place, Records)>,
    added_files: usize,
    seen: Vec<Place>,
}

impl Index {
    /// Opens the index for the source `root`; `None` where it cannot be used.
    ///
    /// `rule` is all that the modifiers do but for single paths.
    pub(super) fn open(repo: &Repo, root: &Dir, stat: &Metadata, rule: &str) -> Option<Self> {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "0") {
            return None;
        }
        let mut file_systems = HashMap::new();
        let file_system = trusted_file_system(root);
        file_systems.insert(stat.dev, file_system);
        let place = Place {
            file_system: file_system?,
            dev: stat.dev,
            ino: stat.ino,
        };
        Some(Self {
            database: Database::open(repo, &identity(place, rule))?,
            file_systems,
            added: Vec::new(),
            added_files: 0,
            seen: Vec::new(),
        })
    }

    /// Names a directory; `None` if its file system is not trusted.
    pub(super) fn place(&mut self, dir: &Dir, stat: &Metadata) -> Option<Place> {
        let file_system = *self
            .file_systems
            .entry(stat.dev)
            .or_insert_with(|| trusted_file_system(dir));
        let place = Place {
            file_system: file_system?,
            dev: stat.dev,
            ino: stat.ino,
        };
        self.seen.push(place);
        Some(place)
    }

    /// What is known of the files in a directory.
    pub(super) fn records(&mut self, place: Place) -> Records {
        self.database.read(place).unwrap_or_default()
    }

    /// Replaces what is known of a directory's files, when [`Index::save`] is called.
    pub(super) fn replace(&mut self, place: Place, records: Records) {
        if self.added_files + records.len() <= MAX_FILES {
            self.added_files += records.len();
            self.added.push((place, records));
        }
    }

    /// Writes what was added; failing is not an error.
    pub(super) fn save(self) {
        self.database.write(&self.added, &self.seen);
    }
}

/// The id of a directory's file system if its inode numbers and times can be trusted.
fn trusted_file_system(dir: &Dir) -> Option<u64> {
    match dir.file_system_kind().ok()? {
        FileSystemKind::Ext | FileSystemKind::Xfs | FileSystemKind::Btrfs => {
            dir.file_system_id().ok()
        }
        _ => None,
    }
}

/// All that entries depend on beside the files themselves.
fn identity(root: Place, rule: &str) -> Vec<u8> {
    let user_namespace = Dir::open_ambient("/proc/self/ns")
        .and_then(|ns| ns.read_link("user"))
        .unwrap_or_default();
    let mut text = format!(
        "{} {} {} {} {rule} ",
        root.file_system,
        root.dev,
        root.ino,
        ostler_fs::effective_user()
    )
    .into_bytes();
    text.extend_from_slice(&user_namespace);
    text
}

/// Whether a file with this ctime, unchanged since `read_began`, can be told from any later change.
pub(super) fn is_settled(ctime: Timestamp, read_began: SystemTime) -> bool {
    let Ok(limit) = read_began
        .duration_since(UNIX_EPOCH)
        .map(|now| now.saturating_sub(MARGIN))
    else {
        return false;
    };
    let Ok(seconds) = u64::try_from(ctime.seconds) else {
        return false;
    };
    ctime.nanoseconds != 0 && Duration::new(seconds, ctime.nanoseconds) < limit
}

#[cfg(test)]
mod tests;
