//! An opened repository.
//!
//! ```text
//! config  objects/xx/….{commit,dirtree,dirmeta,file|filez,commitmeta}  refs/{heads,remotes,mirrors}/
//! state/  ….commitpartial    tmp/  staging-<boot id>-…    extensions/    summary[.sig]    .lock
//! ```
//!
//! Everything is reached beneath the directory handle that [`Repo::open`] took; nothing here writes objects, which
//! is the work of a [`Transaction`](crate::Transaction).

use std::path::{Path, PathBuf};

use ostler_format::keyfile::KeyFileError;
use ostler_format::{CollectionId, KeyFile};
use ostler_fs::lock::{LockMode, LockStack};
use ostler_fs::{Dir, Durability, FsError};

use crate::config::{ConfigError, RepoConfig};
use crate::error::StoreError;
use crate::lock::{self, RepoLock};
use crate::mode::RepoMode;
use crate::pack::LeftOut;

/// How deep `core.parent` may nest.
const MAX_PARENT_DEPTH: usize = 8;

/// An opened repository; cheap to share between threads.
#[derive(Debug)]
pub struct Repo {
    dir: Dir,
    objects: Dir,
    path: PathBuf,
    config: RepoConfig,
    parent: Option<Box<Repo>>,
    locks: LockStack,
    pub(crate) left_out: LeftOut,
}

impl Repo {
    /// Opens the repository at `path`, and its parent chain.
    ///
    /// # Errors
    /// [`StoreError::NotARepository`] if `objects/` or `config` is absent, [`StoreError::Config`] if it cannot be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let dir = Dir::open_ambient(path)?;
        Self::from_dir(dir, path.to_owned(), 0)
    }

    /// Opens the repository whose directory is `dir`; `path` is used in messages only.
    ///
    /// # Errors
    /// As [`Repo::open`].
    pub fn open_dir(dir: Dir, path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::from_dir(dir, path.into(), 0)
    }

    fn from_dir(dir: Dir, path: PathBuf, depth: usize) -> Result<Self, StoreError> {
        if depth > MAX_PARENT_DEPTH {
            return Err(StoreError::ParentTooDeep {
                path,
                limit: MAX_PARENT_DEPTH,
            });
        }
        let Some(objects) = dir.open_dir_optional("objects")? else {
            return Err(StoreError::NotARepository {
                path,
                missing: "objects",
            });
        };
        let Some(text) = dir.read_optional("config", KeyFile::MAX_BYTES as u64)? else {
            return Err(StoreError::NotARepository {
                path,
                missing: "config",
            });
        };
        let file = KeyFile::parse(&text).map_err(crate::config::ConfigError::from)?;
        let config = RepoConfig::of_repository(file)?;
        let parent = match &config.parent {
            None => None,
            Some(parent) => {
                let parent = path.join(parent);
                let parent_dir = Dir::open_ambient(&parent)?;
                Some(Box::new(Self::from_dir(parent_dir, parent, depth + 1)?))
            }
        };
        // A repository without `tmp` is one that somebody tidied up; where it can't be made nothing is written either.
        let _ = dir.ensure_dir("tmp", 0o775);
        let locks = lock::stack(&dir)?;
        Ok(Self {
            dir,
            objects,
            path,
            config,
            parent,
            locks,
            left_out: LeftOut::default(),
        })
    }

    /// Makes a repository at `path`, or completes one that is there in the same mode.
    ///
    /// `config` is written last, so that a directory with a `config` is a whole repository.
    ///
    /// # Errors
    /// [`StoreError::OtherMode`] if `path` already is a repository of another mode.
    pub fn create(
        path: impl AsRef<Path>,
        mode: RepoMode,
        collection_id: Option<&CollectionId>,
    ) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let dir = create_ambient(path)?;
        for name in [
            "objects",
            "tmp",
            "extensions",
            "state",
            "refs",
            "refs/heads",
            "refs/mirrors",
            "refs/remotes",
        ] {
            dir.create_dir_all(name, 0o775)?;
        }
        if mode == RepoMode::Archive {
            dir.create_dir_all("tmp/cache", 0o775)?;
        }
        match dir.read_optional("config", KeyFile::MAX_BYTES as u64)? {
            None => {
                let text = RepoConfig::new_file(mode, collection_id).to_bytes();
                dir.write_atomic("config", &text, 0o644, Durability::Synced)?;
            }
            Some(_) => {
                let existing = Self::open(path)?;
                if existing.mode() != mode {
                    let found = existing.mode();
                    return Err(StoreError::OtherMode {
                        path: path.to_owned(),
                        found,
                        wanted: mode,
                    });
                }
            }
        }
        Self::open(path)
    }

    /// Replaces `config` and reads it again; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// [`StoreError::Config`] if the new file cannot be used; the old one stays.
    pub fn write_config(&mut self, file: KeyFile) -> Result<(), StoreError> {
        let text = file.to_bytes();
        let config = RepoConfig::of_repository(file)?;
        self.replace_file(&self.dir, "config", &text, Durability::Synced)?;
        self.config = config;
        Ok(())
    }

    /// Changes `config` as it is on disk by now: another process may have added a remote since the repository was opened.
    ///
    /// # Errors
    /// As [`Repo::write_config`], and what `change` returns.
    pub(crate) fn change_config(
        &mut self,
        change: impl FnOnce(&mut KeyFile) -> Result<(), KeyFileError>,
    ) -> Result<(), StoreError> {
        let text = self.dir.read("config", KeyFile::MAX_BYTES as u64)?;
        let mut file = KeyFile::parse(&text).map_err(ConfigError::from)?;
        change(&mut file).map_err(ConfigError::from)?;
        self.write_config(file)
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> RepoMode {
        self.config.mode
    }

    /// The typed `config`.
    #[must_use]
    pub fn config(&self) -> &RepoConfig {
        &self.config
    }

    /// The repository's directory.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// `objects/`.
    #[must_use]
    pub fn objects(&self) -> &Dir {
        &self.objects
    }

    /// The path it was opened by, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The repository that `core.parent` names.
    #[must_use]
    pub fn parent(&self) -> Option<&Repo> {
        self.parent.as_deref()
    }

    /// Whether this process may write to it: a read-only file system or missing permission gives false.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.objects.is_writable()
    }

    /// Takes the lock that readers-and-adders share (held while a transaction runs).
    ///
    /// # Errors
    /// [`StoreError::Lock`] when `core.lock-timeout-secs` has passed.
    pub fn lock_shared(&self) -> Result<RepoLock, StoreError> {
        lock::acquire(&self.locks, &self.config, LockMode::Shared)
    }

    /// Takes the lock that excludes every transaction (held while objects are deleted).
    ///
    /// # Errors
    /// As [`Repo::lock_shared`].
    pub fn lock_exclusive(&self) -> Result<RepoLock, StoreError> {
        lock::acquire(&self.locks, &self.config, LockMode::Exclusive)
    }

    /// How written files are made durable when nothing else was asked for.
    #[must_use]
    pub fn durability(&self) -> Durability {
        if self.config.fsync {
            Durability::Synced
        } else {
            Durability::Cached
        }
    }

    /// Opens a directory beneath the repository, `None` if it is absent.
    pub(crate) fn open_dir_optional(&self, path: &str) -> Result<Option<Dir>, FsError> {
        self.dir.open_dir_beneath_optional(path)
    }
}

fn create_ambient(path: &Path) -> Result<Dir, StoreError> {
    std::fs::create_dir_all(path)
        .map_err(|e| StoreError::io(format!("make directory `{}`", path.display()), e))?;
    Ok(Dir::open_ambient(path)?)
}
