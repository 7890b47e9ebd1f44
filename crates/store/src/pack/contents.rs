//! What a commit needs, and what earlier packs have of it.

use std::collections::{BTreeMap, HashSet};

use ostler_format::pack::{Pack, PackGroup};
use ostler_format::{CommitId, DirMetaId, DirTreeId, FileId, ObjectName};

use super::catalog;
use crate::error::StoreError;
use crate::repo::Repo;

/// The objects of a commit, each once, in the order of their paths: neighbours are alike and change together.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) metadata: Vec<ObjectName>,
    pub(crate) files: Vec<FileId>,
}

impl Contents {
    /// Finds them.
    pub(crate) fn of(repo: &Repo, commit: CommitId) -> Result<Self, StoreError> {
        let root = repo.read_commit(commit)?;
        let mut contents = Self::default();
        let mut seen = HashSet::new();
        let mut stack: Vec<(DirTreeId, DirMetaId)> = vec![(root.tree, root.meta)];
        while let Some((tree, meta)) = stack.pop() {
            for name in [ObjectName::from(meta), ObjectName::from(tree)] {
                if seen.insert(name) {
                    contents.metadata.push(name);
                } else if name == ObjectName::from(tree) {
                    continue;
                }
            }
            let listing = repo.read_dirtree(tree)?;
            for (_, id) in listing.files {
                if seen.insert(id.into()) {
                    contents.files.push(id);
                }
            }
            stack.extend(listing.dirs.iter().rev().map(|dir| (dir.tree, dir.meta)));
        }
        Ok(contents)
    }

    /// Keeps what `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&ObjectName) -> bool) {
        self.metadata.retain(|name| keep(name));
        self.files.retain(|id| keep(&ObjectName::from(*id)));
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = ObjectName> {
        let files = self.files.iter().map(|id| ObjectName::from(*id));
        self.metadata.iter().copied().chain(files)
    }
}

/// The groups of earlier packs that have some of `wanted`, each of which is taken out of it where it is found.
pub(super) fn packed_before(
    repo: &Repo,
    wanted: &mut HashSet<ObjectName>,
) -> Result<Vec<(Pack, PackGroup)>, StoreError> {
    let mut known: BTreeMap<(Pack, u64), PackGroup> = BTreeMap::new();
    let mut present: BTreeMap<Pack, bool> = BTreeMap::new();
    for commit in catalog::commits(repo)? {
        // A damaged index is no reason not to make a new one.
        let Ok(Some(index)) = catalog::read(repo, commit) else {
            continue;
        };
        for pack in &index.packs {
            if !present.contains_key(pack) {
                present.insert(*pack, catalog::has(repo, pack)?);
            }
        }
        for group in index.groups {
            let pack = index.packs[group.pack];
            if present.get(&pack) == Some(&true) {
                merge(&mut known, pack, group);
            }
        }
    }
    let mut groups = Vec::new();
    for ((pack, _), mut group) in known {
        let mut needed = false;
        for member in &mut group.members {
            member.name = member.name.filter(|name| wanted.remove(name));
            needed |= member.name.is_some();
        }
        if needed {
            groups.push((pack, group));
        }
    }
    Ok(groups)
}

/// Two commits that share a group need different objects of it.
pub(super) fn merge(known: &mut BTreeMap<(Pack, u64), PackGroup>, pack: Pack, group: PackGroup) {
    let Some(before) = known.get_mut(&(pack, group.offset)) else {
        known.insert((pack, group.offset), group);
        return;
    };
    let sizes = |group: &PackGroup| -> Vec<u64> {
        group.members.iter().map(|member| member.size).collect()
    };
    if before.packed != group.packed || sizes(before) != sizes(&group) {
        return;
    }
    for (mine, other) in before.members.iter_mut().zip(group.members) {
        mine.name = mine.name.or(other.name);
    }
}
