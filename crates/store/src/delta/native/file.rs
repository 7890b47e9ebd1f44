//! A delta's file, in a repository or anywhere.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use ostler_format::delta::{DeltaGroup, DeltaName, NATIVE_HEAD, NativeDelta};
use ostler_fs::{Dir, Trusted};

use super::{OldObjects, catalog};
use crate::delta::DeltaError;
use crate::delta::generate::folder_and_name;
use crate::error::StoreError;
use crate::pack::{Framing, Group};
use crate::repo::Repo;

/// A delta whose index has been read.
pub struct NativeFile {
    pub(super) file: File,
    /// What its index says.
    pub delta: NativeDelta,
    /// Bytes of the index.
    pub index_size: u64,
    /// Bytes of the file.
    pub size: u64,
}

impl NativeFile {
    /// Opens a delta of a repository.
    ///
    /// # Errors
    /// [`DeltaError::Absent`], [`DeltaError::Native`].
    pub fn of_repo(repo: &Repo, name: &DeltaName) -> Result<Self, DeltaError> {
        let absent = || DeltaError::Absent { name: *name };
        let list = catalog::read(repo, name.to)?.deltas;
        let entry = list.iter().find(|entry| Some(entry.from) == name.from);
        let path = entry.ok_or_else(absent)?.path();
        let opened = repo.dir().open_regular_optional(Trusted(&path));
        let (file, _) = opened.map_err(StoreError::from)?.ok_or_else(absent)?;
        let native = Self::read(file, &path)?;
        native.ok_or_else(|| not_one(&path, "it does not begin as one"))
    }

    /// Opens the file at `path`; `None` if it is a directory, or a file that does not begin as a native delta.
    ///
    /// # Errors
    /// [`DeltaError::NoFile`], [`DeltaError::Native`].
    pub fn at_path(path: &Path) -> Result<Option<Self>, DeltaError> {
        if path.is_dir() {
            return Ok(None);
        }
        let shown = path.display().to_string();
        let (folder, name) = folder_and_name(path)?;
        let opened = Dir::open_regular_optional(&folder, &*name).map_err(StoreError::from)?;
        match opened {
            Some((file, _)) => Self::read(file, &shown),
            None => Err(DeltaError::NoFile { path: shown }),
        }
    }

    fn read(file: File, path: &str) -> Result<Option<Self>, DeltaError> {
        let failed = |error| StoreError::io(format!("reading `{path}`"), error);
        let size = ostler_fs::file::metadata(&file)
            .map_err(StoreError::from)?
            .size;
        let mut head = [0; NATIVE_HEAD];
        if size < head.len() as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut head, 0).map_err(failed)?;
        let Some(index_size) = NativeDelta::index_size(&head) else {
            return Ok(None);
        };
        if index_size > size {
            return Err(not_one(path, "it ends within its index"));
        }
        let mut index = vec![0; usize::try_from(index_size).unwrap_or(0)];
        file.read_exact_at(&mut index, 0).map_err(failed)?;
        let delta = NativeDelta::parse(&index).map_err(|error| not_one(path, error))?;
        let packed: u64 = delta.groups.iter().map(DeltaGroup::packed).sum();
        if index_size + packed != size {
            return Err(not_one(path, "it is shorter or longer than its index says"));
        }
        Ok(Some(Self {
            file,
            delta,
            index_size,
            size,
        }))
    }

    /// Its groups, for whom has the old objects.
    pub(super) fn groups(&self, repo: &Repo) -> Result<Vec<Group>, StoreError> {
        let old = OldObjects::of(repo, self.delta.sources.clone())?;
        Ok(groups(self.delta.groups.clone(), self.index_size, &old))
    }
}

fn not_one(path: &str, problem: impl ToString) -> DeltaError {
    DeltaError::Native {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

/// A delta's groups as they lie in its file.
pub(crate) fn groups(
    groups: Vec<DeltaGroup>,
    index_size: u64,
    old: &Arc<OldObjects>,
) -> Vec<Group> {
    let mut offset = index_size;
    let place = |group: DeltaGroup| {
        let packed = group.packed();
        let placed = Group {
            offset,
            packed,
            members: group.members,
            framing: Framing::AfterOld(group.frames, Arc::clone(old)),
        };
        offset += packed;
        placed
    };
    groups.into_iter().map(place).collect()
}
