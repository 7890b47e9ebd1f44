//! Bootlinks: what `ostree=` of the boot entries leads through.

use ostler_format::bootlink::boot_dir;
use ostler_format::{Bootlink, Turn};
use ostler_fs::{Dir, FsError, Trusted};

use crate::deployment::Deployment;
use crate::layout;

/// Writes the bootlinks of a boot order in a place that is not active.
pub(super) fn create(
    ostree: &Dir,
    boot: Turn,
    sub: Turn,
    order: &[Deployment],
) -> Result<(), FsError> {
    let path = layout::bootlinks_dir(boot, sub);
    ostree.remove_all(&path)?;
    ostree.create_dir(&path, 0o755)?;
    for deployment in order {
        let link = Bootlink {
            boot_version: boot,
            stateroot: deployment.id.stateroot.clone(),
            bootcsum: deployment.bootcsum,
            bootserial: deployment.bootserial,
        };
        let link = format!("{path}/{}", link.below_boot_dir());
        let (parent, name) = link.rsplit_once('/').expect("a bootlink has parts");
        ostree
            .create_dir_all(Trusted(parent), 0o755)?
            .symlink(deployment.id.bootlink_target(), name)?;
    }
    Ok(())
}

/// Makes the bootlinks of a place those of the boot version, in one step.
pub(super) fn activate(ostree: &Dir, boot: Turn, sub: Turn) -> Result<(), FsError> {
    ostree.replace_symlink(boot_dir(boot, sub), layout::bootlinks(boot))
}
