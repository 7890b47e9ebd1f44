//! What is still to be fetched: grows as trees arrive, and never names an object twice. Pure.

use std::collections::VecDeque;

use ostler_format::{Commit, DirMetaId, DirTreeId, DirTreeRef, FileId};

use super::want::Want;
use crate::reachable::ChecksumSet;

/// A metadata object of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Owner, mode and xattrs of a directory.
    Meta(DirMetaId),
    /// A listing, and how much of what it lists is wanted.
    Tree(DirTreeId, Want),
}

/// Metadata before content, each in the order of its discovery.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    metas: ChecksumSet,
    trees: ChecksumSet,
    files: ChecksumSet,
    metadata: VecDeque<Wanted>,
    content: VecDeque<FileId>,
}

impl Plan {
    /// Adds the root of a commit.
    pub(crate) fn add_commit(&mut self, commit: &Commit, want: &Want) {
        self.add_meta(commit.meta);
        self.add_tree(commit.tree, want.clone());
    }

    /// Adds what a listing names and `want` asks for.
    pub(crate) fn add_entries(&mut self, tree: &DirTreeRef<'_>, want: &Want) {
        for file in tree.files() {
            if want.below(file.name).is_some() && self.files.insert(file.id.checksum()) {
                self.content.push_back(file.id);
            }
        }
        for dir in tree.dirs() {
            if let Some(below) = want.below(dir.name) {
                self.add_meta(dir.meta);
                self.add_tree(dir.tree, below);
            }
        }
    }

    fn add_meta(&mut self, id: DirMetaId) {
        if self.metas.insert(id.checksum()) {
            self.metadata.push_back(Wanted::Meta(id));
        }
    }

    fn add_tree(&mut self, id: DirTreeId, want: Want) {
        // A listing of which a part is wanted may be wanted again, for another part.
        if !want.is_all() || self.trees.insert(id.checksum()) {
            self.metadata.push_back(Wanted::Tree(id, want));
        }
    }

    /// Takes the next metadata object.
    pub(crate) fn next_metadata(&mut self) -> Option<Wanted> {
        self.metadata.pop_front()
    }

    /// Takes the next content object.
    pub(crate) fn next_content(&mut self) -> Option<FileId> {
        self.content.pop_front()
    }

    /// The content that is left to be fetched.
    pub(crate) fn wanted_content(&self) -> impl Iterator<Item = FileId> {
        self.content.iter().copied()
    }

    /// Drops content for which `is_here` holds, and returns how many objects are left to be fetched.
    pub(crate) fn drop_content<E>(
        &mut self,
        mut is_here: impl FnMut(FileId) -> Result<bool, E>,
    ) -> Result<u64, E> {
        let mut left = VecDeque::new();
        for id in std::mem::take(&mut self.content) {
            if !is_here(id)? {
                left.push_back(id);
            }
        }
        self.content = left;
        Ok(self.content.len() as u64)
    }

    /// How many objects of the trees have been named so far.
    pub(crate) fn named(&self) -> u64 {
        (self.metas.len() + self.trees.len() + self.files.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::{Checksum, DirEntry, DirTree};

    fn sum(seed: u8) -> Checksum {
        Checksum::new([seed; 32])
    }

    fn tree(files: &[(&str, u8)], dirs: &[(&str, u8)]) -> Vec<u8> {
        let dir = |(name, seed): &(&str, u8)| DirEntry {
            name: (*name).into(),
            tree: sum(*seed).into(),
            meta: sum(0xff).into(),
        };
        let tree = DirTree {
            files: files
                .iter()
                .map(|(name, seed)| ((*name).into(), sum(*seed).into()))
                .collect(),
            dirs: dirs.iter().map(dir).collect(),
        };
        tree.to_bytes().unwrap()
    }

    fn metadata(plan: &mut Plan) -> Vec<Wanted> {
        std::iter::from_fn(|| plan.next_metadata()).collect()
    }

    fn content(plan: &mut Plan) -> Vec<FileId> {
        std::iter::from_fn(|| plan.next_content()).collect()
    }

    #[test]
    fn an_object_is_named_once_however_often_it_is_listed() {
        let bytes = tree(&[("a", 1), ("b", 1), ("c", 2)], &[("x", 3), ("y", 3)]);
        let listing = DirTreeRef::parse(&bytes).unwrap();
        let mut plan = Plan::default();
        plan.add_entries(&listing, &Want::All);
        plan.add_entries(&listing, &Want::All);
        assert_eq!(content(&mut plan), [sum(1).into(), sum(2).into()]);
        let expected = [
            Wanted::Meta(sum(0xff).into()),
            Wanted::Tree(sum(3).into(), Want::All),
        ];
        assert_eq!(metadata(&mut plan), expected);
        assert_eq!(plan.named(), 4);
    }

    #[test]
    fn content_that_is_here_is_dropped_and_the_rest_keeps_its_order() {
        let bytes = tree(&[("a", 1), ("b", 2), ("c", 3)], &[]);
        let mut plan = Plan::default();
        plan.add_entries(&DirTreeRef::parse(&bytes).unwrap(), &Want::All);
        let left = plan.drop_content(|id| Ok::<_, ()>(id == sum(2).into()));
        assert_eq!(left, Ok(2));
        assert_eq!(content(&mut plan), [sum(1).into(), sum(3).into()]);
        assert_eq!(plan.named(), 3);
    }

    #[test]
    fn a_part_of_a_tree_is_wanted_again_for_another_part() {
        let bytes = tree(&[("f", 1)], &[("x", 3), ("y", 4)]);
        let listing = DirTreeRef::parse(&bytes).unwrap();
        let mut plan = Plan::default();
        let want = |path: &str| Want::from_subpaths(&[path.to_owned()]).unwrap();
        plan.add_entries(&listing, &want("/x/deep"));
        assert!(content(&mut plan).is_empty());
        assert_eq!(metadata(&mut plan).len(), 2);
        plan.add_entries(&listing, &Want::All);
        assert_eq!(content(&mut plan).len(), 1);
        let trees = metadata(&mut plan);
        assert!(
            trees.contains(&Wanted::Tree(sum(3).into(), Want::All)),
            "{trees:?}"
        );
    }
}
