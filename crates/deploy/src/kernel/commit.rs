//! The kernel of a commit that is not checked out: what `/boot` will need of it is known before anything is written.

use std::io::Read as _;

use ostler_format::{Checksum, CommitId, DirTree, FileId, Hasher};
use ostler_store::checkout::{self, CheckoutError, Target};
use ostler_store::{Repo, StoreError};

use super::rules::{self, KernelLayout, Listed};
use super::{DeviceTrees, KernelError, LookForDeviceTrees, MAX_DEPTH, rounded};

/// A kernel with what belongs to it, in a commit.
#[derive(Debug)]
pub struct CommitKernel<'r> {
    repo: &'r Repo,
    directory: DirTree,
    layout: KernelLayout,
}

impl<'r> CommitKernel<'r> {
    /// Finds the kernel of a commit by its directories alone.
    ///
    /// # Errors
    /// [`KernelError::NotFound`] if it has none.
    pub fn find(
        repo: &'r Repo,
        commit: CommitId,
        look: LookForDeviceTrees,
    ) -> Result<Self, KernelError> {
        let layout = rules::find(
            &mut |path| Ok(directory(repo, commit, path)?.map(|tree| listing(&tree))),
            look,
        )?;
        let directory = directory(repo, commit, &layout.directory)?.ok_or(KernelError::NotFound)?;
        Ok(Self {
            repo,
            directory,
            layout,
        })
    }

    /// Returns the absolute paths of the files and of the directory of device trees.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let directory = self.layout.device_tree_directory();
        let names = self
            .layout
            .files()
            .chain(directory)
            .map(|file| &file.source);
        names
            .map(|name| format!("/{}/{name}", self.layout.directory))
            .collect()
    }

    /// Returns what the files take on a file system with blocks of `block_bytes`; only their headers are read.
    ///
    /// # Errors
    /// [`KernelError::Store`] if one is not in the repository.
    pub fn size(&self, block_bytes: u64) -> Result<u64, KernelError> {
        let mut total = 0_u64;
        let mut add = |id| -> Result<(), KernelError> {
            let size = self.repo.open_file_object(id)?.size;
            total = total.saturating_add(rounded(size, block_bytes));
            Ok(())
        };
        for file in self.layout.files() {
            add(self.file(&file.source)?)?;
        }
        if let Some(directory) = self.layout.device_tree_directory() {
            for id in self.files_below(self.subdirectory(&self.directory, &directory.source)?, 0)? {
                add(id)?;
            }
        }
        Ok(total)
    }

    /// As [`Kernel::bootcsum`](super::Kernel::bootcsum): the files are read, unless their names say it.
    ///
    /// # Errors
    /// [`KernelError::Store`] if one is not in the repository.
    pub fn bootcsum(&self) -> Result<Checksum, KernelError> {
        if let Some(bootcsum) = self.layout.named_bootcsum {
            return Ok(bootcsum);
        }
        let mut hasher = Hasher::new();
        let mut ids = vec![self.file(&self.layout.kernel.source)?];
        if let Some(initramfs) = &self.layout.initramfs {
            ids.push(self.file(&initramfs.source)?);
        }
        match &self.layout.device_trees {
            DeviceTrees::None => {}
            DeviceTrees::File(file) => ids.push(self.file(&file.source)?),
            DeviceTrees::Directory(directory) => {
                ids.extend(
                    self.files_below(self.subdirectory(&self.directory, &directory.source)?, 0)?,
                );
            }
        }
        for id in ids {
            self.hash(id, &mut hasher)?;
        }
        Ok(hasher.finish())
    }

    fn hash(&self, id: FileId, hasher: &mut Hasher) -> Result<(), KernelError> {
        let mut object = self.repo.open_file_object(id)?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let length = object
                .read(&mut buffer)
                .map_err(|source| StoreError::io(format!("reading `{id}`"), source))?;
            match length {
                0 => return Ok(()),
                length => hasher.update(&buffer[..length]),
            }
        }
    }

    fn file(&self, name: &str) -> Result<FileId, KernelError> {
        let found = self.directory.files.iter().find(|(found, _)| found == name);
        found.map(|(_, id)| *id).ok_or(KernelError::NotFound)
    }

    fn subdirectory(&self, tree: &DirTree, name: &str) -> Result<DirTree, KernelError> {
        let found = tree.dirs.iter().find(|entry| entry.name == name);
        Ok(self
            .repo
            .read_dirtree(found.ok_or(KernelError::NotFound)?.tree)?)
    }

    /// Files and directories in one order, by their names' bytes, as a checkout's device trees are hashed.
    fn files_below(&self, tree: DirTree, depth: usize) -> Result<Vec<FileId>, KernelError> {
        if depth > MAX_DEPTH {
            return Err(KernelError::TooDeep { limit: MAX_DEPTH });
        }
        let mut names: Vec<(&str, Option<FileId>)> = tree
            .files
            .iter()
            .map(|(name, id)| (name.as_str(), Some(*id)))
            .collect();
        names.extend(tree.dirs.iter().map(|entry| (entry.name.as_str(), None)));
        names.sort_unstable();
        let mut ids = Vec::new();
        for (name, id) in names {
            match id {
                Some(id) => ids.push(id),
                None => ids.extend(self.files_below(self.subdirectory(&tree, name)?, depth + 1)?),
            }
        }
        Ok(ids)
    }
}

fn directory(repo: &Repo, commit: CommitId, path: &str) -> Result<Option<DirTree>, KernelError> {
    match checkout::find(repo, commit, path) {
        Ok(Target::Directory { tree, .. }) => Ok(Some(repo.read_dirtree(tree)?)),
        Ok(Target::File { .. }) | Err(CheckoutError::NoSuchPath { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Symlinks count as files here; a kernel that is one is found out when it is installed.
fn listing(tree: &DirTree) -> Vec<Listed> {
    let files = tree.files.iter().map(|(name, _)| Listed {
        name: name.clone(),
        is_dir: false,
        is_file: true,
    });
    let dirs = tree.dirs.iter().map(|entry| Listed {
        name: entry.name.clone(),
        is_dir: true,
        is_file: false,
    });
    files.chain(dirs).collect()
}
