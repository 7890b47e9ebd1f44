//! `/usr` of the running deployment becomes writable: a layer of its own is mounted over it, and the deployment's files stay as they are.
//!
//! The layer of a development or transient unlock is below `/var/tmp` and forgotten at the next boot; a flag in `/run` tells of it. Nothing of
//! the system root is written, so no lock is taken but that of the flag, which is made first and goes away if the mount fails. A flag that a
//! killed process left is known by the mount that lacks, and the next unlock goes on with it.
//!
//! The layer of a [`hotfix`](fn@hotfix) is in the deployment and stays.

mod hotfix;

use std::path::PathBuf;

use ostler_format::origin::{OriginError, Unlocked};
use ostler_fs::lock::{FileLock, LockError, LockMode, Timeout};
use ostler_fs::mount::{self, Writable};
use ostler_fs::overlay::{self, Detached, Overlay};
use ostler_fs::{Dir, FsError, Trusted, xattr};

use crate::deploy::DeployError;
use crate::layout;
use crate::sysroot::{Sysroot, SysrootError};

pub use hotfix::{Outside, hotfix};

/// Within the layer's directory: what was written to `/usr`.
const UPPER: &str = "upper";
/// Within the layer's directory: the kernel's own.
const WORK: &str = "work";
const LABEL: &str = "security.selinux";
const MAX_LABEL_BYTES: usize = 4096;

/// `/usr` was not unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// There is a layer already.
    #[error("Deployment is already in unlocked state: {}", .state.as_str())]
    Already {
        /// Which.
        state: Unlocked,
    },
    /// A file, directory or mount.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root, or a system that was not booted from a deployment.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// Another process is at it.
    #[error("cannot unlock /usr: {0}")]
    Lock(#[from] LockError),
    /// The deployment to go back to.
    #[error("cannot make a deployment to go back to: {0}")]
    Deploy(#[from] DeployError),
    /// The origin.
    #[error("{0}")]
    Origin(#[from] OriginError),
}

/// How the running system sees the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// Everyone with the right to may write to `/usr`.
    #[default]
    Development,
    /// `/usr` stays read-only, until a process makes it writable in a mount namespace of its own.
    Transient,
}

/// Where the layer is mounted and kept; [`Places::default`] is the running system.
#[derive(Clone, Debug)]
pub struct Places {
    /// What is covered.
    pub usr: PathBuf,
    /// The directory in which the layer's own is made.
    pub temporary: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            usr: PathBuf::from("/usr"),
            temporary: PathBuf::from("/var/tmp"),
        }
    }
}

/// Mounts a writable layer over `/usr` until the next boot. Needs `CAP_SYS_ADMIN`.
///
/// # Errors
/// [`UnlockError`]; `/usr` and the flag in `/run` are as before then.
pub fn unlock(sysroot: &Sysroot, layer: Layer, places: &Places) -> Result<(), UnlockError> {
    let booted = sysroot.require_booted()?;
    let (flag, state) = match layer {
        Layer::Development => (layout::RUN_UNLOCKED_DEVELOPMENT, Unlocked::Development),
        Layer::Transient => (layout::RUN_UNLOCKED_TRANSIENT, Unlocked::Transient),
    };
    refuse_if_covered(booted.unlocked, state, places)?;
    let run = Dir::open_ambient(&sysroot.host.run)?;
    let flags = run.create_dir_all(Trusted(booted.id.run_state()), 0o755)?;
    let file = flags.open_or_create_file(flag, 0o644)?;
    let _lock = FileLock::acquire(file, LockMode::Exclusive, Timeout::Now)?;
    // Another process may have mounted its layer before the lock was had.
    refuse_if_covered(Unlocked::None, state, places)?;
    let mounted = mount_layer(layer, places);
    if mounted.is_err() {
        flags.unlink(flag)?;
    }
    Ok(mounted?)
}

/// Refuses a second layer. A state without a mount is what a killed process left, and is no obstacle to the same again.
fn refuse_if_covered(told: Unlocked, wanted: Unlocked, places: &Places) -> Result<(), UnlockError> {
    let covered = overlay::upper_of(&places.usr)?.is_some();
    match told {
        Unlocked::None if covered => Err(UnlockError::Already { state: wanted }),
        Unlocked::None => Ok(()),
        state if covered || state != wanted => Err(UnlockError::Already { state }),
        _ => Ok(()),
    }
}

fn mount_layer(layer: Layer, places: &Places) -> Result<(), FsError> {
    let usr = Dir::open_ambient(&places.usr)?;
    let temporary = Dir::open_ambient(&places.temporary)?;
    let name = format!("ostler-unlock-{}-{}", mount::boot_id()?, std::process::id());
    // Exclusive: others may write to this directory, too.
    temporary.create_dir(&name, 0o700)?;
    let writable = match layer {
        Layer::Development => Writable::Yes,
        Layer::Transient => Writable::No,
    };
    let result = make_layer(&temporary.open_dir(&name)?, [UPPER, WORK], &usr).and_then(|()| {
        let own = places.temporary.join(&name);
        let overlay = Overlay {
            lower: &places.usr,
            upper: &own.join(UPPER),
            work: &own.join(WORK),
        };
        overlay.mount(writable)?.attach(&places.usr)
    });
    if result.is_err() {
        temporary.remove_all(&name)?;
    }
    result
}

/// Makes both directories of the layer, the upper one first; its mode, owner and label become those of `/usr`.
fn make_layer(own: &Dir, [upper, work]: [&str; 2], usr: &Dir) -> Result<(), FsError> {
    own.ensure_dir(upper, 0o755)?;
    let metadata = usr.self_metadata()?;
    own.set_owner(upper, metadata.uid, metadata.gid)?;
    own.set_mode(upper, metadata.permissions())?;
    if let Some(label) = xattr::get(usr, LABEL, MAX_LABEL_BYTES)? {
        own.set_xattr(upper, LABEL, &label)?;
    }
    own.ensure_dir(work, 0o700)?;
    Ok(())
}
