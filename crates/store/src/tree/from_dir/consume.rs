//! Removing what has been committed.
//!
//! Nothing is removed before the commit is durable: a crash leaves the source whole, or the commit made and the source
//! partly removed, never less than the two together had. What has changed since it was read stays.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::unbounded;
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
        for path in &self.left_out {
            let (parent, name) = split(path);
            if !name.is_empty() {
                self.open(parent)?.remove_all(name)?;
            }
        }
        let kept = AtomicU64::new(0);
        let parents = self.parents();
        let mut names = vec![Vec::new(); self.dirs.len()];
        for (dir, parent) in self.dirs.iter().zip(&parents) {
            if let Some(parent) = parent {
                names[*parent].push(split(&dir.path).1);
            }
        }
        children_first(&parents, |index| {
            kept.fetch_add(self.empty(index, &names[index])?, Ordering::Relaxed);
            Ok(())
        })?;
        self.remove_root()?;
        Ok(kept.into_inner())
    }

    fn open(&self, path: &str) -> Result<Dir, TreeError> {
        Ok(self
            .root
            .open_dir_beneath(if path.is_empty() { "." } else { path })?)
    }

    /// For each directory the one that it is in; `None` for the root.
    fn parents(&self) -> Vec<Option<usize>> {
        let index: HashMap<&str, usize> = (self.dirs.iter().enumerate())
            .map(|(index, dir)| (dir.path.as_str(), index))
            .collect();
        self.dirs
            .iter()
            .map(|dir| match dir.path.as_str() {
                "" => None,
                path => index.get(split(path).0).copied(),
            })
            .collect()
    }

    /// Removes the files of a directory and its subdirectories, which have been emptied; returns how many files stay.
    fn empty(&self, index: usize, subdirectories: &[&str]) -> Result<u64, TreeError> {
        let consumed = &self.dirs[index];
        if consumed.files.is_empty() && subdirectories.is_empty() {
            return Ok(0);
        }
        let mut kept = 0;
        let dir = self.open(&consumed.path)?;
        for file in &consumed.files {
            match dir.metadata_optional(&*file.name)? {
                Some(stat) if file.is(&stat) => dir.unlink(&*file.name)?,
                Some(_) => kept += 1,
                None => {}
            }
        }
        for name in subdirectories {
            remove_if_empty(&dir, *name)?;
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

/// The parent (empty for the root) and the last name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Does `work` for each node of a forest on all processors, for a parent after all of its children; the first error ends it.
fn children_first(
    parents: &[Option<usize>],
    work: impl Fn(usize) -> Result<(), TreeError> + Sync,
) -> Result<(), TreeError> {
    if parents.is_empty() {
        return Ok(());
    }
    let waiting: Vec<_> = parents.iter().map(|_| AtomicUsize::new(0)).collect();
    for parent in parents.iter().flatten() {
        waiting[*parent].fetch_add(1, Ordering::Relaxed);
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (ready, next) = unbounded();
    for (index, children) in waiting.iter().enumerate() {
        if children.load(Ordering::Relaxed) == 0 {
            // The other end is held below until all is done.
            let _ = ready.send(Some(index));
        }
    }
    let left = AtomicUsize::new(parents.len());
    let end = || {
        while next.try_recv().is_ok() {}
        for _ in 0..threads {
            let _ = ready.send(None);
        }
    };
    let take = || -> Result<(), TreeError> {
        let _end = OnPanic(&end);
        while let Ok(Some(index)) = next.recv() {
            work(index).inspect_err(|_| end())?;
            if let Some(parent) = parents[index]
                && waiting[parent].fetch_sub(1, Ordering::AcqRel) == 1
            {
                let _ = ready.send(Some(parent));
            }
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                end();
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let own = take();
        others.into_iter().fold(own, |result, other| {
            result.and(other.join().expect("removing a file does not panic"))
        })
    })
}

/// Does its work if the thread panics while it is held: the others wait for what would never come.
struct OnPanic<'a>(&'a (dyn Fn() + Sync));

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// A root with 64 chains of two below it.
    fn forest() -> Vec<Option<usize>> {
        let chains = (1..=64).flat_map(|chain| [Some(0), Some(2 * chain - 1)]);
        [None].into_iter().chain(chains).collect()
    }

    #[test]
    fn children_come_before_their_parents_and_each_node_once() {
        let parents = forest();
        let done: Vec<_> = parents.iter().map(|_| AtomicUsize::new(0)).collect();
        children_first(&parents, |index| {
            let children = (0..parents.len()).filter(|child| parents[*child] == Some(index));
            for child in children {
                assert_eq!(done[child].load(Ordering::Relaxed), 1, "{child} of {index}");
            }
            done[index].fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn work_that_panics_ends_all_threads() {
        let parents = forest();
        let last = parents.len() - 1;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            children_first(&parents, |index| {
                assert_ne!(index, last, "the work panics here");
                Ok(())
            })
        }));
        assert!(ended.is_err(), "the panic is passed on");
    }
}
