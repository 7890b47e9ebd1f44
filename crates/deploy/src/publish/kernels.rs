//! Kernels in `/boot`: each in a directory of its own, which appears whole or not at all.

use ostler_format::Checksum;
use ostler_fs::{Access, Dir, FileType, FsError, HardLink, LinkPolicy, TempFile, copy, file};

use crate::kernel::{BootFile, DeviceTrees, Kernel};
use crate::layout;

/// Puts a kernel and what comes with it into `/boot`, durably; what is there already stays.
///
/// On the file system of the deployment the files are hard links, elsewhere copies.
pub(super) fn install(boot: &Dir, kernel: &Kernel, name: &str) -> Result<(), FsError> {
    let kernels = boot.create_dir_all(layout::BOOT_KERNELS, 0o755)?;
    if let Some(present) = kernels.open_dir_optional(name)? {
        return fill(&present, kernel);
    }
    let unfinished = layout::unfinished_kernel_dir(name);
    kernels.remove_all(&unfinished)?;
    kernels.create_dir(&unfinished, 0o755)?;
    fill(&kernels.open_dir(&unfinished)?, kernel)?;
    kernels.rename(&unfinished, &kernels, name)?;
    kernels.sync()
}

/// Puts an initrd into `/boot` that is added to deployments' own, durably.
pub(super) fn install_overlay(
    boot: &Dir,
    source: &Dir,
    checksum: &Checksum,
) -> Result<(), FsError> {
    let overlays = boot.create_dir_all(layout::BOOT_OVERLAYS, 0o755)?;
    let file = BootFile {
        source: checksum.to_string(),
        installed: format!("{checksum}.img"),
    };
    put(source, &file, &overlays)?;
    overlays.sync()
}

/// Adds the files that a directory lacks.
fn fill(directory: &Dir, kernel: &Kernel) -> Result<(), FsError> {
    for file in kernel.files() {
        put(&kernel.dir, file, directory)?;
    }
    if let DeviceTrees::Directory(trees) = &kernel.device_trees {
        directory.ensure_dir(&trees.installed, 0o755)?;
        fill_tree(
            &kernel.dir.open_dir(&trees.source)?,
            &directory.open_dir(&trees.installed)?,
        )?;
    }
    directory.sync()
}

/// The depth was checked when the device trees were found.
fn fill_tree(source: &Dir, directory: &Dir) -> Result<(), FsError> {
    for entry in source.entries()?.iter() {
        let name = entry.name();
        match entry.file_type {
            FileType::Directory => {
                directory.ensure_dir(name, 0o755)?;
                fill_tree(&source.open_dir(name)?, &directory.open_dir(name)?)?;
            }
            FileType::Symlink if directory.exists(name)? => {}
            FileType::Symlink => directory.symlink(source.read_link(name)?, name)?,
            FileType::Regular => {
                let text = String::from_utf8_lossy(name).into_owned();
                put(
                    source,
                    &BootFile {
                        source: text.clone(),
                        installed: text,
                    },
                    directory,
                )?;
            }
            _ => {}
        }
    }
    directory.sync()
}

fn put(source: &Dir, names: &BootFile, directory: &Dir) -> Result<(), FsError> {
    if directory.exists(&names.installed)? {
        return Ok(());
    }
    match source.hard_link_optional(&names.source, directory, &names.installed)? {
        HardLink::Linked | HardLink::AlreadyExists => return Ok(()),
        HardLink::TooManyLinks | HardLink::CrossDevice | HardLink::NotPermitted => {}
    }
    let from = source.open_file(&names.source, Access::Read)?;
    let metadata = file::metadata(&from)?;
    let new = TempFile::new(directory, 0o600)?;
    file::reserve(new.file(), metadata.size)?;
    copy::copy_contents(&from, new.file())?;
    file::set_owner(new.file(), metadata.uid, metadata.gid)?;
    file::set_mode(new.file(), metadata.permissions())?;
    new.sync()?;
    new.link_into(directory, &names.installed, LinkPolicy::KeepExisting)?;
    Ok(())
}
