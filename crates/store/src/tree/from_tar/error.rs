//! Why an archive cannot become part of a tree.

use ostler_format::archive::ArchiveError;
use ostler_fs::FsError;

/// What is wrong with an archive or one of its entries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveTreeError {
    /// It cannot be opened.
    #[error("{0}")]
    Open(#[from] FsError),
    /// It cannot be read on.
    #[error("{0}")]
    Read(#[from] ArchiveError),
    /// Its compression is known, but not read here.
    #[error("compressed with {0}, which is not supported")]
    Compression(&'static str),
    /// A path leads upwards.
    #[error("Invalid uplink '..' in path {path}")]
    Uplink {
        /// As it is in the archive, or as the filter left it.
        path: String,
    },
    /// A path is too deep.
    #[error("`{path}` is more than {limit} levels deep")]
    TooDeep {
        /// The start of it.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A path or symlink target is not text.
    #[error("Invalid UTF-8 in filename `{path}`")]
    NotUtf8 {
        /// The path, with the bad bytes replaced.
        path: String,
    },
    /// A directory on the way to an entry is missing.
    #[error("No such file or directory: {missing}, for the entry `{path}`")]
    NoParent {
        /// The entry's path.
        path: String,
        /// The first part of it that there is not.
        missing: String,
    },
    /// Something other than a directory is to be the root.
    #[error("the entry `{path}` is no directory, and has the root's name")]
    FileAsRoot {
        /// The entry's path.
        path: String,
    },
    /// Something of a kind that has no object.
    #[error("Unsupported file type for path \"{path}\": it is a {found}")]
    Unsupported {
        /// The entry's path.
        path: String,
        /// What it is.
        found: &'static str,
    },
    /// A hardlink's target is not in the tree.
    #[error("hardlink `{path}`: No such file or directory: {target}")]
    NoLinkTarget {
        /// The hardlink.
        path: String,
        /// What it is to be a name of.
        target: String,
    },
    /// A hardlink's target is a directory.
    #[error("hardlink `{path}`: expected a file at `{target}` but found a directory")]
    LinkToDirectory {
        /// The hardlink.
        path: String,
        /// The directory.
        target: String,
    },
}

impl ArchiveTreeError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(ArchiveError::Unrecognized) => Some(
                "tar and cpio (newc, odc) are read, plain or compressed with gzip, xz, zstd or bzip2".into(),
            ),
            Self::Compression(_) => {
                Some("unpack it first and give it as `--tree=tar=-`".into())
            }
            Self::NoParent { .. } => {
                Some("--tar-autocreate-parents makes the missing directories".into())
            }
            Self::Unsupported { path, .. } => Some(format!(
                "leave it out: --skip-list with `/{path}`"
            )),
            _ => None,
        }
    }
}
