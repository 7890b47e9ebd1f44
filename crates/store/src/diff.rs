//! What differs between two trees: two commits, a commit and a directory, two directories.
//!
//! Trees of commits are compared by the names of their objects, so that what both share is not even read.

use std::cmp::Ordering;
use std::io::Read;

use ostler_format::{
    DirMeta, DirMetaId, DirTreeId, DirTreeRef, FileHeader, FileId, ObjectName, Xattrs,
};
use ostler_fs::{Dir, FileType, Metadata};

use crate::error::StoreError;
use crate::object::{FileObject, MAX_XATTRS};
use crate::repo::Repo;

/// The size of the buffer that files are hashed through.
const BUFFER: usize = 128 * 1024;

/// What happened to a path between the first tree and the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Content, kind, owner, mode or xattrs differ.
    Modified,
    /// Only the first tree has it; what is below a directory is not listed.
    Removed,
    /// Only the second tree has it; what is below a directory is listed, too.
    Added,
}

impl ChangeKind {
    /// The letter that stands for it in lists.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Modified => 'M',
            Self::Removed => 'D',
            Self::Added => 'A',
        }
    }
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The path within the tree: with a `/` before it if it was found in a commit, without one if in a directory (as ostree
    /// lists them). What is in both is shown as the first tree has it.
    pub path: String,
}

/// How files of directories are read, and what is compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Leave xattrs out of the comparison.
    pub ignore_xattrs: bool,
    /// Take this owner for the files of directories.
    pub owner_uid: Option<u32>,
    /// Take this group for the files of directories.
    pub owner_gid: Option<u32>,
}

/// One of the two trees.
#[derive(Debug)]
pub enum Side<'r> {
    /// A directory of a commit.
    Commit {
        /// Where its objects are.
        repo: &'r Repo,
        /// Its listing.
        tree: DirTreeId,
        /// Its owner, mode and xattrs.
        meta: DirMetaId,
    },
    /// A directory of the file system.
    Directory(Dir),
}

/// Compares two trees; the changes come with files before directories, each in the order of names.
///
/// # Errors
/// [`StoreError`] if an object or a file cannot be read.
pub fn diff(
    first: &Side<'_>,
    second: &Side<'_>,
    options: DiffOptions,
) -> Result<Vec<Change>, StoreError> {
    let mut differ = Differ {
        options,
        changes: Vec::new(),
    };
    differ.compare_dirs(first, second, "")?;
    for change in &mut differ.changes {
        let side = if change.kind == ChangeKind::Added {
            second
        } else {
            first
        };
        if matches!(side, Side::Directory(_)) {
            change.path.remove(0);
        }
    }
    Ok(differ.changes)
}

struct Differ {
    options: DiffOptions,
    changes: Vec<Change>,
}

/// An entry of a listing; what it costs to compare is done only when it must be.
enum Entry<'r> {
    File(FileSide<'r>),
    Dir(Side<'r>, DirMeta),
}

/// A file on one side.
enum FileSide<'r> {
    Object(&'r Repo, FileId),
    OnDisk(Dir, String, Metadata),
}

struct Listing<'r> {
    files: Vec<(String, Entry<'r>)>,
    dirs: Vec<(String, Entry<'r>)>,
}

impl Differ {
    fn compare_dirs(
        &mut self,
        first: &Side<'_>,
        second: &Side<'_>,
        path: &str,
    ) -> Result<(), StoreError> {
        if let (Side::Commit { tree: a, .. }, Side::Commit { tree: b, .. }) = (first, second)
            && a == b
        {
            return Ok(());
        }
        let (first, second) = (self.list(first)?, self.list(second)?);
        let before: Vec<_> = first.files.into_iter().chain(first.dirs).collect();
        let mut after: Vec<_> = second.files.into_iter().chain(second.dirs).collect();
        let mut by_name: Vec<usize> = (0..after.len()).collect();
        by_name.sort_by(|a, b| after[*a].0.cmp(&after[*b].0));
        let mut seen = vec![false; after.len()];
        for (name, entry) in before {
            let path = format!("{path}/{name}");
            match by_name.binary_search_by(|at| after[*at].0.cmp(&name)) {
                Err(_) => self.push(ChangeKind::Removed, path),
                Ok(found) => {
                    seen[by_name[found]] = true;
                    self.compare_entries(entry, &after[by_name[found]].1, path)?;
                }
            }
        }
        for (at, (name, entry)) in after.drain(..).enumerate() {
            if !seen[at] {
                self.add(&format!("{path}/{name}"), &entry)?;
            }
        }
        Ok(())
    }

    fn compare_entries(
        &mut self,
        before: Entry<'_>,
        after: &Entry<'_>,
        path: String,
    ) -> Result<(), StoreError> {
        match (before, after) {
            (Entry::File(a), Entry::File(b)) => {
                if !self.same_file(&a, b)? {
                    self.push(ChangeKind::Modified, path);
                }
            }
            (Entry::Dir(a, a_meta), Entry::Dir(b, b_meta)) => {
                if !self.same_meta(a_meta, b_meta) {
                    self.push(ChangeKind::Modified, path.clone());
                }
                self.compare_dirs(&a, b, &path)?;
            }
            _ => self.push(ChangeKind::Modified, path),
        }
        Ok(())
    }

    fn add(&mut self, path: &str, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.push(ChangeKind::Added, path.to_owned());
        if let Entry::Dir(side, _) = entry {
            let listing = self.list(side)?;
            for (name, entry) in listing.files.iter().chain(&listing.dirs) {
                self.add(&format!("{path}/{name}"), entry)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: ChangeKind, path: String) {
        self.changes.push(Change { kind, path });
    }

    fn list<'r>(&self, side: &Side<'r>) -> Result<Listing<'r>, StoreError> {
        match side {
            Side::Commit { repo, tree, .. } => list_commit(repo, *tree),
            Side::Directory(dir) => self.list_directory(dir),
        }
    }

    fn list_directory(&self, dir: &Dir) -> Result<Listing<'static>, StoreError> {
        let mut listing = Listing {
            files: Vec::new(),
            dirs: Vec::new(),
        };
        for entry in dir.entries()?.iter() {
            let name = entry.str_name().ok_or_else(|| StoreError::NameNotUtf8 {
                name: entry.os_name().to_string_lossy().into_owned(),
            })?;
            let stat = dir.metadata(name)?;
            if stat.is_dir() {
                let inner = dir.open_dir(name)?;
                let meta = DirMeta {
                    uid: self.options.owner_uid.unwrap_or(stat.uid),
                    gid: self.options.owner_gid.unwrap_or(stat.gid),
                    mode: stat.mode,
                    xattrs: xattrs(ostler_fs::xattr::all(&inner, MAX_XATTRS)?)?,
                };
                listing
                    .dirs
                    .push((name.to_owned(), Entry::Dir(Side::Directory(inner), meta)));
            } else {
                let file = FileSide::OnDisk(dir.try_clone()?, name.to_owned(), stat);
                listing.files.push((name.to_owned(), Entry::File(file)));
            }
        }
        Ok(listing)
    }

    fn same_meta(&self, mut a: DirMeta, b: &DirMeta) -> bool {
        if self.options.ignore_xattrs {
            a.xattrs = b.xattrs.clone();
        }
        a == *b
    }

    fn same_file(&self, a: &FileSide<'_>, b: &FileSide<'_>) -> Result<bool, StoreError> {
        if let (FileSide::Object(_, a), FileSide::Object(_, b)) = (a, b)
            && (a == b || !self.options.ignore_xattrs)
        {
            return Ok(a == b);
        }
        Ok(self.identity(a)? == self.identity(b)?)
    }

    /// The id that the file has, or would have as an object under the options.
    fn identity(&self, file: &FileSide<'_>) -> Result<FileId, StoreError> {
        match file {
            FileSide::Object(_, id) if !self.options.ignore_xattrs => Ok(*id),
            FileSide::Object(repo, id) => {
                let FileObject { mut header, .. } = repo.open_file_object(*id)?;
                header.xattrs = Xattrs::new();
                hash(&header, &mut repo.open_file_object(*id)?)
            }
            FileSide::OnDisk(dir, name, stat) => self.identity_on_disk(dir, name, stat),
        }
    }

    fn identity_on_disk(
        &self,
        dir: &Dir,
        name: &str,
        stat: &Metadata,
    ) -> Result<FileId, StoreError> {
        let mut header = FileHeader {
            uid: self.options.owner_uid.unwrap_or(stat.uid),
            gid: self.options.owner_gid.unwrap_or(stat.gid),
            mode: stat.mode,
            symlink_target: String::new(),
            xattrs: Xattrs::new(),
        };
        if !self.options.ignore_xattrs {
            header.xattrs = xattrs(dir.xattrs(name, MAX_XATTRS)?)?;
        }
        match stat.file_type {
            FileType::Symlink => {
                let target = String::from_utf8(dir.read_link(name)?);
                header.symlink_target = target.map_err(|_| StoreError::NameNotUtf8 {
                    name: name.to_owned(),
                })?;
                Ok(header.file_id_of_symlink()?)
            }
            FileType::Regular => hash(&header, &mut dir.open_regular(name)?.0),
            _ => Err(StoreError::NotAFile {
                path: name.to_owned(),
            }),
        }
    }
}

fn list_commit(repo: &Repo, tree: DirTreeId) -> Result<Listing<'_>, StoreError> {
    let name = ObjectName::from(tree);
    let bytes = repo.read_metadata(&name)?;
    let listing =
        DirTreeRef::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
    let files = listing.files();
    let mut dirs = Vec::new();
    for dir in listing.dirs() {
        let side = Side::Commit {
            repo,
            tree: dir.tree,
            meta: dir.meta,
        };
        dirs.push((
            dir.name.to_owned(),
            Entry::Dir(side, repo.read_dirmeta(dir.meta)?),
        ));
    }
    Ok(Listing {
        files: files
            .map(|file| {
                (
                    file.name.to_owned(),
                    Entry::File(FileSide::Object(repo, file.id)),
                )
            })
            .collect(),
        dirs,
    })
}

fn xattrs(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Xattrs, StoreError> {
    Ok(Xattrs::from_pairs(pairs)?)
}

fn hash(header: &FileHeader, content: &mut dyn Read) -> Result<FileId, StoreError> {
    if header.is_symlink() {
        return Ok(header.file_id_of_symlink()?);
    }
    let (checksum, _) = header
        .hasher()?
        .finish_with(content, &mut vec![0; BUFFER])
        .map_err(|error| StoreError::io("reading a file to compare", error))?;
    Ok(FileId::new(checksum))
}

/// Orders changes as lists show them: modified, removed, added, each as they were found.
#[must_use]
pub fn list_order(a: &Change, b: &Change) -> Ordering {
    a.kind.cmp(&b.kind)
}

/// How many objects two commits have, and share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SharedObjects {
    /// Objects of the first.
    pub first: u64,
    /// Objects of the second.
    pub second: u64,
    /// Objects of both.
    pub common: u64,
    /// Their bytes on disk.
    pub common_bytes: u64,
}

/// Counts the objects that two commits share.
///
/// # Errors
/// [`StoreError::ObjectMissing`] if a commit is not whole.
pub fn shared_objects(
    repo: &Repo,
    first: ostler_format::CommitId,
    second: ostler_format::CommitId,
) -> Result<SharedObjects, StoreError> {
    use crate::reachable::{Depth, Missing, Reachable};
    let objects_of = |id| {
        let mut reachable = Reachable::new(repo, Missing::Error);
        reachable
            .add_commit(id, Depth::Parents(0))
            .map(|()| reachable.into_set())
    };
    let (a, b) = (objects_of(first)?, objects_of(second)?);
    let mut shared = SharedObjects {
        first: a.len() as u64,
        second: b.len() as u64,
        common: 0,
        common_bytes: 0,
    };
    for name in a.iter().filter(|name| b.contains(name)) {
        shared.common += 1;
        shared.common_bytes += repo.object_size_on_disk(&name)?;
    }
    Ok(shared)
}
