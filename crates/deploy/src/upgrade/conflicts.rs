//! What an upgrade would find in `/etc`, before it is made.

use ostler_format::CommitId;
use ostler_fs::{Dir, FsError};
use ostler_store::checkout::{self, CheckoutError, CheckoutOptions, Target};
use ostler_store::progress::Silent;

use crate::deployment::Deployment;
use crate::etc_merge::{self, EtcMergeError, MergePlan, Sides};
use crate::sysroot::Sysroot;

/// Where a commit has its default configuration; what [`etc_conflicts`] needs of it in the repository.
pub const DEFAULT_ETC: &str = "/usr/etc";

/// What a merge would do cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ConflictsError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The default configuration of the commit.
    #[error("{0}")]
    Checkout(#[from] CheckoutError),
    /// The merge itself, which an upgrade would refuse, too.
    #[error("{0}")]
    Merge(#[from] EtcMergeError),
}

/// Decides what the merge of `/etc` would do if a deployment were followed by one of `commit`; `None` where nothing is merged. Nothing but the
/// default configuration of the commit has to be in the repository.
///
/// # Errors
/// [`ConflictsError`].
pub fn etc_conflicts(
    sysroot: &Sysroot,
    current: &Deployment,
    commit: CommitId,
) -> Result<Option<MergePlan>, ConflictsError> {
    let root = sysroot.open_deployment(&current.id)?;
    let (Some(old_default), Some(person)) = (
        root.open_dir_in_root_optional(DEFAULT_ETC)?,
        root.open_dir_optional("etc")?,
    ) else {
        return Ok(None);
    };
    let tree = match checkout::find(&sysroot.repo, commit, DEFAULT_ETC) {
        Ok(tree @ Target::Directory { .. }) => tree,
        Ok(Target::File { .. }) | Err(CheckoutError::NoSuchPath { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What a crash leaves there goes with what unfinished pulls leave.
    let aside = sysroot.repo.dir().open_dir("tmp")?;
    let name = format!("etc-preview-{}", std::process::id());
    aside.remove_all(name.as_str())?;
    let options = CheckoutOptions::default();
    let planned = checkout::checkout(&sysroot.repo, &tree, &aside, &name, &options, &Silent)
        .map_err(ConflictsError::from)
        .and_then(|_| {
            plan(
                sysroot,
                &old_default,
                &person,
                &aside.open_dir(name.as_str())?,
            )
        });
    aside.remove_all(name.as_str())?;
    planned.map(Some)
}

fn plan(
    sysroot: &Sysroot,
    old_default: &Dir,
    person: &Dir,
    new_default: &Dir,
) -> Result<MergePlan, ConflictsError> {
    let sides = Sides {
        old_default,
        person,
        new_default,
    };
    Ok(etc_merge::plan(
        sides,
        sysroot.settings.file_against_directory,
    )?)
}
