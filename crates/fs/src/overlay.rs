//! Overlays: a layer that is written to, above a directory that stays as it is.
//!
//! An overlay is made complete before anybody sees it, and then appears in one step. What is made in a mount namespace of one's own, where
//! the layer may be written to, can so be shown in the one where everybody is.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};

use crate::error::{Context, FsError, Result};
use crate::mount::{MountTable, Writable};

/// What an overlay is made of; all three are whole paths.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The directory that stays as it is.
    pub lower: &'a Path,
    /// Where what is written goes.
    pub upper: &'a Path,
    /// The kernel's own directory, empty, on the file system of `upper`.
    pub work: &'a Path,
}

/// A mount that is nowhere yet, and goes away with this value.
#[derive(Debug)]
pub struct Detached(OwnedFd);

impl Overlay<'_> {
    /// Makes the overlay, and shows it nowhere. Needs `CAP_SYS_ADMIN`.
    pub fn mount(&self, writable: Writable) -> Result<Detached> {
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC);
        let made = context.and_then(|context| {
            let set = |key: &str, value: &Path| {
                rustix::mount::fsconfig_set_string(context.as_fd(), key, value)
            };
            set("source", Path::new("overlay"))?;
            set("lowerdir", &escaped(self.lower))?;
            set("upperdir", self.upper)?;
            set("workdir", self.work)?;
            rustix::mount::fsconfig_create(context.as_fd())?;
            let attributes = match writable {
                Writable::Yes => MountAttrFlags::empty(),
                Writable::No => MountAttrFlags::MOUNT_ATTR_RDONLY,
            };
            rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        });
        made.map(Detached)
            .map_err(|errno| FsError::between("mount an overlay of", self.upper, self.lower, errno))
    }
}

impl Detached {
    /// Shows the mount on a directory.
    pub fn attach(self, target: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref();
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        rustix::mount::move_mount(self.0.as_fd(), c"", CWD, target, flags)
            .map_err(|errno| FsError::new("mount an overlay on", target, errno))
    }
}

/// Returns the upper directory of the overlay that is mounted on exactly this path; `None` if there is another mount or none.
pub fn upper_of(target: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let target = target.as_ref();
    let target = std::fs::canonicalize(target).context("resolve", target)?;
    let table = MountTable::read()?;
    let Some(mount) = table.on(target).filter(|mount| mount.fs_type == "overlay") else {
        return Ok(None);
    };
    let options = mount.super_options.split(',');
    let upper = options.filter_map(|option| option.strip_prefix("upperdir="));
    Ok(upper.map(PathBuf::from).next())
}

/// Several lower directories are told apart by colons.
fn escaped(path: &Path) -> PathBuf {
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b':') {
            bytes.push(b'\\');
        }
        bytes.push(*byte);
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount;

    #[test]
    fn an_overlay_appears_whole_and_what_is_written_goes_to_its_layer() {
        let temp = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| temp.path().join(name);
        // Both have a meaning in the kernel's list of lower directories.
        for name in ["low:er\\", "layer", "layer/upper", "layer/work"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("low:er\\/file"), "lower").unwrap();
        if mount::enter_private_namespace().is_err() {
            return;
        }
        mount::mount("tmpfs", "tmpfs", at("layer"), "").unwrap();
        for name in ["layer/upper", "layer/work"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let (lower, upper) = (at("low:er\\"), at("layer/upper"));
        let overlay = Overlay {
            lower: &lower,
            upper: &upper,
            work: &at("layer/work"),
        };
        drop(overlay.mount(Writable::Yes).unwrap());
        assert_eq!(upper_of(&lower).unwrap(), None, "nobody sees it");
        overlay
            .mount(Writable::Yes)
            .unwrap()
            .attach(&lower)
            .unwrap();
        assert_eq!(upper_of(&lower).unwrap(), Some(upper.clone()));
        std::fs::write(lower.join("file"), "mine").unwrap();
        assert_eq!(std::fs::read(upper.join("file")).unwrap(), b"mine");
        mount::unmount(&lower).unwrap();
        assert_eq!(std::fs::read(lower.join("file")).unwrap(), b"lower");
        overlay.mount(Writable::No).unwrap().attach(&lower).unwrap();
        assert!(std::fs::write(lower.join("file"), "").is_err());
        mount::unmount(&lower).unwrap();
    }
}
