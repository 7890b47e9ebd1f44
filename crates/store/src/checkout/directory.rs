//! One directory of a checkout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ostler_format::{DirMeta, DirMetaId, DirTreeId, DirTreeRef, FileId, ObjectName, Xattrs};
use ostler_fs::{Dir, FileType, Timestamp, file, xattr};

use super::cache::Cache;
use super::whiteout::{self, Whiteout};
use super::{
    CheckoutError, CheckoutOptions, CheckoutStats, Labelling, Links, Overwrite, Ownership,
};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
use crate::selinux::SELINUX_XATTR;

/// Modification time of directories, so that every checkout of a commit is the same.
const EPOCH: Timestamp = Timestamp {
    seconds: 0,
    nanoseconds: 0,
};

/// A directory to fill; it exists.
pub(super) struct Job {
    /// The directory that holds it.
    pub(super) parent: Arc<Dir>,
    /// Its name there.
    pub(super) name: String,
    /// Its path within the commit, with a `/` at the end.
    pub(super) path: String,
    /// Whether this checkout made it: then it gets the commit's metadata.
    pub(super) created: Created,
    pub(super) tree: DirTreeId,
    pub(super) meta: DirMetaId,
}

/// Whether a directory was made or was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    Yes,
    No,
}

/// What all jobs share.
pub(super) struct Work<'w> {
    pub(super) repo: &'w Repo,
    pub(super) options: &'w CheckoutOptions<'w>,
    pub(super) cache: Option<Cache>,
    sink: &'w dyn Sink,
    directories: AtomicU64,
    linked: AtomicU64,
    copied: AtomicU64,
    bytes: AtomicU64,
}

impl<'w> Work<'w> {
    pub(super) fn new(
        repo: &'w Repo,
        options: &'w CheckoutOptions<'w>,
        sink: &'w dyn Sink,
    ) -> Result<Self, CheckoutError> {
        Ok(Self {
            repo,
            options,
            cache: Cache::open(repo, options)?,
            sink,
            directories: AtomicU64::new(0),
            linked: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// Makes the destination, or takes the one that exists where that is allowed; returns the root's path too.
    pub(super) fn prepare_root(
        &self,
        parent: &Dir,
        name: &str,
    ) -> Result<(Created, String), CheckoutError> {
        Ok((self.make_dir(parent, name, "/")?, "/".to_owned()))
    }

    /// Fills one directory and returns the jobs of its subdirectories.
    pub(super) fn run(&self, job: Job) -> Result<Vec<Job>, CheckoutError> {
        let name = ObjectName::from(job.tree);
        let bytes = self.repo.read_metadata(&name)?;
        let listing =
            DirTreeRef::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
        let dir = Arc::new(job.parent.open_dir(&job.name)?);
        drop(job.parent);
        let mut placed = 0;
        if self.options.whiteouts
            && listing.file(whiteout::OPAQUE).is_some()
            && job.created == Created::No
        {
            dir.remove_contents()?;
        }
        for entry in listing.files() {
            if !self.skips(&job.path, entry.name) {
                self.place_entry(&dir, &job.path, entry.name, entry.id)?;
                placed += 1;
            }
        }
        let mut children = Vec::new();
        for entry in listing.dirs() {
            if self.skips(&job.path, &format!("{}/", entry.name)) {
                continue;
            }
            children.push(Job {
                created: self.make_dir(&dir, entry.name, &job.path)?,
                parent: Arc::clone(&dir),
                name: entry.name.to_owned(),
                path: format!("{}{}/", job.path, entry.name),
                tree: entry.tree,
                meta: entry.meta,
            });
        }
        if job.created == Created::Yes {
            self.apply_metadata(&dir, &job.path, job.meta)?;
        }
        self.sink.event(Event::Advance {
            phase: Phase::Checkout,
            objects: placed,
            bytes: 0,
        });
        Ok(children)
    }

    fn skips(&self, path: &str, name: &str) -> bool {
        self.options
            .skip
            .is_some_and(|skip| skip(&format!("{path}{name}")))
    }

    fn place_entry(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        match whiteout::recognize(name, self.options) {
            None => {
                if self.is_layer() && dir.metadata_optional(name)?.is_some_and(|it| it.is_dir()) {
                    dir.remove_all(name)?;
                }
                self.place_file(dir, path, name, id)
            }
            Some(Whiteout::Opaque) => Ok(()),
            Some(Whiteout::Removes(target)) => Ok(dir.remove_all(target).map(drop)?),
            Some(Whiteout::Device(target)) => self.place_device(dir, path, target, id),
        }
    }

    /// Whether the commit lies over what is there as a container image's layer does: of two kinds of files its own counts.
    fn is_layer(&self) -> bool {
        self.options.whiteouts && self.options.overwrite == Overwrite::Union
    }

    fn make_dir(&self, parent: &Dir, name: &str, path: &str) -> Result<Created, CheckoutError> {
        let in_the_way = |found| CheckoutError::InTheWay {
            path: format!("{path}{name}"),
            found,
        };
        // Nobody else may look in before the metadata is applied.
        match parent.create_dir(name, 0o700) {
            Ok(()) => {
                self.directories.fetch_add(1, Ordering::Relaxed);
                Ok(Created::Yes)
            }
            Err(error) if !error.is_already_exists() => Err(error.into()),
            Err(_) if self.options.overwrite == Overwrite::Refuse => {
                Err(in_the_way("not to be overwritten"))
            }
            Err(_) => match parent.metadata(name)?.file_type {
                FileType::Directory => Ok(Created::No),
                _ if self.is_layer() => {
                    parent.unlink_optional(name)?;
                    self.make_dir(parent, name, path)
                }
                FileType::Symlink => Err(in_the_way("a symlink, not a directory")),
                _ => Err(in_the_way("not a directory")),
            },
        }
    }

    fn apply_metadata(&self, dir: &Dir, path: &str, meta: DirMetaId) -> Result<(), CheckoutError> {
        let meta: DirMeta = self.repo.read_dirmeta(meta)?;
        if self.keeps_owner() {
            file::set_owner(dir, meta.uid, meta.gid)?;
        }
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        for (key, value) in self.xattrs(path, meta.mode, &meta.xattrs)?.iter() {
            xattr::set(dir, key, value)?;
        }
        let is_user_only = self.repo.mode() == crate::RepoMode::BareUserOnly;
        let mask = if self.options.canonical_dirs || is_user_only {
            0o775
        } else {
            0o7777
        };
        file::set_mode(dir, meta.mode & mask)?;
        if self.options.links != Links::Copy {
            file::set_times(dir, EPOCH)?;
        }
        Ok(())
    }

    /// Whether what is written gets the owner and the xattrs that the commit says.
    pub(super) fn keeps_owner(&self) -> bool {
        self.options.ownership == Ownership::Commit
            && self.repo.mode() != crate::RepoMode::BareUserOnly
    }

    /// The xattrs that what is written at `path` gets, without a slash at its end.
    pub(super) fn xattrs(
        &self,
        path: &str,
        mode: u32,
        committed: &Xattrs,
    ) -> Result<Xattrs, CheckoutError> {
        let mut xattrs = match self.keeps_owner() {
            true => committed.clone(),
            false => Xattrs::new(),
        };
        if let Some(Labelling { labels, prefix }) = self.options.labels {
            xattrs.retain(|name, _| name != SELINUX_XATTR);
            let path = match path {
                "/" if !prefix.is_empty() => prefix.to_owned(),
                path => format!("{prefix}{path}"),
            };
            labels.apply(&path, mode, &mut xattrs)?;
        }
        Ok(xattrs)
    }

    pub(super) fn count_link(&self) {
        self.linked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_copy(&self, bytes: u64) {
        self.copied.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CheckoutStats {
        CheckoutStats {
            directories: self.directories.load(Ordering::Relaxed),
            linked: self.linked.load(Ordering::Relaxed),
            copied: self.copied.load(Ordering::Relaxed),
            bytes_copied: self.bytes.load(Ordering::Relaxed),
        }
    }
}
