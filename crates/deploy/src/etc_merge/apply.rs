//! Carries out a plan on a copy of the new default.

use ostler_fs::{Access, Dir, FsError, LinkPolicy, file};

use super::EtcMergeError;
use super::conflict::{MergeReport, OddFile, OddKind, OddOutcome, shown};
use super::copy::{copy_dir_attributes, copy_regular, copy_symlink, replace_dir_attributes};
use super::plan::{Action, MergePlan, NEW_SUFFIX};
use super::snapshot::{is_vanished, split_path};

/// Carries out `plan` on `etc`, a copy of the new default, taking content from the person's tree.
///
/// Neither tree's symlinks are followed. A path of the person's that vanishes meanwhile is reported, and what `etc` has there stays.
///
/// # Errors
/// [`EtcMergeError`] if a file of the person's is there but can't be read, or `etc` can't be written.
pub fn apply(plan: &MergePlan, person: &Dir, etc: &Dir) -> Result<MergeReport, EtcMergeError> {
    let mut report = plan.report.clone();
    for action in &plan.actions {
        let done = match action {
            Action::Remove(path) => remove(etc, path).map(|()| Done::Yes),
            Action::MakeDir(path) => make_dir(person, etc, path),
            Action::SetAttributes(path) => set_attributes(person, etc, path),
            Action::KeepDefault(path) => keep_default(etc, path),
            Action::Copy(path) => copy(person, etc, path),
        }?;
        if done == Done::Vanished {
            let path = action.path();
            report.odd.push(OddFile {
                path: shown(path),
                kind: OddKind::Vanished,
                outcome: match exists(etc, path)? {
                    true => OddOutcome::DefaultKept,
                    false => OddOutcome::NotCarriedOver,
                },
            });
        }
    }
    Ok(report)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Yes,
    /// The person's path is gone or is something else by now.
    Vanished,
}

/// Turns errors that mean "gone meanwhile" into `None`.
fn present<T>(result: Result<T, FsError>) -> Result<Option<T>, FsError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_vanished(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn exists(etc: &Dir, path: &[u8]) -> Result<bool, FsError> {
    let (parent, name) = split_path(path);
    match etc.open_dir_beneath_optional(parent)? {
        Some(parent) => parent.exists(name),
        None => Ok(false),
    }
}

fn remove(etc: &Dir, path: &[u8]) -> Result<(), FsError> {
    let (parent, name) = split_path(path);
    if let Some(parent) = etc.open_dir_beneath_optional(parent)? {
        parent.remove_all(name)?;
    }
    Ok(())
}

fn make_dir(person: &Dir, etc: &Dir, path: &[u8]) -> Result<Done, FsError> {
    let (parent, name) = split_path(path);
    let Some(from) = present(person.open_dir_beneath(path))? else {
        return Ok(Done::Vanished);
    };
    let Some(parent) = etc.open_dir_beneath_optional(parent)? else {
        return Ok(Done::Vanished);
    };
    parent.create_dir(name, 0o700)?;
    copy_dir_attributes(&from, &parent.open_dir(name)?)?;
    Ok(Done::Yes)
}

fn set_attributes(person: &Dir, etc: &Dir, path: &[u8]) -> Result<Done, FsError> {
    let Some(from) = present(person.open_dir_beneath(path))? else {
        return Ok(Done::Vanished);
    };
    replace_dir_attributes(&from, &etc.open_dir_beneath(path)?)?;
    Ok(Done::Yes)
}

/// Lays the new default beside its own name, which something else takes next.
fn keep_default(etc: &Dir, path: &[u8]) -> Result<Done, FsError> {
    let (parent, name) = split_path(path);
    let second = [name, NEW_SUFFIX.as_bytes()].concat();
    let parent = etc.open_dir_beneath(parent)?;
    parent.unlink_optional(second.as_slice())?;
    parent.hard_link(name, &parent, second.as_slice())?;
    Ok(Done::Yes)
}

fn copy(person: &Dir, etc: &Dir, path: &[u8]) -> Result<Done, FsError> {
    let (parent, name) = split_path(path);
    let Some(from_dir) = present(person.open_dir_beneath(parent))? else {
        return Ok(Done::Vanished);
    };
    // Missing only if the person's directory had vanished when it was to be made.
    let Some(target) = etc.open_dir_beneath_optional(parent)? else {
        return Ok(Done::Vanished);
    };
    let Some(metadata) = from_dir.metadata_optional(name)? else {
        return Ok(Done::Vanished);
    };
    if metadata.is_symlink() {
        let copied = present(copy_symlink(&from_dir, name, &target))?;
        return Ok(copied.map_or(Done::Vanished, |()| Done::Yes));
    }
    let Some(from) = present(from_dir.open_file(name, Access::Read))? else {
        return Ok(Done::Vanished);
    };
    let metadata = file::metadata(&from)?;
    if !metadata.is_file() {
        return Ok(Done::Vanished);
    }
    let copied = copy_regular(&from, &metadata, &target)?;
    file::set_times(copied.file(), metadata.mtime)?;
    copied.link_into(&target, name, LinkPolicy::Replace)?;
    Ok(Done::Yes)
}
