//! What stays, in little room.

use std::collections::HashSet;

use ostler_format::{DirTreeId, ObjectKind, ObjectName};

use crate::reachable::{ChecksumHashing, ChecksumSet, Marks};

/// A set of objects that can be asked for its members and cannot list them.
///
/// Commits and dirtrees, which are walked, are kept whole. Of the many files the first eight bytes of their checksums are
/// enough: two that begin alike keep each other, which leaves one object too many and never one too few.
#[derive(Debug, Default)]
pub(super) struct KeepSet {
    commits: ChecksumSet,
    trees: ChecksumSet,
    metas: BeginningSet,
    files: BeginningSet,
}

type BeginningSet = HashSet<[u8; 8], ChecksumHashing>;

impl KeepSet {
    /// Whether the object stays.
    pub(super) fn contains(&self, name: &ObjectName) -> bool {
        match name.kind {
            ObjectKind::Commit => self.commits.contains(&name.checksum),
            ObjectKind::DirTree => self.trees.contains(&name.checksum),
            ObjectKind::DirMeta => self.metas.contains(&beginning(name)),
            ObjectKind::File => self.files.contains(&beginning(name)),
            _ => false,
        }
    }
}

impl Marks for KeepSet {
    fn insert(&mut self, name: ObjectName) -> bool {
        match name.kind {
            ObjectKind::Commit => self.commits.insert(name.checksum),
            ObjectKind::DirTree => self.trees.insert(name.checksum),
            ObjectKind::DirMeta => self.metas.insert(beginning(&name)),
            ObjectKind::File => self.files.insert(beginning(&name)),
            _ => false,
        }
    }

    fn remove_tree(&mut self, id: DirTreeId) {
        self.trees.remove(&id.checksum());
    }
}

fn beginning(name: &ObjectName) -> [u8; 8] {
    *name
        .checksum
        .as_bytes()
        .first_chunk()
        .expect("a checksum has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::Checksum;

    #[test]
    fn files_that_begin_alike_keep_each_other_and_directories_do_not() {
        let (mut one, mut other) = ([7; 32], [7; 32]);
        (one[31], other[31]) = (1, 2);
        let name = |bytes, kind| ObjectName::new(Checksum::new(bytes), kind);
        for (kind, kept) in [
            (ObjectKind::File, true),
            (ObjectKind::DirMeta, true),
            (ObjectKind::DirTree, false),
            (ObjectKind::Commit, false),
        ] {
            let mut set = KeepSet::default();
            assert!(set.insert(name(one, kind)), "{kind:?} is new");
            assert!(set.contains(&name(one, kind)));
            assert_eq!(set.contains(&name(other, kind)), kept, "{kind:?}");
            assert!(!set.contains(&name([8; 32], kind)), "{kind:?}");
        }
    }
}
