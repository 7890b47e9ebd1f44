//! The three-way merge of `/etc`, path by path, that carries a person's changes into a new deployment.
//!
//! ```text
//! old deployment:  usr/etc (old default)      etc (the person's)
//! new deployment:  usr/etc (new default)  ->  etc (new default, then what the person changed against the old default)
//! ```
//!
//! Reading (`snapshot`), comparing ([`diff`]), deciding ([`plan_merge`]) and acting ([`apply`]) are separate; comparing and deciding are
//! pure. What a person added, changed or removed wins over the default, as with libostree. Where the default changed too, the decision is
//! the same, unless a [`Rule`] of the person's says another, and a [`Conflict`] says so; the new default can be read in the new deployment's `usr/etc` for as long as it lives.
//!
//! What differs from libostree:
//! - A person's file where the default has a directory, or the other way round, is a conflict and not the end of the upgrade.
//! - Sockets, fifos, device nodes and files that vanish meanwhile are reported one by one; the rest is merged.
//! - Owner, mode and attributes of a directory are merged like a file: the person's if they changed them, else the new default's. libostree takes
//!   the person's if a file right in it was changed, and otherwise the new default's, so that a person's `chmod` can be lost.
//!
//! As with libostree, extended attributes alone do not make a file a changed one, and `/etc` itself has the new default's owner and mode.
//! On errors `etc` is half filled: the caller drops the new deployment.

mod apply;
mod conflict;
mod copy;
mod diff;
mod plan;
mod policy;
mod snapshot;
mod survey;

#[cfg(test)]
mod tests;

use ostler_fs::{Dir, FsError};

use crate::host_file::{HostFile, HostFileError};

pub use apply::apply;
pub(crate) use conflict::shown;
pub use conflict::{Conflict, ConflictKind, Decision, MergeReport, OddFile, OddKind, OddOutcome};
pub use copy::copy_default;
pub(crate) use copy::{copy_dir_attributes, copy_regular, copy_symlink, replace_dir_attributes};
pub use diff::{Changes, diff};
pub use plan::{Action, MergePlan, plan_merge, plan_merge_by};
pub use policy::{PatternError, Policy, Rule, Rules};
pub(crate) use snapshot::parents;
pub use snapshot::{Content, Node, Snapshot, Snapshots, is_beneath, split_path};
pub use survey::{Change, ChangeKind, Survey, read_text, survey};

/// The reason why `/etc` could not be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtcMergeError {
    /// A default could not be read, a person's file is there but can't be read, or the new `/etc` can't be written.
    #[error("cannot merge /etc: {0}")]
    Fs(#[from] FsError),
    /// The rules for this merge cannot be read.
    #[error("cannot merge /etc: {0}")]
    HostFile(#[from] Box<HostFileError>),
    /// A path is in conflict for which a rule says to fail.
    #[error(
        "cannot merge /etc: `/etc/{path}` and {others} other paths are in conflict, and a rule says to fail"
    )]
    Refused {
        /// The first such path below `/etc`.
        path: String,
        /// How many more there are.
        others: usize,
    },
    /// A person's file is in the place of a new directory, and that is not to be settled by keeping the file.
    #[error("Modified config file newly defaults to directory `/etc/{path}`, cannot merge")]
    FileAgainstDirectory {
        /// The path below `/etc`.
        path: String,
    },
}

impl From<HostFileError> for EtcMergeError {
    fn from(error: HostFileError) -> Self {
        Self::HostFile(Box::new(error))
    }
}

/// What becomes of a person's file where the new default is a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileAgainstDirectory {
    /// It is kept, and told as a conflict.
    #[default]
    Keep,
    /// Nothing is merged.
    Refuse,
}

/// The three trees that a merge starts from; none of them is written to.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// `usr/etc` of the old deployment.
    pub old_default: &'a Dir,
    /// `etc` of the old deployment, in which processes may be writing.
    pub person: &'a Dir,
    /// `usr/etc` of the new deployment.
    pub new_default: &'a Dir,
}

/// Fills `etc`, an empty directory, with the merge of three trees.
///
/// Nothing is synced: the deployment is made durable as a whole before it is published.
///
/// # Errors
/// [`EtcMergeError`]; `etc` is of no use then.
pub fn merge(
    sides: Sides<'_>,
    etc: &Dir,
    file_against_directory: FileAgainstDirectory,
) -> Result<MergeReport, EtcMergeError> {
    let plan = plan(sides, file_against_directory)?;
    let mut odd = copy_default(sides.new_default, etc)?;
    let mut report = apply(&plan, sides.person, etc)?;
    odd.append(&mut report.odd);
    report.odd = odd;
    Ok(report)
}

/// Decides what a merge would do, and changes nothing.
///
/// # Errors
/// [`EtcMergeError`] if a tree can't be read, or if the merge would be refused.
pub fn plan(
    sides: Sides<'_>,
    file_against_directory: FileAgainstDirectory,
) -> Result<MergePlan, EtcMergeError> {
    let rules = HostFile::read(sides.person)?.etc;
    let trees = Snapshots::read(sides)?;
    let mut plan = plan_merge_by(
        &rules,
        &trees.old_default,
        &trees.person,
        &trees.new_default,
    );
    plan.note_vanished(&trees.vanished, &trees.new_default);
    refuse_where_asked(&plan)?;
    let mut conflicts = plan.report.conflicts.iter();
    let against = |it: &&Conflict| {
        it.kind == ConflictKind::FileAgainstDirectory && it.decision == Decision::PersonKept
    };
    match conflicts.find(against) {
        Some(it) if file_against_directory == FileAgainstDirectory::Refuse => {
            Err(EtcMergeError::FileAgainstDirectory {
                path: it.path.clone(),
            })
        }
        _ => Ok(plan),
    }
}

/// Ends a merge in which a path is in conflict that a rule has said to fail for.
fn refuse_where_asked(plan: &MergePlan) -> Result<(), EtcMergeError> {
    let mut refused = plan
        .report
        .conflicts
        .iter()
        .filter(|it| it.decision == Decision::Refused);
    match refused.next() {
        None => Ok(()),
        Some(first) => Err(EtcMergeError::Refused {
            path: first.path.clone(),
            others: refused.count(),
        }),
    }
}

/// Lists what a person changed in `/etc`, as `ostree admin config-diff` does.
///
/// # Errors
/// [`EtcMergeError`] if a tree can't be read.
pub fn config_diff(default: &Dir, person: &Dir) -> Result<Changes, EtcMergeError> {
    let (default, person) = Snapshots::read_two(default, person)?;
    Ok(diff(&default, &person))
}
