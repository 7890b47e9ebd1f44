//! Kernels in a flat `/boot`: each in a directory of its own, whose files are compared with the deployment's before they are relied on.

use ostler_format::Checksum;
use ostler_fs::{Access, Dir, FileType, FsError};

use crate::boot_form::copy_into;
use crate::kernel::{DeviceTrees, Kernel};
use crate::layout;

/// Puts a kernel and what comes with it into `/boot`; a sync of the file system must follow.
pub(super) fn install(boot: &Dir, kernel: &Kernel, name: &str) -> Result<(), FsError> {
    let kernels = boot.create_dir_all(layout::BOOT_KERNELS, 0o755)?;
    kernels.ensure_dir(name, 0o755)?;
    let directory = kernels.open_dir(name)?;
    for file in kernel.files() {
        let from = kernel.dir.open_file(&file.source, Access::Read)?;
        copy_into(&from, &directory, &file.installed)?;
    }
    if let DeviceTrees::Directory(trees) = &kernel.device_trees {
        directory.ensure_dir(&trees.installed, 0o755)?;
        copy_tree(
            &kernel.dir.open_dir(&trees.source)?,
            &directory.open_dir(&trees.installed)?,
        )?;
    }
    Ok(())
}

/// Puts an initrd into `/boot` that is added to deployments' own; a sync of the file system must follow.
pub(super) fn install_overlay(
    boot: &Dir,
    source: &Dir,
    checksum: &Checksum,
) -> Result<(), FsError> {
    let overlays = boot.create_dir_all(layout::BOOT_OVERLAYS, 0o755)?;
    let from = source.open_file(checksum.to_hex(), Access::Read)?;
    copy_into(&from, &overlays, &format!("{checksum}.img"))
}

/// The depth was checked when the device trees were found. In place of links there are copies of the files that they lead to.
fn copy_tree(source: &Dir, directory: &Dir) -> Result<(), FsError> {
    for entry in source.entries()?.iter() {
        let name = String::from_utf8_lossy(entry.name()).into_owned();
        if entry.file_type == FileType::Directory {
            directory.ensure_dir(&name, 0o755)?;
            copy_tree(&source.open_dir(&name)?, &directory.open_dir(&name)?)?;
        } else if let Some(from) = source.open_in_root_optional(entry.name())? {
            copy_into(&from, directory, &name)?;
        }
    }
    Ok(())
}
