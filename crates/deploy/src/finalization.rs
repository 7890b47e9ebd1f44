//! What becomes of a staged deployment: whether it may be finished, and what came of the last one.
//!
//! A failure is told twice: the stamp in `/boot` is libostree's, which the next boot takes away once it has told of it; the record beside the
//! deployments stays for `status` until a deployment is made, staged or finished again.

use std::error::Error;

use ostler_format::{CommitId, Value};
use ostler_fs::{Dir, Durability, FsError, Trusted};

use crate::boot_form::BootForm;
use crate::history;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::staged::Finalization;
use crate::sysroot::{Sysroot, SysrootError};

/// The most that is read of the reason of a failure.
const MAX_FAILURE_BYTES: u64 = 1 << 16;

/// Units that finish a staged deployment; whichever is there does it for both programs.
const UNITS: [&str; 2] = ["ostler-finalize-staged.path", "ostree-finalize-staged.path"];

/// A staged deployment was not locked, unlocked or told of.
#[derive(Debug, thiserror::Error)]
pub enum FinalizationError {
    /// Nothing waits for the shutdown.
    #[error("No staged deployment")]
    NothingStaged,
    /// Another commit is staged than was asked for.
    #[error("Expected staged commit {expected}, but found {found}")]
    OtherCommit {
        /// The one that was asked for.
        expected: CommitId,
        /// The one that is staged.
        found: CommitId,
    },
    /// The next shutdown finishes it already.
    #[error("Staged deployment already unlocked")]
    AlreadyUnlocked,
    /// The last staged deployment could not be finished.
    #[error("finishing the staged deployment failed on the previous boot: {reason}")]
    Failed {
        /// Why, in words.
        reason: String,
    },
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
}

/// What is asked of a staged deployment before it is unlocked for a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfUnlocked {
    /// Nobody locked it: a mistake.
    #[default]
    Refuse,
    /// It is as it should be.
    Accept,
}

/// Says whether the running system finishes staged deployments when it stops: it runs from a deployment that has a unit for it.
///
/// # Errors
/// [`FsError`].
pub fn finishes_at_shutdown(sysroot: &Sysroot) -> Result<bool, FsError> {
    let Some(booted) = sysroot.booted() else {
        return Ok(false);
    };
    let root = sysroot.open_deployment(&booted.id)?;
    for directory in ["usr/lib/systemd/system", "etc/systemd/system"] {
        let Some(units) = root.open_dir_in_root_optional(directory)? else {
            continue;
        };
        for unit in UNITS {
            if units.exists(unit)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Locks or unlocks the staged deployment; returns whether that changed anything.
///
/// # Errors
/// [`FinalizationError::NothingStaged`], or a file of `/run` that can't be written.
pub fn set(lock: &mut SysrootLock, wanted: Finalization) -> Result<bool, FinalizationError> {
    let staged = lock.staged().and_then(|staged| staged.staged);
    let staged = staged.ok_or(FinalizationError::NothingStaged)?;
    let locked = wanted == Finalization::Locked;
    if staged.locked == locked {
        return Ok(false);
    }
    let Some(Value::Array(ty, mut entries)) = lock.host.staged().map_err(SysrootError::from)?
    else {
        return Err(FinalizationError::NothingStaged);
    };
    entries.retain(|entry| entry.as_entry().and_then(|(key, _)| key.as_str()) != Some("locked"));
    if locked {
        entries.push(Value::DictEntry(
            Box::new(Value::Str("locked".to_owned())),
            Box::new(Value::Bool(true).boxed()),
        ));
    }
    let text = Value::Array(ty, entries)
        .to_bytes()
        .expect("only a value of the same type was put in");
    let run = Dir::open_ambient(&lock.host.run)?;
    let flag = Trusted(layout::RUN_STAGED_LOCKED);
    if locked {
        // Older programs look at the file alone.
        run.write_atomic(flag, b"", 0o640, Durability::Cached)?;
    }
    run.write_atomic(Trusted(layout::RUN_STAGED), text, 0o644, Durability::Cached)?;
    if !locked {
        run.unlink_optional(flag)?;
    }
    lock.sysroot_mut().reload()?;
    Ok(true)
}

/// Unlocks the staged deployment for the reboot that follows, if it is of `commit` (of any if none is given).
///
/// # Errors
/// [`FinalizationError`] if it is another one, or was not locked and `if_unlocked` refuses that.
pub fn release(
    lock: &mut SysrootLock,
    commit: Option<CommitId>,
    if_unlocked: IfUnlocked,
) -> Result<(), FinalizationError> {
    let staged = lock.staged().ok_or(FinalizationError::NothingStaged)?;
    let found = staged.id.commit;
    let locked = staged.staged.is_some_and(|staged| staged.locked);
    if let Some(expected) = commit.filter(|expected| *expected != found) {
        return Err(FinalizationError::OtherCommit { expected, found });
    }
    if !locked && if_unlocked == IfUnlocked::Refuse {
        return Err(FinalizationError::AlreadyUnlocked);
    }
    set(lock, Finalization::AtShutdown)?;
    Ok(())
}

/// Notes the boot in the history, takes the stamp of the last failure away, and tells of it.
///
/// # Errors
/// [`FinalizationError::Failed`] with the reason if there was a stamp.
pub fn boot_complete(lock: &SysrootLock) -> Result<(), FinalizationError> {
    history::note_boot(lock);
    let Some(boot) = &lock.boot else {
        return Ok(());
    };
    let stamp = Trusted(layout::FINALIZE_FAILURE);
    let Some(reason) = boot.read_optional(stamp, MAX_FAILURE_BYTES)? else {
        return Ok(());
    };
    let record = Trusted(layout::FINALIZE_RECORD);
    if lock
        .ostree
        .read_optional(record, MAX_FAILURE_BYTES)?
        .is_none()
    {
        // Another program left it: `status` goes on telling of it.
        lock.ostree
            .write_atomic(record, &reason, 0o644, Durability::Synced)?;
    }
    remove_stamp(boot)?;
    Err(FinalizationError::Failed {
        reason: text(&reason),
    })
}

/// Returns why the last staged deployment could not be finished and what to do about it, if it could not.
///
/// # Errors
/// [`FsError`].
pub fn last_failure(sysroot: &Sysroot) -> Result<Option<String>, FsError> {
    let stamp = match &sysroot.boot {
        Some(boot) => boot.read_optional(Trusted(layout::FINALIZE_FAILURE), MAX_FAILURE_BYTES)?,
        None => None,
    };
    let found = match stamp {
        Some(stamp) => Some(stamp),
        None => sysroot
            .ostree
            .read_optional(Trusted(layout::FINALIZE_RECORD), MAX_FAILURE_BYTES)?,
    };
    // Finished, and interrupted before that was noted.
    let finished = |text: &String| {
        let published = sysroot
            .deployments
            .iter()
            .filter(|now| now.staged.is_none());
        published
            .map(|now| interruption(&now.id))
            .any(|start| text.starts_with(&start))
    };
    Ok(found
        .map(|bytes| text(&bytes))
        .filter(|text| !finished(text)))
}

/// What is told of a deployment whose finishing came to no end.
fn interruption(id: &DeploymentId) -> String {
    format!("finishing deployment `{id}` was interrupted")
}

/// Leaves word that a deployment is being finished: what stands there after a power cut, and goes once it is done or has failed.
pub(crate) fn note_start(lock: &SysrootLock, id: &DeploymentId) -> Result<(), FsError> {
    let reason = format!(
        "{}\nhint: `ostler upgrade` stages it again",
        interruption(id)
    );
    let record = Trusted(layout::FINALIZE_RECORD);
    lock.ostree
        .write_atomic(record, reason, 0o644, Durability::Synced)
}

/// Leaves the reason of a failure, with the way out, in both places.
pub(crate) fn note_failure(
    lock: &SysrootLock,
    error: &(dyn Error + 'static),
) -> Result<(), FsError> {
    let mut reason = error.to_string();
    let chain = std::iter::successors(Some(error), |&error| error.source());
    if let Some(hint) = chain.filter_map(crate::hint).next() {
        reason.push_str("\nhint: ");
        reason.push_str(&hint);
    }
    let reason = reason.as_bytes();
    // First where there is room if `/boot` is full, which may be the reason.
    let record = Trusted(layout::FINALIZE_RECORD);
    lock.ostree
        .write_atomic(record, reason, 0o644, Durability::Synced)?;
    let Some(boot) = &lock.boot else {
        return Ok(());
    };
    boot.ensure_dir(layout::BOOT_KERNELS, 0o755)?;
    let (parent, name) = stamp();
    BootForm::of(boot)?.replace(&boot.open_dir(parent)?, name, reason)
}

/// The directory and the name of the stamp.
fn stamp() -> (&'static str, &'static str) {
    let path = layout::FINALIZE_FAILURE;
    path.rsplit_once('/').expect("it is in a directory")
}

fn remove_stamp(boot: &Dir) -> Result<(), FsError> {
    let (parent, name) = stamp();
    match boot.open_dir_optional(parent)? {
        Some(dir) => BootForm::of(boot)?.remove(&dir, name),
        None => Ok(()),
    }
}

/// Forgets the last failure.
pub(crate) fn forget_failure(lock: &SysrootLock) -> Result<(), FsError> {
    if let Some(boot) = &lock.boot {
        remove_stamp(boot)?;
    }
    lock.ostree
        .unlink_optional(Trusted(layout::FINALIZE_RECORD))?;
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
