//! After the system's own remount of `/`: what is mounted from the same file system is made as it was meant to be.

use std::path::Path;

use ostler_fs::mount::{self, Propagation, Writable};
use ostler_fs::{Dir, FileType, FsError, Trusted};

use super::FirstRootError;
use super::booted::Facts;

/// Makes `/etc` and `/var` writable again, and `/sysroot` as it was configured; does nothing where `/` is for reading only. Returns what
/// was changed.
///
/// # Errors
/// [`FirstRootError`]; what was not reached is unchanged.
pub fn remount() -> Result<Vec<&'static str>, FirstRootError> {
    let Some(facts) = Facts::read(&Dir::open_ambient("/run")?)? else {
        return Ok(Vec::new());
    };
    let root = Dir::open_ambient("/")?;
    // systemd makes every mount shared; one below /var would appear in the stateroot's directory, too.
    if mount::is_mount_point("/sysroot")? {
        mount::set_propagation("/sysroot", Propagation::Private)?;
    }
    if root.is_read_only()? && !facts.composefs {
        return Ok(Vec::new());
    }
    let sysroot = match facts.sysroot_readonly {
        true => Writable::No,
        false => Writable::Yes,
    };
    let mut wanted = vec![("/sysroot", sysroot)];
    if facts.sysroot_readonly && !facts.transient_etc {
        wanted.push(("/etc", Writable::Yes));
    }
    wanted.push(("/var", Writable::Yes));
    let mut changed = Vec::new();
    for (path, writable) in wanted {
        if make(&root, path, writable)? {
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Changes a mount; false if nothing is mounted there, or it is so already.
fn make(root: &Dir, path: &str, writable: Writable) -> Result<bool, FsError> {
    let name = Trusted(path.trim_start_matches('/'));
    let is_dir = root
        .metadata_optional(name)?
        .is_some_and(|metadata| metadata.file_type == FileType::Directory);
    if !is_dir || !mount::is_mount_point(Path::new(path))? {
        return Ok(false);
    }
    let is_writable = !root.open_dir(name)?.is_read_only()?;
    if is_writable == (writable == Writable::Yes) {
        return Ok(false);
    }
    mount::remount(path, writable)?;
    Ok(true)
}
