//! Copies files, symlinks and directories with owner, mode and attributes; content is shared where the file system can.

use std::fs::File;

use ostler_fs::xattr::Xattr;
use ostler_fs::{
    Dir, FileType, FsError, LinkPolicy, Metadata, Next, Step, TempFile, copy, file, walk, xattr,
};

use super::conflict::{OddFile, OddKind, OddOutcome, shown};
use super::snapshot::is_systems_own;

/// Names and values of one inode's attributes, in bytes.
const XATTRS_MAX_BYTES: usize = 1 << 20;

/// Copies a default to `etc`, an empty directory, which gets owner, mode and attributes of the default too.
///
/// Returns fifos, sockets and device nodes, which are not copied.
///
/// # Errors
/// [`FsError`] if something can't be read or written.
pub fn copy_default(default: &Dir, etc: &Dir) -> Result<Vec<OddFile>, FsError> {
    let mut odd = Vec::new();
    let mut targets = vec![etc.try_clone()?];
    walk(default, |step| {
        let target = targets.last().expect("the root is popped by nobody");
        match step {
            Step::Enter(visited) => {
                target.create_dir(visited.c_name(), 0o700)?;
                let made = target.open_dir(visited.c_name())?;
                targets.push(made);
            }
            Step::Leave(visited) => {
                let from = visited.dir().expect("the walk opens every directory");
                copy_dir_attributes(from, target)?;
                targets.pop();
            }
            Step::Entry(visited) => {
                let name = visited.c_name();
                match visited.metadata.file_type {
                    FileType::Regular => {
                        let (from, metadata) = visited.parent().open_regular(name)?;
                        // Its time is now: in a deployment, all files are of 1970.
                        let copied = copy_regular(&from, &metadata, target)?;
                        copied.link_into(target, name, LinkPolicy::Fail)?;
                    }
                    FileType::Symlink => copy_symlink(visited.parent(), name, target)?,
                    other => odd.push(OddFile {
                        path: shown(visited.path_bytes()),
                        kind: odd_kind(other),
                        outcome: OddOutcome::NotCarriedOver,
                    }),
                }
            }
        }
        Ok::<_, FsError>(Next::Continue)
    })?;
    copy_dir_attributes(default, etc)?;
    Ok(odd)
}

pub(super) fn odd_kind(file_type: FileType) -> OddKind {
    match file_type {
        FileType::Fifo => OddKind::Fifo,
        FileType::Socket => OddKind::Socket,
        _ => OddKind::Device,
    }
}

/// Copies an open regular file, without its time, to a file for `target` that has no name yet.
pub(crate) fn copy_regular(
    from: &File,
    metadata: &Metadata,
    target: &Dir,
) -> Result<TempFile, FsError> {
    let temp = TempFile::new(target, 0o600)?;
    copy::copy_contents(from, temp.file())?;
    file::set_owner(temp.file(), metadata.uid, metadata.gid)?;
    // After the owner, whose change drops capabilities.
    for (attribute, value) in xattr::all(from, XATTRS_MAX_BYTES)? {
        xattr::set(temp.file(), attribute, &value)?;
    }
    file::set_mode(temp.file(), metadata.permissions())?;
    Ok(temp)
}

/// Copies a symlink to the same name in another directory, in place of a file or symlink that may be there.
pub(crate) fn copy_symlink(
    from: &Dir,
    name: impl ostler_fs::Name,
    target: &Dir,
) -> Result<(), FsError> {
    let link = from.read_link(&name)?;
    let metadata = from.metadata(&name)?;
    let xattrs = from.xattrs(&name, XATTRS_MAX_BYTES)?;
    target.replace_symlink(link, &name)?;
    target.set_owner(&name, metadata.uid, metadata.gid)?;
    for (attribute, value) in xattrs {
        target.set_xattr(&name, attribute, &value)?;
    }
    Ok(())
}

/// Gives a new directory the owner, mode and all attributes of another.
pub(crate) fn copy_dir_attributes(from: &Dir, to: &Dir) -> Result<(), FsError> {
    let xattrs = xattr::all(from, XATTRS_MAX_BYTES)?;
    set_dir_attributes(from, to, xattrs)
}

/// Gives a directory that has a label of its own the owner, mode and a person's attributes of another.
pub(crate) fn replace_dir_attributes(from: &Dir, to: &Dir) -> Result<(), FsError> {
    let mut xattrs = xattr::all(from, XATTRS_MAX_BYTES)?;
    xattrs.retain(|(name, _)| !is_systems_own(name));
    for (name, _) in xattr::all(to, XATTRS_MAX_BYTES)? {
        if !is_systems_own(&name) && !xattrs.iter().any(|(kept, _)| *kept == name) {
            xattr::remove(to, name)?;
        }
    }
    set_dir_attributes(from, to, xattrs)
}

fn set_dir_attributes(from: &Dir, to: &Dir, xattrs: Vec<Xattr>) -> Result<(), FsError> {
    let metadata = from.self_metadata()?;
    file::set_owner(to, metadata.uid, metadata.gid)?;
    for (attribute, value) in xattrs {
        xattr::set(to, attribute, &value)?;
    }
    file::set_mode(to, metadata.permissions())
}
