//! The refs and commits that a pull was asked for.
//!
//! A mirror of everything has thousands, so that a question about one commit must not go through all refs.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use ostler_format::{CommitId, RefName, SummaryRef};

use super::session::Destination;
use crate::refs::RefKey;

/// A commit to be fetched, with the names that it was asked for by.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// The refs to write.
    refs: BTreeMap<RefKey, CommitId>,
    /// All commits that were asked for, in order.
    commits: Vec<CommitId>,
    /// The refs that are to point to each of those, in the order in which they were added.
    names: HashMap<CommitId, Vec<RefKey>>,
    /// Bytes of commit objects, as the summary gives them.
    commit_bytes: HashMap<CommitId, u64>,
}

impl Targets {
    /// Adds a commit without a ref.
    pub(crate) fn add_commit(&mut self, id: CommitId) {
        if let Entry::Vacant(vacant) = self.names.entry(id) {
            vacant.insert(Vec::new());
            self.commits.push(id);
        }
    }

    /// Adds a ref; one that is there already is replaced.
    pub(crate) fn add_ref(&mut self, destination: &Destination, name: &RefName, id: CommitId) {
        self.add_commit(id);
        let key = destination.key(name);
        let replaced = self.refs.insert(key.clone(), id);
        if replaced == Some(id) {
            return;
        }
        if let Some(names) = replaced.and_then(|old| self.names.get_mut(&old)) {
            names.retain(|known| *known != key);
        }
        self.names.entry(id).or_default().push(key);
    }

    /// Adds a ref that a summary lists.
    pub(crate) fn add_listed(
        &mut self,
        destination: &Destination,
        name: &RefName,
        entry: &SummaryRef,
    ) {
        self.add_ref(destination, name, entry.commit);
        self.commit_bytes.insert(entry.commit, entry.commit_size);
    }

    /// The refs to write.
    pub(crate) fn refs(&self) -> &BTreeMap<RefKey, CommitId> {
        &self.refs
    }

    /// As [`Targets::refs`], when nothing else is of interest any more.
    pub(crate) fn into_refs(self) -> BTreeMap<RefKey, CommitId> {
        self.refs
    }

    /// All commits that were asked for, in order, each once.
    pub(crate) fn commits(&self) -> &[CommitId] {
        &self.commits
    }

    /// The refs that are to point to the commit.
    pub(crate) fn refs_to(&self, id: CommitId) -> &[RefKey] {
        self.names.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Bytes of the commit object, if a summary gives them.
    pub(crate) fn commit_bytes(&self, id: CommitId) -> Option<u64> {
        self.commit_bytes.get(&id).copied()
    }
}

#[cfg(test)]
mod tests {
    use ostler_format::Checksum;

    use super::*;

    fn commit(number: u32) -> CommitId {
        CommitId::new(Checksum::of(&number.to_be_bytes()))
    }

    #[test]
    fn each_commit_has_the_refs_that_are_to_point_to_it_and_no_others() {
        let mut targets = Targets::default();
        for number in 0..2000 {
            let name = RefName::new(format!("branch/{number}")).unwrap();
            targets.add_ref(&Destination::Heads, &name, commit(number / 2));
        }
        assert_eq!(targets.commits().len(), 1000);
        assert_eq!(targets.refs().len(), 2000);
        let looked_at: usize = targets
            .commits()
            .iter()
            .map(|id| targets.refs_to(*id).len())
            .sum();
        assert_eq!(looked_at, 2000, "each ref is looked at once");
        for (key, id) in targets.refs() {
            assert!(targets.refs_to(*id).contains(key));
        }
        assert!(targets.refs_to(commit(1000)).is_empty());
    }

    #[test]
    fn a_ref_that_is_added_again_is_the_last_commits_alone() {
        let mut targets = Targets::default();
        let name = RefName::new("main").unwrap();
        for number in [1, 1, 2, 1, 2] {
            targets.add_ref(&Destination::Heads, &name, commit(number));
        }
        targets.add_commit(commit(1));
        assert_eq!(targets.commits(), [commit(1), commit(2)]);
        assert_eq!(targets.refs_to(commit(2)), [RefKey::Head(name.clone())]);
        assert!(targets.refs_to(commit(1)).is_empty());
        assert_eq!(targets.into_refs()[&RefKey::Head(name)], commit(2));
    }
}
