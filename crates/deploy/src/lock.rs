//! The right to change a system root.
//!
//! `/ostree/lock` is locked as libostree locks it: an open-file-description lock on a file that its holder unlinks before it lets go, so
//! whoever waited looks again whether the file that it got is still the one by that name. The kernel drops the lock of a killed process.
//!
//! On a running system whose `/sysroot` or `/boot` is mounted read-only, the process first enters a mount namespace of its own and makes
//! them writable there.

use std::ops::Deref;
use std::path::Path;

use ostler_fs::lock::{FileLock, Holder, LockError, LockMode, Timeout, holders};
use ostler_fs::mount::{self, Writable};
use ostler_fs::{Dir, FsError};
use ostler_store::Repo;

use crate::host::Host;
use crate::layout;
use crate::lock_owner;
use crate::settings::Settings;
use crate::sysroot::{Sysroot, SysrootError};

/// The lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum SysrootLockError {
    /// The lock itself.
    #[error("cannot lock the system root: {0}")]
    Lock(#[from] LockError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
}

/// A system root that no other process changes until this is dropped.
#[derive(Debug)]
pub struct SysrootLock {
    sysroot: Sysroot,
    /// Dropped after the file's name is gone.
    _lock: FileLock,
}

impl Deref for SysrootLock {
    type Target = Sysroot;

    fn deref(&self) -> &Sysroot {
        &self.sysroot
    }
}

impl Drop for SysrootLock {
    fn drop(&mut self) {
        lock_owner::forget(&self.sysroot.ostree);
        // A name that stays behind is locked again by the next process; it harms nobody.
        let _ = self.sysroot.ostree.unlink_optional(layout::LOCK);
    }
}

impl SysrootLock {
    /// Opens the system root at `path` and locks it; `waiting` is told once who holds the lock, if it is held.
    ///
    /// Call it before the process starts other threads, which would keep the read-only view of a running system.
    ///
    /// # Errors
    /// [`SysrootLockError`]; a process without privilege is refused by the file's mode.
    pub fn acquire(
        path: impl AsRef<Path>,
        settings: Settings,
        waiting: &mut dyn FnMut(&[Holder]),
    ) -> Result<Self, SysrootLockError> {
        let host = Host::read().map_err(SysrootError::from)?;
        make_writable(path.as_ref(), &host)?;
        Self::acquire_on(path, settings, host, waiting)
    }

    /// As [`SysrootLock::acquire`], on a running system that is described by `host` and whose mounts are left as they are.
    ///
    /// # Errors
    /// As [`SysrootLock::acquire`].
    pub fn acquire_on(
        path: impl AsRef<Path>,
        settings: Settings,
        host: Host,
        waiting: &mut dyn FnMut(&[Holder]),
    ) -> Result<Self, SysrootLockError> {
        let mut sysroot = Sysroot::open_on(path, settings, host)?;
        let lock = lock(&sysroot.ostree, waiting)?;
        lock_owner::note(&sysroot.ostree);
        // What was read before the lock was had may have changed.
        sysroot.reload()?;
        Ok(Self {
            sysroot,
            _lock: lock,
        })
    }

    /// Returns the repository, to change its settings.
    pub fn repo_mut(&mut self) -> &mut Repo {
        &mut self.sysroot.repo
    }

    pub(crate) fn sysroot_mut(&mut self) -> &mut Sysroot {
        &mut self.sysroot
    }
}

fn lock(ostree: &Dir, waiting: &mut dyn FnMut(&[Holder])) -> Result<FileLock, SysrootLockError> {
    let mut told = false;
    loop {
        let file = ostree.open_or_create_file(layout::LOCK, 0o660)?;
        let identity = ostler_fs::file::metadata(&file)?.dev_ino();
        let again = file
            .try_clone()
            .map_err(|e| FsError::new("duplicate", ostree.shown_path(), e));
        let lock = match FileLock::acquire(file, LockMode::Exclusive, Timeout::Now) {
            Err(error) if error.is_timed_out() => {
                let file = again?;
                if !std::mem::replace(&mut told, true) {
                    waiting(&holders(&file));
                }
                FileLock::acquire(file, LockMode::Exclusive, Timeout::Never)?
            }
            result => {
                drop(again?);
                result?
            }
        };
        if ostree
            .metadata_optional(layout::LOCK)?
            .is_some_and(|now| now.dev_ino() == identity)
        {
            return Ok(lock);
        }
    }
}

/// Makes `/sysroot` and `/boot` of a running system writable for this process alone.
fn make_writable(path: &Path, host: &Host) -> Result<(), SysrootLockError> {
    let is_running =
        host.booted.is_some() && Dir::open_ambient(path)?.self_metadata()?.dev_ino() == host.root;
    if !is_running {
        return Ok(());
    }
    let mut read_only = Vec::new();
    for target in ["/sysroot", "/boot"] {
        if Dir::open_ambient_optional(target)?
            .is_some_and(|dir| dir.is_read_only().unwrap_or(false))
        {
            read_only.push(target);
        }
    }
    if read_only.is_empty() {
        return Ok(());
    }
    mount::enter_private_namespace()?;
    for target in read_only {
        mount::remount(target, Writable::Yes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_learns_who_holds_the_lock_and_gets_it_after_the_file_was_unlinked() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient(temp.path()).unwrap();
        let held = lock(&root, &mut |_| panic!("nobody holds it")).unwrap();
        let waiter = std::thread::spawn({
            let root = root.try_clone().unwrap();
            move || {
                let mut holders = Vec::new();
                let _lock = lock(&root, &mut |found| holders = found.to_vec()).unwrap();
                (holders, root.exists(layout::LOCK).unwrap())
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(200));
        root.unlink(layout::LOCK).unwrap();
        drop(held);
        let (holders, exists) = waiter.join().unwrap();
        assert_eq!(
            holders.iter().map(|holder| holder.pid).collect::<Vec<_>>(),
            [std::process::id()]
        );
        assert!(
            exists,
            "the lock that was had is on a file that another process finds"
        );
    }
}
