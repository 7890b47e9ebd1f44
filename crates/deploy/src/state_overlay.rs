//! A writable layer in `/var` over a directory of the tree, such as `/opt`: what was written there stays, and gives way to a new version.
//!
//! ```text
//! /var/ostree/state-overlays/<name>/upper    what was written; its xattr says for which commit
//! /var/ostree/state-overlays/<name>/work     the kernel's own
//! ```
//! Before the first mount of another commit, whatever the layer holds under a name that the tree has, too, goes away: files, marks of removed
//! ones, and whole directories that hid the tree's. Directories that both have are merged. The commit is noted last, so a killed call begins
//! anew.

use std::path::{Path, PathBuf};

use ostler_fs::mount::Writable;
use ostler_fs::overlay::{self, Overlay};
use ostler_fs::{Dir, FsError, Trusted, xattr};

use crate::sysroot::{Sysroot, SysrootError};

/// Within `/var`.
const LAYERS: &str = "ostree/state-overlays";
const UPPER: &str = "upper";
const WORK: &str = "work";
/// On the upper directory: the commit that it was last mounted above, in hex.
const COMMIT: &str = "user.ostree.deploymentcsum";
/// On a directory of the layer: `y` if nothing below shows through.
const OPAQUE: &str = "trusted.overlay.opaque";
const LABEL: &str = "security.selinux";
const MAX_XATTR_BYTES: usize = 4096;

/// A layer was not mounted.
#[derive(Debug, thiserror::Error)]
pub enum StateOverlayError {
    /// A file, directory or mount.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root, or a system that was not booted from a deployment.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The name is no directory's.
    #[error("`{name}` is no name of a state overlay: it is one word without a slash")]
    Name {
        /// As it was given.
        name: String,
    },
    /// The path depends on where the caller is.
    #[error("`{path}` is no whole path")]
    Relative {
        /// As it was given.
        path: PathBuf,
    },
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// The layer is mounted.
    Now {
        /// How many names of an older commit went away.
        dropped: usize,
    },
    /// It was mounted before.
    Already,
}

/// Mounts the layer `name` over the directory `target` of the running deployment. Needs `CAP_SYS_ADMIN`.
///
/// # Errors
/// [`StateOverlayError`]; nothing is mounted then.
pub fn mount(sysroot: &Sysroot, name: &str, target: &Path) -> Result<Mounted, StateOverlayError> {
    let booted = sysroot.require_booted()?;
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        let name = name.to_owned();
        return Err(StateOverlayError::Name { name });
    }
    if !target.is_absolute() {
        let path = target.to_owned();
        return Err(StateOverlayError::Relative { path });
    }
    let relative = format!("{LAYERS}/{name}");
    let own = sysroot.host.var.join(&relative);
    if overlay::upper_of(target)?.is_some_and(|upper| upper == own.join(UPPER)) {
        return Ok(Mounted::Already);
    }
    let lower = Dir::open_ambient(target)?;
    let layer = Dir::open_ambient(&sysroot.host.var)?.create_dir_all(Trusted(relative), 0o700)?;
    layer.ensure_dir(WORK, 0o700)?;
    layer.ensure_dir(UPPER, 0o700)?;
    let dropped = follow(&layer, &lower, &booted.id.commit.to_string())?;
    let overlay = Overlay {
        lower: target,
        upper: &own.join(UPPER),
        work: &own.join(WORK),
    };
    overlay.mount(Writable::Yes)?.attach(target)?;
    Ok(Mounted::Now { dropped })
}

/// Makes the layer one of `commit`, and returns how many names gave way.
fn follow(layer: &Dir, lower: &Dir, commit: &str) -> Result<usize, FsError> {
    let noted = layer.xattr(UPPER, COMMIT, MAX_XATTR_BYTES)?;
    if noted.as_deref() == Some(commit.as_bytes()) {
        return Ok(0);
    }
    let upper = layer.open_dir(UPPER)?;
    let dropped = give_way(&upper, lower)?;
    // The root of what is mounted shows the attributes of the layer's.
    let metadata = lower.self_metadata()?;
    layer.set_owner(UPPER, metadata.uid, metadata.gid)?;
    layer.set_mode(UPPER, metadata.permissions())?;
    if let Some(label) = xattr::get(lower, LABEL, MAX_XATTR_BYTES)? {
        layer.set_xattr(UPPER, LABEL, &label)?;
    }
    layer.set_xattr(UPPER, COMMIT, commit.as_bytes())?;
    Ok(dropped)
}

/// Removes from `upper` what hides something of `lower`.
fn give_way(upper: &Dir, lower: &Dir) -> Result<usize, FsError> {
    let mut dropped = 0;
    for entry in upper.entries()?.iter() {
        let name = entry.os_name();
        let Some(below) = lower.metadata_optional(name)? else {
            continue;
        };
        let merges = entry.file_type.is_dir()
            && below.is_dir()
            && upper.xattr(name, OPAQUE, MAX_XATTR_BYTES)?.as_deref() != Some(b"y");
        if merges {
            dropped += give_way(&upper.open_dir(name)?, &lower.open_dir(name)?)?;
        } else {
            upper.remove_all(name)?;
            dropped += 1;
        }
    }
    Ok(dropped)
}
