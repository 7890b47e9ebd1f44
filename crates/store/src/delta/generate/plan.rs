//! Which objects a delta brings, and which old file each new one is like.

use std::collections::{HashMap, HashSet};

use ostler_format::{CommitId, DirTreeId, FileId, ObjectName};

use crate::error::StoreError;
use crate::repo::Repo;

/// Files below this length are not worth a source: the name of one takes 32 bytes.
const WORTH_A_SOURCE: u64 = 256;

/// What a delta brings, in the order of paths.
#[derive(Debug, Default)]
pub(in crate::delta) struct Wanted {
    pub(in crate::delta) metadata: Vec<ObjectName>,
    pub(in crate::delta) files: Vec<NewFile>,
    /// The old listings at the paths of new ones.
    pub(in crate::delta) old_trees: HashMap<DirTreeId, DirTreeId>,
    /// How many of the files have an old file at their path or of their name.
    pub(in crate::delta) modified: usize,
}

/// A content object that the old commit lacks.
#[derive(Clone, Copy, Debug)]
pub(in crate::delta) struct NewFile {
    pub(in crate::delta) id: FileId,
    /// Bytes of content; of a symlink, of its target.
    pub(in crate::delta) size: u64,
    pub(in crate::delta) is_symlink: bool,
    /// A regular file of the old commit that may be like it.
    pub(in crate::delta) old: Option<OldFile>,
}

/// A content object that both sides have.
#[derive(Clone, Copy, Debug)]
pub(in crate::delta) struct OldFile {
    pub(in crate::delta) id: FileId,
    pub(in crate::delta) size: u64,
}

/// Finds out what leads from one commit to another.
pub(in crate::delta) fn plan(
    repo: &Repo,
    from: Option<CommitId>,
    to: CommitId,
) -> Result<Wanted, StoreError> {
    let mut old = OldTree::default();
    if let Some(from) = from {
        old.read(repo, from)?;
    }
    let mut wanted = Wanted::default();
    let mut seen = HashSet::new();
    let root = repo.read_commit(to)?;
    let mut stack = vec![(String::new(), root.tree, root.meta)];
    while let Some((path, tree, meta)) = stack.pop() {
        let names = [ObjectName::from(meta), ObjectName::from(tree)];
        for name in names {
            if !old.objects.contains(&name) && seen.insert(name) {
                wanted.metadata.push(name);
            }
        }
        if old.objects.contains(&names[1]) {
            // All below it is there, too.
            continue;
        }
        if let Some(before) = old.trees.get(&path) {
            wanted.old_trees.entry(tree).or_insert(*before);
        }
        let listing = repo.read_dirtree(tree)?;
        for (name, id) in &listing.files {
            let object = ObjectName::from(*id);
            if old.objects.contains(&object) || !seen.insert(object) {
                continue;
            }
            let file = new_file(repo, &mut old, &format!("{path}/{name}"), *id)?;
            wanted.modified += usize::from(file.old.is_some());
            wanted.files.push(file);
        }
        for dir in listing.dirs.iter().rev() {
            stack.push((format!("{path}/{}", dir.name), dir.tree, dir.meta));
        }
    }
    Ok(wanted)
}

fn new_file(repo: &Repo, old: &mut OldTree, path: &str, id: FileId) -> Result<NewFile, StoreError> {
    let object = repo.open_file_object(id)?;
    let mut file = NewFile {
        id,
        size: object.size,
        is_symlink: object.is_symlink(),
        old: None,
    };
    if file.is_symlink {
        file.size = object.header.symlink_target.len() as u64;
    } else if file.size >= WORTH_A_SOURCE {
        file.old = old.like(repo, path, file.size)?;
    }
    Ok(file)
}

/// The old commit's objects, and its files by path and by name.
#[derive(Default)]
struct OldTree {
    objects: HashSet<ObjectName>,
    by_path: HashMap<String, FileId>,
    /// Listings by path.
    trees: HashMap<String, DirTreeId>,
    /// By [`stem`]: a new version of a library has another number.
    by_stem: HashMap<String, Vec<FileId>>,
    /// Bytes of content, `None` of a symlink, of files that were looked at.
    sizes: HashMap<FileId, Option<u64>>,
}

impl OldTree {
    fn read(&mut self, repo: &Repo, commit: CommitId) -> Result<(), StoreError> {
        let root = repo.read_commit(commit)?;
        let mut stack: Vec<(String, DirTreeId)> = vec![(String::new(), root.tree)];
        self.objects.insert(root.meta.into());
        while let Some((path, tree)) = stack.pop() {
            self.objects.insert(tree.into());
            let listing = repo.read_dirtree(tree)?;
            for (name, id) in listing.files {
                self.objects.insert(id.into());
                let same_stem = self.by_stem.entry(stem(&name)).or_default();
                same_stem.push(id);
                self.by_path.insert(format!("{path}/{name}"), id);
            }
            for dir in listing.dirs.iter().rev() {
                self.objects.insert(dir.meta.into());
                stack.push((format!("{path}/{}", dir.name), dir.tree));
            }
            self.trees.insert(path, tree);
        }
        Ok(())
    }

    /// The old file at the path, or else the one of a like name whose size is nearest.
    fn like(&mut self, repo: &Repo, path: &str, size: u64) -> Result<Option<OldFile>, StoreError> {
        if let Some(id) = self.by_path.get(path).copied()
            && let Some(size) = self.size(repo, id)?
        {
            return Ok(Some(OldFile { id, size }));
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let named = self.by_stem.get(&stem(name)).cloned().unwrap_or_default();
        let mut nearest: Option<OldFile> = None;
        // Names that a whole distribution uses again and again say little.
        for id in named.into_iter().take(32) {
            let Some(found) = self.size(repo, id)? else {
                continue;
            };
            let is_like = found >= size / 2 && found <= size.saturating_mul(2);
            let is_nearer = |before: OldFile| found.abs_diff(size) < before.size.abs_diff(size);
            if is_like && nearest.is_none_or(is_nearer) {
                nearest = Some(OldFile { id, size: found });
            }
        }
        Ok(nearest)
    }

    fn size(&mut self, repo: &Repo, id: FileId) -> Result<Option<u64>, StoreError> {
        if let Some(size) = self.sizes.get(&id) {
            return Ok(*size);
        }
        let object = repo.open_file_object(id)?;
        let size = (!object.is_symlink() && object.size > 0).then_some(object.size);
        self.sizes.insert(id, size);
        Ok(size)
    }
}

/// A file's name without its digits.
fn stem(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}
