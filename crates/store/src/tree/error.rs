//! What can go wrong while a tree is put together.

use std::path::PathBuf;

use ostler_fs::FsError;

use super::from_tar::ArchiveTreeError;
use crate::error::StoreError;
use crate::selinux::LabelError;

/// A tree that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The repository or the file system failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A directory to commit cannot be opened.
    #[error("opendir({path}): {reason}", path = path.display())]
    Source {
        /// As it was given.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file of a kind that has no object: a fifo, a socket or a device.
    #[error("not a regular file or symlink: `{path}` is a {found}")]
    NotAFile {
        /// Where, from the source's root.
        path: String,
        /// What it is.
        found: ostler_fs::FileType,
    },
    /// An overlayfs whiteout without a name to quote.
    #[error(
        "whiteout `{path}` cannot be quoted: its name would have {bytes} bytes, the limit is 255"
    )]
    WhiteoutName {
        /// Where, from the source's root.
        path: String,
        /// How long the quoted name would be.
        bytes: usize,
    },
    /// A file name that an object cannot hold.
    #[error("Invalid UTF-8 in filename `{name}`, in `{dir}`")]
    NameNotUtf8 {
        /// The directory, from the source's root.
        dir: String,
        /// The name, with the bad bytes replaced.
        name: String,
    },
    /// A symlink target that an object cannot hold.
    #[error("symlink `{path}` cannot be committed: {reason}")]
    SymlinkTarget {
        /// Where, from the source's root.
        path: String,
        /// What is wrong with its target.
        reason: &'static str,
    },
    /// An overlay has a directory where the tree below has a file.
    #[error("can't replace file with directory: `{name}`")]
    DirectoryOverFile {
        /// The name that both have.
        name: String,
    },
    /// An overlay has a file where the tree below has a directory.
    #[error("can't replace directory with file: `{name}`")]
    FileOverDirectory {
        /// The name that both have.
        name: String,
    },
    /// Lines of the stat override file fit nothing.
    #[error("unmatched statoverride paths: {}", list(paths))]
    UnmatchedStatOverrides {
        /// The paths.
        paths: Vec<String>,
    },
    /// Lines of the skip list fit nothing.
    #[error("unmatched skip-list paths: {}", list(paths))]
    UnmatchedSkipList {
        /// The paths.
        paths: Vec<String>,
    },
    /// An archive cannot be read or placed.
    #[error("`{}`: {source}", archive.display())]
    Archive {
        /// As it was given; `-` is the standard input.
        archive: PathBuf,
        /// What is wrong.
        source: ArchiveTreeError,
    },
    /// A label cannot be given.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// Labels are asked for in a repository that keeps no xattrs.
    #[error("a repository of mode `bare-user-only` keeps no SELinux labels")]
    LabelsNotKept,
    /// There is no root directory.
    #[error("can't commit an empty tree")]
    Empty,
    /// Two entries of a stat override file's mode and a directory's type disagree, or a value is not representable.
    #[error("`{path}`: {source}")]
    Unwritable {
        /// Where, from the source's root.
        path: String,
        /// Why no object can hold it.
        source: ostler_format::ObjectError,
    },
}

impl TreeError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Archive { source, .. } => source.hint(),
            Self::NotAFile { path, .. } => Some(format!(
                "remove it, or leave it out: --skip-list with `/{path}`"
            )),
            Self::NameNotUtf8 { .. } => Some("OSTree keeps names as UTF-8 text: rename it".into()),
            Self::UnmatchedStatOverrides { .. } | Self::UnmatchedSkipList { .. } => Some(
                "paths begin with `/`, the root of the tree, and have no slash at the end".into(),
            ),
            _ => None,
        }
    }
}

impl From<FsError> for TreeError {
    fn from(error: FsError) -> Self {
        Self::Store(error.into())
    }
}

impl From<ostler_format::ObjectError> for TreeError {
    fn from(error: ostler_format::ObjectError) -> Self {
        Self::Store(error.into())
    }
}

/// The first paths of a list and how many more there are.
fn list(paths: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = paths
        .iter()
        .take(SHOWN)
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > SHOWN {
        text.push_str(&format!(" and {} more", paths.len() - SHOWN));
    }
    text
}
