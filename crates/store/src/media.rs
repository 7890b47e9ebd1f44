//! Copying refs of collections to a removable medium, in the layout in which others find them there.
//!
//! ```text
//! .ostree/repo/                         the repository, unless another place was asked for
//! .ostree/repos.d/NN-generated          a relative symlink to a repository in another place
//! ```

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use ostler_format::{CollectionId, CommitId};
use ostler_fs::{Dir, FsError};

use crate::collections::CollectionRef;
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::progress::Sink;
use crate::pull::{PullError, PullOptions, PullTarget, pull_local};
use crate::repo::Repo;

/// Where finders look first.
pub const DEFAULT_DESTINATION: &str = ".ostree/repo";
/// Places that need no symlink.
const FOUND_ANYWAY: &[&str] = &[DEFAULT_DESTINATION, "ostree/repo"];
const REPOS: &str = ".ostree/repos.d";
/// Names that are tried for a symlink.
const MAX_LINKS: u32 = 100;

/// What is copied, and where to.
#[derive(Clone, Debug)]
pub struct MediaOptions {
    /// The refs.
    pub refs: Vec<CollectionRef>,
    /// The commit of the only ref, instead of the one that it points to.
    pub commit: Option<CommitId>,
    /// The repository's path on the medium.
    pub destination: PathBuf,
    /// Whether anything is synced; `None` follows the medium's repository.
    pub fsync: Option<bool>,
}

/// A medium that was not written, or only in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// A repository failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Copying failed.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The repository would not be on the medium.
    #[error("--destination-repo must be a descendent of MOUNT-PATH: `{path}` is not")]
    Outside {
        /// As it was given.
        path: PathBuf,
    },
    /// The repository on the medium is the one that is copied from.
    #[error("--destination-repo must not be the source repository")]
    Same,
    /// A commit was named, and several refs.
    #[error("a commit can be named for a single ref only")]
    CommitOfSeveral,
    /// All names for symlinks are taken.
    #[error("could not find an unused name for the repository in `{REPOS}`")]
    NoName,
}

impl From<FsError> for MediaError {
    fn from(error: FsError) -> Self {
        Self::Store(error.into())
    }
}

impl MediaError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Pull(error) => error.hint(),
            Self::NoName => Some(format!("remove symlinks in `{REPOS}` that lead nowhere")),
            _ => None,
        }
    }
}

/// Copies refs with their newest commits from `source` to the medium mounted at `mount`.
///
/// The refs are written as those of mirrors, and the summary is made anew. Copying again adds to what is there. A crash leaves
/// the refs on the medium as they were, or as they shall be.
///
/// # Errors
/// [`MediaError`].
pub fn copy_to_medium(
    source: &Repo,
    mount: &Path,
    options: &MediaOptions,
    sink: &dyn Sink,
) -> Result<(), MediaError> {
    if options.commit.is_some() && options.refs.len() != 1 {
        return Err(MediaError::CommitOfSeveral);
    }
    // Before the medium is touched: a ref that is not here is a mistake in the command.
    let wanted = wanted(source, options)?;
    let medium = Dir::open_ambient(mount)?;
    let (path, repo) = open_or_create(&medium, &options.destination)?;
    if repo.dir().self_metadata()?.dev_ino() == source.dir().self_metadata()?.dev_ino() {
        return Err(MediaError::Same);
    }
    for (collection, targets) in wanted {
        let options = PullOptions {
            targets,
            mirror: true,
            collection: Some(collection),
            fsync: options.fsync,
            ..PullOptions::default()
        };
        pull_local(&repo, source, None, &options, sink)?;
    }
    crate::summary::regenerate(&repo, &ostler_format::Metadata::new())?;
    if !FOUND_ANYWAY.contains(&path.as_str()) {
        link(&medium, &path, &repo)?;
    }
    Ok(())
}

fn wanted(
    source: &Repo,
    options: &MediaOptions,
) -> Result<BTreeMap<CollectionId, Vec<PullTarget>>, StoreError> {
    let mut wanted: BTreeMap<CollectionId, Vec<PullTarget>> = BTreeMap::new();
    for named in &options.refs {
        let commit = match options.commit {
            Some(commit) => commit,
            None => source.resolve_collection_ref(named)?,
        };
        let targets = wanted.entry(named.collection.clone()).or_default();
        targets.push(PullTarget::RefAt(named.name.clone(), commit));
    }
    Ok(wanted)
}

/// Opens the repository on the medium, or makes one; returns its path on the medium, too.
fn open_or_create(medium: &Dir, destination: &Path) -> Result<(String, Repo), MediaError> {
    let outside = || MediaError::Outside {
        path: destination.to_owned(),
    };
    let mut parts = Vec::new();
    for component in destination.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(outside)?),
            _ => return Err(outside()),
        }
    }
    if parts.is_empty() {
        return Err(outside());
    }
    let path = parts.join("/");
    let dir = medium.create_dir_all(path.as_str(), 0o755)?;
    if dir.self_metadata()?.dev != medium.self_metadata()?.dev {
        return Err(outside());
    }
    let shown = dir.shown_path();
    if dir.exists("config")? {
        return Ok((path, Repo::open(shown)?));
    }
    // Any file system can keep this one, and whoever finds it need not own the files.
    Ok((path, Repo::create(shown, RepoMode::Archive, None)?))
}

/// Puts a symlink to the repository where finders look, unless one is there.
fn link(medium: &Dir, path: &str, repo: &Repo) -> Result<(), MediaError> {
    let links = medium.create_dir_all(REPOS, 0o755)?;
    let own = repo.dir().self_metadata()?.dev_ino();
    for entry in links.entries()?.iter() {
        let Some(name) = entry.str_name() else {
            continue;
        };
        let led_to = medium.open_dir_in_root_optional(format!("{REPOS}/{name}"));
        if let Ok(Some(dir)) = led_to
            && dir.self_metadata()?.dev_ino() == own
        {
            return Ok(());
        }
    }
    for number in 0..MAX_LINKS {
        match links.symlink(format!("../../{path}"), format!("{number:02}-generated")) {
            Ok(()) => return Ok(()),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(MediaError::NoName)
}
