//! The directory in which a transaction gathers its objects before they join the repository.
//!
//! `tmp/staging-<boot id>-<random>/xx/….<ext>`, guarded by an OFD lock on `tmp/staging-<boot id>-<random>-lock`. Only
//! whole files are linked into it, so what a killed process left is used by the next one of the same boot, but for commits and
//! for files that somebody may have changed since. After a reboot nothing tells which data had reached the disk: such a leftover
//! is removed, never used.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use ostler_format::{FileHeader, ObjectKind, ObjectName, StorageForm};
use ostler_fs::lock::{FileLock, LockMode, Timeout};
use ostler_fs::{Dir, FileType, Metadata, TempFile, Trusted, file, xattr};

use super::intake::EPOCH;
use crate::error::StoreError;
use crate::repo::Repo;

/// A locked staging directory.
#[derive(Debug)]
pub(crate) struct Staging {
    tmp: Dir,
    name: String,
    pub(crate) dir: Dir,
    form: StorageForm,
    /// Whether another process left objects here; whether they were synced is not known.
    pub(super) took_over: bool,
    staged: Mutex<HashSet<ObjectName>>,
    prefixes: [OnceLock<Made>; 256],
    fresh: OnceLock<Option<Fresh>>,
    _lock: FileLock,
}

/// Whether this transaction made a directory of staged objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Here,
    Before,
}

/// What the kernel gives a new file here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    uid: u32,
    gid: u32,
    /// The permissions that neither the umask nor a default ACL takes away.
    allowed: u32,
}

impl Fresh {
    fn probe(dir: &Dir) -> Result<Option<Self>, StoreError> {
        let probe = TempFile::new(dir, 0o777)?;
        // An ACL that is inherited is more than a mode.
        if !xattr::all(probe.file(), 64 << 10).is_ok_and(|xattrs| xattrs.is_empty()) {
            return Ok(None);
        }
        let stat = file::metadata(probe.file())?;
        Ok(Some(Self {
            uid: stat.uid,
            gid: stat.gid,
            allowed: stat.permissions() & 0o777,
        }))
    }

    pub(super) fn is_owned_by(&self, header: &FileHeader) -> bool {
        (self.uid, self.gid) == (header.uid, header.gid)
    }

    /// Whether a file made with `mode` has it; a set-id bit is never left to that.
    pub(super) fn allows(&self, mode: u32) -> bool {
        mode & !self.allowed == 0
    }
}

impl Staging {
    /// Takes over a leftover of this boot, or makes a new directory.
    pub(crate) fn acquire(repo: &Repo) -> Result<Self, StoreError> {
        let tmp = repo.dir().create_dir_all("tmp", 0o775)?;
        let prefix = format!("staging-{}-", boot_id()?);
        for entry in tmp.entries()?.iter() {
            let Some(name) = entry.str_name().filter(|n| n.starts_with(&prefix)) else {
                continue;
            };
            if entry.file_type == FileType::Directory
                && let Some(lock) = try_lock(&tmp, name)?
            {
                // The owner removes the directory before it lets go of the lock.
                if let Some(dir) = tmp.open_dir_optional(name)? {
                    return Self::adopt(
                        tmp,
                        name.to_owned(),
                        dir,
                        lock,
                        repo.mode().storage_form(),
                    );
                }
            }
        }
        loop {
            let name = format!("{prefix}{}", random_suffix());
            let Some(lock) = try_lock(&tmp, &name)? else {
                continue;
            };
            let dir = tmp.create_dir_all(&name, 0o755)?;
            return Self::adopt(tmp, name, dir, lock, repo.mode().storage_form());
        }
    }

    fn adopt(
        tmp: Dir,
        name: String,
        dir: Dir,
        lock: FileLock,
        form: StorageForm,
    ) -> Result<Self, StoreError> {
        let mut staged = HashSet::new();
        for prefix in dir.entries()?.iter() {
            let Some(prefix_name) = prefix.str_name().filter(|n| n.len() == 2) else {
                continue;
            };
            let objects = dir.open_dir(prefix_name)?;
            for entry in objects.entries()?.iter() {
                let Some(rest) = entry.str_name() else {
                    continue;
                };
                let Ok(name) = ObjectName::from_loose_names(prefix_name, rest, form) else {
                    continue;
                };
                if is_doubtful(name.kind, &objects.metadata(entry.c_name())?, form) {
                    objects.unlink(entry.c_name())?;
                } else {
                    staged.insert(name);
                }
            }
        }
        Ok(Self {
            tmp,
            name,
            dir,
            form,
            took_over: !staged.is_empty(),
            staged: Mutex::new(staged),
            prefixes: std::array::from_fn(|_| OnceLock::new()),
            fresh: OnceLock::new(),
            _lock: lock,
        })
    }

    pub(crate) fn contains(&self, name: &ObjectName) -> bool {
        self.staged
            .lock()
            .expect("no holder of the set panics")
            .contains(name)
    }

    /// Notes that the object's file has been linked in.
    pub(crate) fn note(&self, name: ObjectName) {
        self.staged
            .lock()
            .expect("no holder of the set panics")
            .insert(name);
    }

    /// Removes an object that is staged.
    pub(super) fn forget(&self, name: &ObjectName) -> Result<(), StoreError> {
        let mut staged = self.staged.lock().expect("no holder of the set panics");
        if staged.remove(name) {
            self.dir
                .unlink_optional(Trusted(name.loose_path(self.form)))?;
        }
        Ok(())
    }

    /// Returns the loose path, whose directory exists now.
    pub(crate) fn path_for(&self, name: &ObjectName) -> Result<String, StoreError> {
        let path = name.loose_path(self.form);
        let made = &self.prefixes[usize::from(name.checksum.as_bytes()[0])];
        if made.get().is_none() {
            let made_here = self.dir.ensure_dir(&path[..2], 0o775)?;
            let _ = made.set(if made_here { Made::Here } else { Made::Before });
        }
        Ok(path)
    }

    /// Whether this transaction made the directory of `name`, so that nothing but its objects is in there.
    pub(super) fn made_dir_of(&self, name: &ObjectName) -> bool {
        self.prefixes[usize::from(name.checksum.as_bytes()[0])].get() == Some(&Made::Here)
    }

    /// What a new file in the staging directory is like; `None` if that cannot be told.
    pub(super) fn fresh(&self) -> Result<Option<Fresh>, StoreError> {
        if let Some(fresh) = self.fresh.get() {
            return Ok(*fresh);
        }
        let fresh = Fresh::probe(&self.dir)?;
        Ok(*self.fresh.get_or_init(|| fresh))
    }

    /// Takes the names of all staged objects, in the order of their names.
    pub(crate) fn drain(&self) -> Vec<ObjectName> {
        let mut names: Vec<_> = self
            .staged
            .lock()
            .expect("no holder of the set panics")
            .drain()
            .collect();
        names.sort_unstable();
        names
    }

    /// Removes the directory and its lock file; the lock is let go of when this is dropped.
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        self.tmp.remove_all(&self.name)?;
        self.tmp.unlink_optional(lock_name(&self.name))?;
        Ok(())
    }
}

/// A transaction that ends without its objects published leaves them to the next one, which makes the lock file anew.
impl Drop for Staging {
    fn drop(&mut self) {
        // The lock is held until the fields are dropped; without a directory the file may be another's already.
        if self.tmp.exists(&self.name).unwrap_or(false) {
            let _ = self.tmp.unlink_optional(lock_name(&self.name));
        }
    }
}

/// Takes the lock of a staging directory; `None` if a process has it, or removed it meanwhile.
/// Whether an object that a killed process left is not to be believed.
fn is_doubtful(kind: ObjectKind, stat: &Metadata, form: StorageForm) -> bool {
    match kind {
        // It says that all it needs is here; some of that may be dropped with this leftover, or have been pruned since.
        ObjectKind::Commit | ObjectKind::CommitMeta => true,
        // Another name still leads to it, or one did and it was written to: what is sealed here has mtime 0.
        ObjectKind::File => {
            let written_to = form == StorageForm::Bare && stat.is_file() && stat.mtime != EPOCH;
            stat.nlink > 1 || written_to
        }
        _ => false,
    }
}

fn try_lock(tmp: &Dir, staging: &str) -> Result<Option<FileLock>, StoreError> {
    let name = lock_name(staging);
    let file = tmp.open_or_create_file(&name, 0o644)?;
    let identity = file::metadata(&file)?.dev_ino();
    let lock = match FileLock::acquire(file, LockMode::Exclusive, Timeout::Now) {
        Ok(lock) => lock,
        Err(error) if error.is_timed_out() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Whoever had the lock may have removed the file between our opening and locking it; others would lock another one.
    let now = tmp.metadata_optional(&name)?;
    Ok(now
        .is_some_and(|now| now.dev_ino() == identity)
        .then_some(lock))
}

/// Six letters and digits; two processes that draw the same ones meet at the lock.
fn random_suffix() -> String {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut number = RandomState::new().hash_one(std::process::id());
    let mut suffix = String::with_capacity(6);
    for _ in 0..6 {
        suffix.push(char::from(LETTERS[(number % 36) as usize]));
        number /= 36;
    }
    suffix
}

fn lock_name(staging: &str) -> String {
    format!("{staging}-lock")
}

/// The staging directory that a lock file belongs to.
fn staging_of_lock(name: &str) -> Option<&str> {
    name.strip_suffix("-lock")
        .filter(|name| name.starts_with("staging-"))
}

/// Removes a lock file whose directory is gone, or was not made before a crash.
fn remove_lock_alone(tmp: &Dir, staging: &str) -> Result<(), StoreError> {
    if tmp.exists(staging)? {
        return Ok(());
    }
    if let Some(_lock) = try_lock(tmp, staging)?
        // Whoever makes a directory holds its lock.
        && !tmp.exists(staging)?
    {
        tmp.unlink_optional(lock_name(staging))?;
    }
    Ok(())
}

/// Removes what no process uses from `tmp/`: staging directories of earlier boots, and files older than
/// `core.tmp-expiry-secs`.
pub(crate) fn remove_leftovers(repo: &Repo) -> Result<(), StoreError> {
    let Some(tmp) = repo.open_dir_optional("tmp")? else {
        return Ok(());
    };
    let this_boot = format!("staging-{}-", boot_id()?);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    for entry in tmp.entries()?.iter() {
        let Some(name) = entry.str_name() else {
            continue;
        };
        if name == "cache" {
            continue;
        }
        if let Some(staging) = staging_of_lock(name) {
            remove_lock_alone(&tmp, staging)?;
            continue;
        }
        let Some(stat) = tmp.metadata_optional(name)? else {
            continue;
        };
        let modified = Duration::from_secs(u64::try_from(stat.mtime.seconds).unwrap_or(0));
        let expired = now.saturating_sub(modified) > repo.config().tmp_expiry;
        let other_boot = name.starts_with("staging-") && !name.starts_with(&this_boot);
        if !(expired || other_boot) {
            continue;
        }
        if name.starts_with("staging-") {
            let Some(_lock) = try_lock(&tmp, name)? else {
                continue;
            };
            tmp.remove_all(name)?;
            tmp.unlink_optional(lock_name(name))?;
        } else {
            tmp.remove_all(name)?;
        }
    }
    Ok(())
}
/// The id of this boot: `OSTREE_BOOTID`, by which a test plays a reboot, else the kernel's.
fn boot_id() -> Result<String, StoreError> {
    match std::env::var("OSTREE_BOOTID") {
        Ok(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            Ok(id)
        }
        _ => Ok(ostler_fs::mount::boot_id()?),
    }
}
