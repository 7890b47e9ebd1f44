//! Making a directory tree from a commit.
//!
//! | module | what it does |
//! |---|---|
//! | `workers` | directories as jobs, on all processors |
//! | `directory` | one directory: its files, then its subdirectories' places, then its own metadata |
//! | `place` | one file: hardlink, or copy with its metadata |
//! | `whiteout` | files that stand for deletions |
//! | `cache` | uncompressed copies beside an archive repository |
//!
//! Each directory is one job with a handle of its own, so that no path is resolved twice and nothing a tree contains can lead
//! out of the destination.

mod cache;
mod directory;
mod place;
mod whiteout;
mod workers;

use std::sync::Arc;

use ostler_format::{CommitId, DirEntry, DirMetaId, DirTreeId, FileId, ObjectError};
use ostler_fs::Dir;

use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::selinux::{LabelError, Labels};

/// Whose owner, mode and xattrs the files get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Those that the commit says; needs root.
    #[default]
    Commit,
    /// The process's own; modes without set-id bits, no xattrs.
    User,
}

/// What happens where something exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// The destination must not exist; in it, nothing does.
    #[default]
    Refuse,
    /// Directories are kept, files are replaced one by one.
    Union,
    /// Directories and files are kept.
    Add,
    /// Directories are kept; a file that exists must be the same, or it is an error.
    Identical,
}

/// Whether files share their inodes with the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Where they can; otherwise they are copied.
    #[default]
    Prefer,
    /// They must, empty files aside.
    Require,
    /// Never: each file is a copy (a reflink where the file system can).
    Copy,
}

/// Which files are left out.
pub type Filter<'f> = dyn Fn(&str) -> bool + Sync + 'f;

/// How a checkout is made.
#[derive(Clone, Default)]
pub struct CheckoutOptions<'f> {
    /// Owners, modes, xattrs.
    pub ownership: Ownership,
    /// What exists already.
    pub overwrite: Overwrite,
    /// Hardlinks.
    pub links: Links,
    /// Directories' modes lose all bits beyond 0775.
    pub canonical_dirs: bool,
    /// `.wh.NAME` deletes NAME, `.wh..wh..opq` all that the directory had, as in layers of container images.
    pub whiteouts: bool,
    /// `.ostree-wh.NAME` becomes an overlayfs whiteout: a character device 0:0.
    pub passthrough_whiteouts: bool,
    /// Use `uncompressed-objects-cache/` for a checkout of an archive repository with [`Ownership::User`].
    pub use_cache: bool,
    /// Make the tree durable before returning.
    pub fsync: bool,
    /// Called with the absolute path within the commit of each file and directory, the latter with a slash at its end; what
    /// gives true is left out.
    pub skip: Option<&'f Filter<'f>>,
    /// SELinux labels in the place of the commit's; only for copies, not for links.
    pub labels: Option<Labelling<'f>>,
}

/// SELinux labels for a tree that will lie below a path.
#[derive(Clone, Copy, Debug)]
pub struct Labelling<'f> {
    /// The policy.
    pub labels: &'f Labels,
    /// What comes before the paths of the commit, without a slash at the end; empty for a root.
    pub prefix: &'f str,
}

/// What a checkout made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckoutStats {
    /// Directories that did not exist.
    pub directories: u64,
    /// Files and symlinks that share an inode with the repository.
    pub linked: u64,
    /// Files and symlinks that were written.
    pub copied: u64,
    /// Bytes of content of those.
    pub bytes_copied: u64,
}

/// A checkout that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError {
    /// The repository or the file system failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The commit has nothing at that path.
    #[error("No such file or directory: {path}")]
    NoSuchPath {
        /// The path within the commit.
        path: String,
    },
    /// The path leads through a file of the commit.
    #[error("Not a directory: {path}: `{file}` is a file")]
    NotADirectory {
        /// The path within the commit.
        path: String,
        /// The file on it.
        file: String,
    },
    /// The repository's files cannot be hardlinked into this kind of checkout.
    #[error("{reason}")]
    CannotLink {
        /// Which mode would be needed.
        reason: &'static str,
    },
    /// A label cannot be given.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A file that exists differs from the commit's.
    #[error("`{path}`: File exists, and differs from the commit's")]
    Differs {
        /// The path within the commit.
        path: String,
    },
    /// Something of another kind stands where a file or directory should be.
    #[error("`{path}` exists and is {found}")]
    InTheWay {
        /// The path within the commit.
        path: String,
        /// What it is.
        found: &'static str,
    },
    /// A hardlink was required and the kernel refused it.
    #[error("cannot hardlink `{path}`: {reason}")]
    LinkRefused {
        /// The path within the commit.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

impl From<ostler_fs::FsError> for CheckoutError {
    fn from(error: ostler_fs::FsError) -> Self {
        Self::Store(error.into())
    }
}

impl From<ObjectError> for CheckoutError {
    fn from(error: ObjectError) -> Self {
        Self::Store(error.into())
    }
}

/// What lies at a path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A directory.
    Directory {
        /// Its listing.
        tree: DirTreeId,
        /// Its owner, mode and xattrs.
        meta: DirMetaId,
    },
    /// A file or symlink.
    File {
        /// Its name.
        name: String,
        /// Its content.
        id: FileId,
    },
}

/// Finds what lies at `path` (absolute or not, `/` for the root) of a commit.
///
/// # Errors
/// [`CheckoutError::NoSuchPath`], [`CheckoutError::NotADirectory`].
pub fn find(repo: &Repo, commit: CommitId, path: &str) -> Result<Target, CheckoutError> {
    let root = repo.read_commit(commit)?;
    let no_such_path = || CheckoutError::NoSuchPath {
        path: path.to_owned(),
    };
    let mut parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .peekable();
    let mut at = (root.tree, root.meta);
    while let Some(part) = parts.next() {
        let mut listing = repo.read_dirtree(at.0)?;
        if let Some(DirEntry { tree, meta, .. }) = listing.dirs.iter().find(|dir| dir.name == part)
        {
            at = (*tree, *meta);
            continue;
        }
        let found = listing
            .files
            .iter()
            .position(|(name, _)| name == part)
            .ok_or_else(no_such_path)?;
        if parts.peek().is_some() {
            return Err(CheckoutError::NotADirectory {
                path: path.to_owned(),
                file: part.to_owned(),
            });
        }
        let (name, id) = listing.files.swap_remove(found);
        return Ok(Target::File { name, id });
    }
    Ok(Target::Directory {
        tree: at.0,
        meta: at.1,
    })
}

/// Checks out what lies at `path` of `commit` as the directory `name` in `parent`.
///
/// A file is checked out into that directory under its own name. A crash leaves a part of the tree; the same call
/// with [`Overwrite::Union`] completes it.
///
/// # Errors
/// [`CheckoutError`]; what was written so far stays.
pub fn checkout(
    repo: &Repo,
    target: &Target,
    parent: &Dir,
    name: &str,
    options: &CheckoutOptions<'_>,
    sink: &dyn Sink,
) -> Result<CheckoutStats, CheckoutError> {
    check_devices(repo, parent, options)?;
    check_links(repo.mode(), options)?;
    sink.event(Event::Begin {
        phase: Phase::Checkout,
        objects: None,
        bytes: None,
    });
    let work = directory::Work::new(repo, options, sink)?;
    match target {
        Target::Directory { tree, meta } => {
            let (created, path) = work.prepare_root(parent, name)?;
            let job = directory::Job {
                parent: Arc::new(parent.try_clone()?),
                name: name.to_owned(),
                path,
                created,
                tree: *tree,
                meta: *meta,
            };
            workers::run(&work, job)?;
        }
        Target::File { name: file, id } => {
            // A directory that is there may take a file in every mode; the file itself must still be new.
            parent.ensure_dir(name, 0o700)?;
            work.place_file(&parent.open_dir(name)?, "/", file, *id)?;
        }
    }
    if options.fsync {
        parent.sync_file_system()?;
    }
    sink.event(Event::End {
        phase: Phase::Checkout,
    });
    Ok(work.stats())
}

fn check_devices(
    repo: &Repo,
    parent: &Dir,
    options: &CheckoutOptions<'_>,
) -> Result<(), CheckoutError> {
    if options.links == Links::Require
        && repo.objects().self_metadata()?.dev != parent.self_metadata()?.dev
    {
        return Err(CheckoutError::CannotLink {
            reason: "Unable to do hardlink checkout across devices",
        });
    }
    Ok(())
}

fn check_links(mode: RepoMode, options: &CheckoutOptions<'_>) -> Result<(), CheckoutError> {
    if options.labels.is_some() && options.links != Links::Copy {
        return Err(CheckoutError::CannotLink {
            reason: "A file that is labelled cannot be a hardlink",
        });
    }
    if options.links != Links::Require {
        return Ok(());
    }
    let reason = match (mode, options.ownership) {
        (RepoMode::Bare, Ownership::User) | (RepoMode::Archive | RepoMode::BareSplitXattrs, _) => {
            "Bare repository mode cannot hardlink in user checkout mode"
        }
        (RepoMode::BareUser, Ownership::Commit) => {
            "User repository mode requires user checkout mode to hardlink"
        }
        (RepoMode::Bare, Ownership::Commit)
        | (RepoMode::BareUser, Ownership::User)
        | (RepoMode::BareUserOnly, _) => {
            return Ok(());
        }
    };
    Err(CheckoutError::CannotLink { reason })
}
