//! [`Tree`]: the files of a commit or of a directory, found by path as a process whose root it is would.

use std::io::{ErrorKind, Read};

use ostler_format::{CommitId, DirTree, DirTreeId, FileId};
use ostler_fs::{Dir, FsError};
use ostler_store::{Repo, StoreError};

/// As many symlinks are followed as the kernel follows.
const MAX_SYMLINKS: usize = 40;

/// A tree that can be looked into without checking it out.
#[derive(Clone, Copy)]
pub enum Tree<'a> {
    /// A commit's; of its objects those are read that are asked for.
    Commit {
        /// Where the objects are.
        repo: &'a Repo,
        /// Its root.
        root: DirTreeId,
    },
    /// A directory.
    Directory(&'a Dir),
}

/// A file of a tree.
pub struct TreeFile<'a> {
    /// Bytes of its content.
    pub size: u64,
    /// Its content.
    pub content: Box<dyn Read + 'a>,
}

/// A tree cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Its objects cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Its files cannot be read.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// A file's content cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A file is larger than any of its kind.
    #[error("it has {found} bytes, more than {max}")]
    TooLarge {
        /// Bytes that it has.
        found: u64,
        /// Bytes that are read.
        max: u64,
    },
}

impl TreeError {
    /// Whether it is that an object is not in the repository, as of a commit that was pulled in part.
    #[must_use]
    pub fn is_absent_object(&self) -> bool {
        matches!(self, Self::Store(StoreError::ObjectMissing { .. }))
    }
}

impl<'a> Tree<'a> {
    /// Returns a commit's tree.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn of_commit(repo: &'a Repo, id: CommitId) -> Result<Self, StoreError> {
        let root = repo.read_commit(id)?.tree;
        Ok(Self::Commit { repo, root })
    }

    /// Opens a regular file; `None` if nothing is there, or something else.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn open(&self, path: &str) -> Result<Option<TreeFile<'a>>, TreeError> {
        match self {
            Self::Directory(dir) => {
                let Some(file) = absent(dir.open_in_root_optional(path))? else {
                    return Ok(None);
                };
                Ok(Some(TreeFile {
                    size: file.metadata()?.len(),
                    content: Box::new(file),
                }))
            }
            Self::Commit { repo, root } => {
                let Some(Node::File(id)) = Walk::new(repo, *root)?.find(path)? else {
                    return Ok(None);
                };
                let object = repo.open_file_object(id)?;
                Ok(Some(TreeFile {
                    size: object.size,
                    content: Box::new(object),
                }))
            }
        }
    }

    /// Reads a whole file; `None` if none is there.
    ///
    /// # Errors
    /// [`TreeError::TooLarge`] if it has more than `max` bytes.
    pub fn read(&self, path: &str, max: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(file) = self.open(path)? else {
            return Ok(None);
        };
        if file.size > max {
            let found = file.size;
            return Err(TreeError::TooLarge { found, max });
        }
        let mut bytes = Vec::new();
        // A file of a directory may grow meanwhile.
        file.content.take(max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Lists the names of the files in a directory, sorted; `None` if there is no such directory.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn list(&self, path: &str) -> Result<Option<Vec<String>>, TreeError> {
        let mut names: Vec<String> = match self {
            Self::Directory(dir) => {
                let Some(dir) = absent(dir.open_dir_in_root_optional(path))? else {
                    return Ok(None);
                };
                let entries = dir.entries()?;
                let names = entries.iter().filter_map(|entry| entry.str_name());
                names.map(str::to_owned).collect()
            }
            Self::Commit { repo, root } => {
                let Some(Node::Directory(tree)) = Walk::new(repo, *root)?.find(path)? else {
                    return Ok(None);
                };
                tree.files.into_iter().map(|(name, _)| name).collect()
            }
        };
        names.sort();
        Ok(Some(names))
    }

    /// The repository that it is in.
    pub(crate) fn repo(&self) -> Option<&'a Repo> {
        match self {
            Self::Commit { repo, .. } => Some(repo),
            Self::Directory(_) => None,
        }
    }
}

/// Takes something of another type for nothing.
fn absent<T>(opened: Result<Option<T>, FsError>) -> Result<Option<T>, FsError> {
    match opened {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        opened => opened,
    }
}

/// What a path leads to; symlinks have been followed.
enum Node {
    File(FileId),
    Directory(DirTree),
}

/// A way through a commit's directories.
struct Walk<'a> {
    repo: &'a Repo,
    /// The directories from the root to where it is; never empty.
    above: Vec<DirTree>,
    /// Components that are still to be gone, the next one last.
    left: Vec<String>,
    symlinks: usize,
}

impl<'a> Walk<'a> {
    fn new(repo: &'a Repo, root: DirTreeId) -> Result<Self, StoreError> {
        Ok(Self {
            repo,
            above: vec![repo.read_dirtree(root)?],
            left: Vec::new(),
            symlinks: 0,
        })
    }

    fn find(mut self, path: &str) -> Result<Option<Node>, StoreError> {
        self.push(path);
        while let Some(name) = self.left.pop() {
            if name == ".." {
                // Above the root is the root.
                self.above.truncate((self.above.len() - 1).max(1));
                continue;
            }
            let here = self.above.last().expect("the root is never left");
            if let Some(dir) = here.dirs.iter().find(|dir| dir.name == name) {
                self.above.push(self.repo.read_dirtree(dir.tree)?);
                continue;
            }
            let Some((_, id)) = here.files.iter().find(|(file, _)| *file == name) else {
                return Ok(None);
            };
            let id = *id;
            let header = self.repo.open_file_object(id)?.header;
            if !header.is_symlink() {
                return Ok(self.left.is_empty().then_some(Node::File(id)));
            }
            self.symlinks += 1;
            if self.symlinks > MAX_SYMLINKS {
                return Ok(None);
            }
            if header.symlink_target.starts_with('/') {
                self.above.truncate(1);
            }
            self.push(&header.symlink_target);
        }
        Ok(self.above.pop().map(Node::Directory))
    }

    fn push(&mut self, path: &str) {
        let parts = path.split('/').rev();
        let parts = parts.filter(|part| !matches!(*part, "" | "."));
        self.left.extend(parts.map(str::to_owned));
    }
}
