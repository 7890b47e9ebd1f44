//! New system roots and stateroots.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_format::StaterootName;
use ostler_fs::{Dir, FsError, Timestamp, Trusted};
use ostler_store::{Repo, RepoMode, StoreError};

use crate::layout;
use crate::lock::SysrootLock;

/// A system root or stateroot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The stateroot is there already.
    #[error("creating `{path}`: file exists")]
    Exists {
        /// Its directory, relative to the system root.
        path: String,
    },
    /// No such epoch.
    #[error("there is no epoch {epoch}: it is 0, 1 or 2")]
    Epoch {
        /// What was asked for.
        epoch: u32,
    },
}

/// Which directories a new system root has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// `/boot`, `/ostree`, and the mount points of a running system.
    Zero,
    /// `/boot` and `/ostree`.
    One,
    /// As [`Epoch::One`], with an `/ostree` that only root may enter.
    Two,
}

impl TryFrom<u32> for Epoch {
    type Error = InitError;

    fn try_from(epoch: u32) -> Result<Self, InitError> {
        match epoch {
            0 => Ok(Self::Zero),
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(InitError::Epoch { epoch }),
        }
    }
}

/// Makes the directory at `path` a system root, or completes one.
///
/// # Errors
/// [`InitError`]; calling it again goes on.
pub fn init_fs(path: &Path, epoch: Epoch) -> Result<(), InitError> {
    let root = Dir::open_ambient(path)?;
    directory(&root, layout::BOOT, 0o755)?;
    if epoch == Epoch::Zero {
        for name in ["dev", "home", "proc", "run", "sys"] {
            directory(&root, name, 0o755)?;
        }
        directory(&root, "root", 0o700)?;
        directory(&root, "tmp", 0o1777)?;
    }
    directory(
        &root,
        layout::OSTREE,
        if epoch == Epoch::Two { 0o700 } else { 0o755 },
    )?;
    directory(&root.open_dir(layout::OSTREE)?, layout::DEPLOY, 0o755)?;
    Repo::create(
        path.join(layout::OSTREE).join(layout::REPO),
        RepoMode::Bare,
        None,
    )?;
    Ok(())
}

/// Makes a stateroot, with a `/var` that its first deployment fills.
///
/// # Errors
/// [`InitError::Exists`] if it is there.
pub fn init_stateroot(lock: &SysrootLock, name: &StaterootName) -> Result<(), InitError> {
    let path = layout::stateroot(name);
    let root = &lock.ostree;
    if root.exists(Trusted(&path))? && root.exists(Trusted(layout::var(name)))? {
        return Err(InitError::Exists {
            path: format!("{}/{path}", layout::OSTREE),
        });
    }
    directory(root, &path, 0o755)?;
    directory(root, &layout::var(name), 0o755)?;
    bump_mtime(root)?;
    Ok(())
}

/// Makes the subdirectories of `/var` that a system without `systemd-tmpfiles` expects.
pub(crate) fn init_legacy_var(var: &Dir) -> Result<(), FsError> {
    directory(var, "tmp", 0o1777)?;
    directory(var, "lib", 0o755)?;
    directory(var, "log", 0o755)?;
    for (name, target) in [("run", "../run"), ("lock", "../run/lock")] {
        if !var.exists(name)? {
            var.symlink(target, name)?;
        }
    }
    Ok(())
}

/// Tells whoever watches that the deployments have changed.
pub(crate) fn bump_mtime(ostree: &Dir) -> Result<(), FsError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    ostree.set_times(
        layout::DEPLOY,
        Timestamp {
            seconds,
            nanoseconds: now.subsec_nanos(),
        },
    )
}

/// Makes a directory with this very mode, unless something is there.
fn directory(root: &Dir, path: &str, mode: u32) -> Result<(), FsError> {
    if root.ensure_dir(Trusted(path), mode)? {
        root.set_mode(Trusted(path), mode)?;
    }
    Ok(())
}

/// Opens the `/var` of a stateroot. The running system's may be a file system of its own, mounted over the stateroot's.
pub(crate) fn open_var(lock: &SysrootLock, stateroot: &StaterootName) -> Result<Dir, FsError> {
    let booted = lock.booted();
    match booted.is_some_and(|booted| booted.id.stateroot == *stateroot) {
        true => Dir::open_ambient(&lock.host.var),
        false => lock.ostree.open_dir(Trusted(layout::var(stateroot))),
    }
}
