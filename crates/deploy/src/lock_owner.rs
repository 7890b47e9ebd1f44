//! Who holds the right to change a system root, what for, and since when.
//!
//! The owner writes itself into a file beside the one that it has locked: whoever may read a file may lock it, too, and keep others out. What
//! stands there while nobody holds the lock, or another process does, is of a process that was killed, and counts for nothing; a process of
//! libostree writes nothing, and is known by its number and name alone, to those who may know it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ostler_fs::lock::{End, Holder, end, holders, is_locked};
use ostler_fs::{Access, Dir, Durability, FsError, Trusted};
use serde::{Deserialize, Serialize};

use crate::layout;

/// The most that is read or written.
const MAX_BYTES: u64 = 4096;
/// The longest command line that is noted, in characters.
const MAX_WHAT: usize = 256;
/// How often is looked whether an owner has ended.
const PAUSE: Duration = Duration::from_millis(100);

/// What an owner writes of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its user.
    pub user: u32,
    /// Its command line.
    pub what: String,
    /// When it had the lock, in seconds since 1970-01-01 UTC.
    pub since: u64,
}

impl Owner {
    fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            user: ostler_fs::effective_user(),
            what: command_line(),
            since: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }
}

/// Returns the command line of this process in one line, without the directory of the program.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().enumerate().map(|(index, word)| {
        let word = word.to_string_lossy().into_owned();
        match index {
            0 => word.rsplit('/').next().unwrap_or(&word).to_owned(),
            _ => word,
        }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MAX_WHAT).collect()
}

/// A process that holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// Its number and name.
    pub holder: Holder,
    /// What it wrote of itself.
    pub owner: Option<Owner>,
}

/// What became of those who held a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// Nobody held it.
    Nobody,
    /// They have ended; nothing that they did is half done.
    Ended(Vec<HeldBy>),
    /// They did not end in time.
    StillThere(Vec<HeldBy>),
}

/// Says that this process has locked the system root. A name is a help and no more: that it can't be written stops nobody.
pub(crate) fn note(ostree: &Dir) {
    let text = serde_json::to_vec(&Owner::this_process()).unwrap_or_default();
    let _ = ostree.write_atomic(layout::LOCK_OWNER, text, 0o644, Durability::Cached);
}

/// Takes back what [`note`] said.
pub(crate) fn forget(ostree: &Dir) {
    let _ = ostree.unlink_optional(layout::LOCK_OWNER);
}

/// Returns who holds the lock of the system root at `path`; nobody where there is no lock file.
///
/// Without the right to open the lock file, only those are known that say who they are.
///
/// # Errors
/// [`FsError`] without the right to read the system root.
pub fn held_by(path: impl AsRef<Path>) -> Result<Vec<HeldBy>, FsError> {
    let Some(ostree) = open(path.as_ref())? else {
        return Ok(Vec::new());
    };
    match ostree.open_file_optional(layout::LOCK, Access::Read) {
        Ok(Some(file)) => Ok(holders_of(&ostree, &file)),
        Ok(None) => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => told(&ostree),
        Err(error) => Err(error),
    }
}

/// The owner, in its own words.
fn told(ostree: &Dir) -> Result<Vec<HeldBy>, FsError> {
    let lock = ostree.metadata_optional(layout::LOCK)?;
    if !lock.is_some_and(|lock| is_locked(lock.dev_ino())) {
        return Ok(Vec::new());
    }
    let holder = |owner: &Owner| Holder {
        pid: owner.pid,
        name: owner.what.split(' ').next().unwrap_or_default().to_owned(),
    };
    let owner = read(ostree).into_iter();
    Ok(owner
        .map(|owner| HeldBy {
            holder: holder(&owner),
            owner: Some(owner),
        })
        .collect())
}

/// Ends whoever holds the lock of the system root at `path`: asks it to, and after `patience` kills it; returns after twice that time.
///
/// A change that is ended anywhere leaves the old boot order or the new one.
///
/// # Errors
/// [`FsError`] without the right to read the lock file, or to end the process.
pub fn cancel(path: impl AsRef<Path>, patience: Duration) -> Result<Cancelled, FsError> {
    let Some(ostree) = open(path.as_ref())? else {
        return Ok(Cancelled::Nobody);
    };
    let Some(file) = ostree.open_file_optional(layout::LOCK, Access::Read)? else {
        return Ok(Cancelled::Nobody);
    };
    let found = holders_of(&ostree, &file);
    if found.is_empty() {
        return Ok(Cancelled::Nobody);
    }
    for how in [End::Ask, End::Kill] {
        for held in &found {
            end(&file, &held.holder, how)?;
        }
        let start = Instant::now();
        while start.elapsed() < patience {
            let there = holders(&file);
            if !found.iter().any(|held| there.contains(&held.holder)) {
                return Ok(Cancelled::Ended(found));
            }
            sleep(PAUSE);
        }
    }
    Ok(Cancelled::StillThere(holders_of(&ostree, &file)))
}

fn open(path: &Path) -> Result<Option<Dir>, FsError> {
    Dir::open_ambient(path)?.open_dir_optional(Trusted(format!("{}/.", layout::OSTREE)))
}

fn holders_of(ostree: &Dir, file: &File) -> Vec<HeldBy> {
    let owner = read(ostree);
    let held_by = |holder: Holder| HeldBy {
        owner: owner.clone().filter(|owner| owner.pid == holder.pid),
        holder,
    };
    holders(file).into_iter().map(held_by).collect()
}

/// What the owner says of itself, if it is there.
fn read(ostree: &Dir) -> Option<Owner> {
    let text = ostree.read_optional(layout::LOCK_OWNER, MAX_BYTES).ok()??;
    let owner: Owner = serde_json::from_slice(&text).ok()?;
    Path::new("/proc")
        .join(owner.pid.to_string())
        .exists()
        .then_some(owner)
}
