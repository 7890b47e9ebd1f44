//! `/usr` of the running deployment becomes writable: a layer of its own is mounted over it, and the deployment's files stay as they are.
//!
//! The layer of a development or transient unlock is below `/var/tmp` and forgotten at the next boot; a flag in `/run` tells of it. Nothing of
//! the system root is written, so no lock is taken: the flag is made first, by one process only, and goes away if the mount fails.

use std::io::ErrorKind;
use std::path::PathBuf;

use ostler_format::origin::Unlocked;
use ostler_fs::mount::{self, Writable};
use ostler_fs::{Dir, FsError, Trusted, xattr};

use crate::layout;
use crate::sysroot::{Sysroot, SysrootError};

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
    let state = booted.unlocked;
    if state != Unlocked::None {
        return Err(UnlockError::Already { state });
    }
    let (flag, state) = match layer {
        Layer::Development => (layout::RUN_UNLOCKED_DEVELOPMENT, Unlocked::Development),
        Layer::Transient => (layout::RUN_UNLOCKED_TRANSIENT, Unlocked::Transient),
    };
    let run = Dir::open_ambient(&sysroot.host.run)?;
    let flags = run.create_dir_all(Trusted(booted.id.run_state()), 0o755)?;
    match flags.create_file(flag, 0o644) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(UnlockError::Already { state });
        }
        made => drop(made?),
    }
    let mounted = mount_layer(layer, places);
    if mounted.is_err() {
        flags.unlink(flag)?;
    }
    Ok(mounted?)
}

fn mount_layer(layer: Layer, places: &Places) -> Result<(), FsError> {
    let usr = Dir::open_ambient(&places.usr)?;
    let temporary = Dir::open_ambient(&places.temporary)?;
    let name = format!("ostler-unlock-{}-{}", mount::boot_id()?, std::process::id());
    // Exclusive: others may write to this directory, too.
    temporary.create_dir(&name, 0o700)?;
    let result = make_layer(&temporary.open_dir(&name)?, &usr).and_then(|()| {
        let own = places.temporary.join(&name);
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            places.usr.display(),
            own.join(UPPER).display(),
            own.join(WORK).display()
        );
        mount::mount("overlay", "overlay", &places.usr, &options)
    });
    if result.is_err() {
        temporary.remove_all(&name)?;
        return result;
    }
    if layer == Layer::Transient
        && let Err(error) = mount::remount(&places.usr, Writable::No)
    {
        mount::unmount(&places.usr)?;
        temporary.remove_all(&name)?;
        return Err(error);
    }
    Ok(())
}

/// Makes both directories of the layer; the upper one's own mode, owner and label become those of `/usr`.
fn make_layer(own: &Dir, usr: &Dir) -> Result<(), FsError> {
    own.create_dir(WORK, 0o700)?;
    own.create_dir(UPPER, 0o755)?;
    let metadata = usr.self_metadata()?;
    own.set_owner(UPPER, metadata.uid, metadata.gid)?;
    own.set_mode(UPPER, metadata.permissions())?;
    let label = xattr::get(usr, LABEL, MAX_LABEL_BYTES)?;
    if let Some(label) = label {
        own.set_xattr(UPPER, LABEL, &label)?;
    }
    Ok(())
}
