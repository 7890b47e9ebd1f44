//! SELinux labels for files that have none, as the policy of the default deployment gives them.
//!
//! A file that a deployment shares with the repository is left alone: its label is part of the commit, and one that is given here would make
//! the object another one than its name says.

use std::path::Path;

use ostler_fs::{Dir, FsError, Metadata, xattr};
use ostler_store::selinux::{LabelError, Labels};

use crate::sysroot::{Sysroot, SysrootError};

const LABEL: &str = "security.selinux";
const MAX_LABEL_BYTES: usize = 4096;

/// Labels were not given.
#[derive(Debug, thiserror::Error)]
pub enum RelabelError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root, or one without a deployment.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The policy.
    #[error("{0}")]
    Policy(#[from] LabelError),
}

/// A file that got a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Its path as the policy sees it.
    pub path: String,
    /// The label.
    pub label: String,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relabelled {
    /// The deployment has no policy.
    NoPolicy,
    /// Those that lacked a label have one.
    Done {
        /// Who got one.
        labelled: Vec<Labelled>,
        /// How many files of the repository lack one, and were left.
        left: usize,
    },
}

/// Gives labels to what lacks them in the default deployment; of `below`, in another directory, whose path the policy sees as the text.
///
/// # Errors
/// [`RelabelError`]; labels that were given stay, and the same call goes on.
pub fn ensure_labelled(
    sysroot: &Sysroot,
    below: Option<(&Path, &str)>,
) -> Result<Relabelled, RelabelError> {
    let root = sysroot.deployment_path(&sysroot.at(0)?.id);
    let Some(labels) = Labels::of_directory(&root)? else {
        return Ok(Relabelled::NoPolicy);
    };
    let (directory, prefix) = below.unwrap_or((&root, ""));
    let mut work = Work {
        labels,
        labelled: Vec::new(),
        left: 0,
    };
    let directory = Dir::open_ambient(directory)?;
    let prefix = match prefix.trim_matches('/') {
        "" => String::new(),
        inner => format!("/{inner}"),
    };
    let shown = if prefix.is_empty() { "/" } else { &prefix };
    work.label_itself(&directory, shown)?;
    work.below(&directory, &prefix)?;
    Ok(Relabelled::Done {
        labelled: work.labelled,
        left: work.left,
    })
}

struct Work {
    labels: Labels,
    labelled: Vec<Labelled>,
    left: usize,
}

impl Work {
    fn below(&mut self, directory: &Dir, path: &str) -> Result<(), RelabelError> {
        for entry in directory.entries()?.iter() {
            // The rules know names in UTF-8 alone.
            let Some(name) = entry.str_name() else {
                continue;
            };
            let below = format!("{path}/{name}");
            let Some(metadata) = directory.metadata_optional(name)? else {
                continue;
            };
            self.label(directory, name, &below, &metadata)?;
            if metadata.is_dir() {
                self.below(&directory.open_dir(name)?, &below)?;
            }
        }
        Ok(())
    }

    fn label(
        &mut self,
        directory: &Dir,
        name: &str,
        path: &str,
        metadata: &Metadata,
    ) -> Result<(), RelabelError> {
        let Some(label) = self.labels.label(path, metadata.mode)?.map(str::to_owned) else {
            return Ok(());
        };
        if directory.xattr(name, LABEL, MAX_LABEL_BYTES)?.is_some() {
            return Ok(());
        }
        if !metadata.is_dir() && metadata.nlink > 1 {
            self.left += 1;
            return Ok(());
        }
        directory.set_xattr(name, LABEL, &value_of(&label))?;
        self.note(path, label);
        Ok(())
    }

    /// As [`Work::label`] for the directory that the handle is of.
    fn label_itself(&mut self, directory: &Dir, path: &str) -> Result<(), RelabelError> {
        let mode = directory.self_metadata()?.mode;
        let label = self.labels.label(path, mode)?.map(str::to_owned);
        if let Some(label) = label
            && xattr::get(directory, LABEL, MAX_LABEL_BYTES)?.is_none()
        {
            xattr::set(directory, LABEL, &value_of(&label))?;
            self.note(path, label);
        }
        Ok(())
    }

    fn note(&mut self, path: &str, label: String) {
        let path = path.to_owned();
        self.labelled.push(Labelled { path, label });
    }
}

/// The kernel keeps a label with a zero byte at its end.
fn value_of(label: &str) -> Vec<u8> {
    let mut value = label.as_bytes().to_vec();
    value.push(0);
    value
}
