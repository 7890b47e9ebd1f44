//! Removing what has been committed.
//!
//! Nothing is removed before the commit is durable: a crash leaves the source whole, or the commit made and the source
//! partly removed, never less than the two together had. What has changed since it was read stays.

use std::path::{Path, PathBuf};
use std::thread;

use ostler_fs::{Dir, Metadata, Timestamp};

use super::super::error::TreeError;

/// A source that has been committed and is to be removed.
#[derive(Debug)]
pub struct Consumed {
    path: PathBuf,
    root: Dir,
    dirs: Vec<ConsumedDir>,
    left_out: Vec<String>,
}

/// Gathers what the walker comes by.
#[derive(Debug, Default)]
pub(super) struct ConsumeLog {
    dirs: Vec<ConsumedDir>,
    left_out: Vec<String>,
}

#[derive(Debug)]
struct ConsumedDir {
    path: String,
    files: Vec<ConsumedFile>,
}

#[derive(Debug)]
struct ConsumedFile {
    name: Box<str>,
    ino: u64,
    size: u64,
    mtime: Timestamp,
}

impl ConsumeLog {
    pub(super) fn dir(&mut self, path: &str) {
        self.dirs.push(ConsumedDir {
            path: path.to_owned(),
            files: Vec::new(),
        });
    }

    /// A file of the directory that was entered last.
    pub(super) fn file(&mut self, name: &str, stat: &Metadata) {
        if let Some(dir) = self.dirs.last_mut() {
            dir.files.push(ConsumedFile {
                name: name.into(),
                ino: stat.ino,
                size: stat.size,
                mtime: stat.mtime,
            });
        }
    }

    pub(super) fn leave_out(&mut self, path: &str) {
        self.left_out.push(path.trim_start_matches('/').to_owned());
    }

    pub(super) fn into_consumed(self, path: &Path) -> Result<Consumed, TreeError> {
        Ok(Consumed {
            path: path.to_owned(),
            root: Dir::open_ambient(path)?,
            dirs: self.dirs,
            left_out: self.left_out,
        })
    }
}

impl Consumed {
    /// Removes the source; call it when the commit is there.
    ///
    /// Returns how many files stay because they are not as they were when they were read. Directories that still hold
    /// something stay, too.
    ///
    /// # Errors
    /// [`TreeError::Store`] if something cannot be removed; a second commit of the source goes on.
    pub fn remove(self) -> Result<u64, TreeError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = self.dirs.len().div_ceil(threads).max(1);
        let kept = thread::scope(|scope| {
            let workers: Vec<_> = self
                .dirs
                .chunks(share)
                .map(|dirs| scope.spawn(|| self.remove_files(dirs)))
                .collect();
            let mut kept = 0;
            for worker in workers {
                kept += worker.join().expect("removing a file does not panic")?;
            }
            Ok::<u64, TreeError>(kept)
        })?;
        for path in &self.left_out {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if !name.is_empty() {
                self.open(parent)?.remove_all(name)?;
            }
        }
        // Backwards: each directory comes before what is in it.
        for dir in self.dirs.iter().rev().filter(|dir| !dir.path.is_empty()) {
            let (parent, name) = dir.path.rsplit_once('/').unwrap_or(("", &dir.path));
            remove_if_empty(&self.open(parent)?, name)?;
        }
        self.remove_root()?;
        Ok(kept)
    }

    fn open(&self, path: &str) -> Result<Dir, TreeError> {
        Ok(self
            .root
            .open_dir_beneath(if path.is_empty() { "." } else { path })?)
    }

    fn remove_files(&self, dirs: &[ConsumedDir]) -> Result<u64, TreeError> {
        let mut kept = 0;
        for consumed in dirs.iter().filter(|dir| !dir.files.is_empty()) {
            let dir = self.open(&consumed.path)?;
            for file in &consumed.files {
                match dir.metadata_optional(&*file.name)? {
                    Some(stat) if file.is(&stat) => dir.unlink(&*file.name)?,
                    Some(_) => kept += 1,
                    None => {}
                }
            }
        }
        Ok(kept)
    }

    /// Removes the source directory itself, if it has a name by which that can be done.
    fn remove_root(&self) -> Result<(), TreeError> {
        let Some(name) = self.path.file_name() else {
            return Ok(());
        };
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        remove_if_empty(&Dir::open_ambient(parent)?, name)
    }
}

impl ConsumedFile {
    /// Whether the inode is the one that was read, as it was; one that became an object lost its mtime.
    fn is(&self, stat: &Metadata) -> bool {
        let reset = Timestamp {
            seconds: 0,
            nanoseconds: 0,
        };
        self.ino == stat.ino
            && self.size == stat.size
            && (self.mtime == stat.mtime || stat.mtime == reset)
    }
}

fn remove_if_empty(parent: &Dir, name: impl ostler_fs::Name) -> Result<(), TreeError> {
    match parent.remove_dir(name) {
        Ok(()) => Ok(()),
        Err(error)
            if error.is_not_found()
                || matches!(
                    error.kind(),
                    std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::NotADirectory
                ) =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
