//! Decides, from three trees, what is done to a copy of the new default.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ostler_fs::FileType;

use super::conflict::{
    Conflict, ConflictKind, Decision, MergeReport, OddFile, OddKind, OddOutcome, shown,
};
use super::diff::diff;
use super::snapshot::{Content, Node, Snapshot, parents};

/// One step on a copy of the new default; paths are below `/etc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Removes what is there and all below it.
    Remove(Vec<u8>),
    /// Makes a directory with the owner, mode and attributes of the person's.
    MakeDir(Vec<u8>),
    /// Gives the directory that is there the owner, mode and attributes of the person's.
    SetAttributes(Vec<u8>),
    /// Copies the person's file or symlink, in place of a file or symlink that may be there.
    Copy(Vec<u8>),
}

impl Action {
    /// The path that it is about.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Remove(path)
            | Self::MakeDir(path)
            | Self::SetAttributes(path)
            | Self::Copy(path) => path,
        }
    }
}

/// What a merge will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergePlan {
    /// Steps, in the order in which they must be taken.
    pub actions: Vec<Action>,
    /// What can be said before: counts, conflicts and odd files.
    pub report: MergeReport,
}

/// Decides how a person's changes come into a new default.
pub fn plan_merge(old: &Snapshot, person: &Snapshot, new: &Snapshot) -> MergePlan {
    let changes = diff(old, person);
    let mut planner = Planner {
        old,
        person,
        new,
        made: BTreeSet::new(),
        plan: MergePlan::default(),
    };
    planner.plan.report.modified = changes.modified.len();
    planner.plan.report.removed = changes.removed.len();
    planner.plan.report.added = changes.added.len();
    for path in &changes.removed {
        planner.removed(path);
    }
    // In order of paths, so that directories come before what is in them.
    for (path, node) in person.iter() {
        let default = old.get(path);
        let changed = match default {
            None => true,
            Some(default) => !default.same(node) || other_attributes(default, node),
        };
        if changed {
            planner.changed(path, node, default);
        }
    }
    planner.plan
}

impl MergePlan {
    /// Leaves the new default in place of files that vanished while the trees were read, and reports them.
    pub(super) fn note_vanished(&mut self, vanished: &BTreeSet<Vec<u8>>, new: &Snapshot) {
        self.actions
            .retain(|action| !vanished.contains(action.path()));
        for path in vanished {
            let outcome = match new.get(path) {
                Some(_) => OddOutcome::DefaultKept,
                None => OddOutcome::NotCarriedOver,
            };
            let path = shown(path);
            self.report
                .conflicts
                .retain(|conflict| conflict.path != path);
            self.report.odd.push(OddFile {
                path,
                kind: OddKind::Vanished,
                outcome,
            });
        }
    }
}

struct Planner<'a> {
    old: &'a Snapshot,
    person: &'a Snapshot,
    new: &'a Snapshot,
    /// Directories that the plan has made so far.
    made: BTreeSet<Vec<u8>>,
    plan: MergePlan,
}

impl Planner<'_> {
    fn removed(&mut self, path: &[u8]) {
        if self.new.get(path).is_none() {
            return;
        }
        if !self.new.same_at(self.old, path) {
            self.conflict(path, ConflictKind::PersonRemoved, Decision::StaysRemoved);
        }
        self.act(Action::Remove(path.to_vec()));
    }

    fn changed(&mut self, path: &[u8], node: &Node, old: Option<&Node>) {
        match &node.content {
            Content::Special(kind) => self.special(path, *kind, old),
            Content::Directory { .. } => self.directory(path, node, old),
            Content::File { .. } | Content::Symlink { .. } => self.file(path, node, old),
        }
    }

    fn special(&mut self, path: &[u8], kind: FileType, old: Option<&Node>) {
        let outcome = match (self.new.get(path), old) {
            (None, _) => OddOutcome::NotCarriedOver,
            (Some(_), None) => OddOutcome::DefaultKept,
            (Some(_), Some(_)) => {
                self.removed(path);
                OddOutcome::DefaultRemoved
            }
        };
        self.plan.report.odd.push(OddFile {
            path: shown(path),
            kind: match kind {
                FileType::Fifo => OddKind::Fifo,
                FileType::Socket => OddKind::Socket,
                _ => OddKind::Device,
            },
            outcome,
        });
    }

    fn file(&mut self, path: &[u8], node: &Node, old: Option<&Node>) {
        self.make_parents(path);
        match (self.new.get(path), old) {
            (None, None) => (),
            (None, Some(_)) => {
                self.conflict(path, ConflictKind::DefaultRemoved, Decision::PersonKept);
            }
            (Some(new), _) if new.is_dir() => {
                if !self.new.same_at(self.old, path) {
                    let kind = ConflictKind::FileAgainstDirectory;
                    self.conflict(path, kind, Decision::PersonKept);
                }
                self.act(Action::Remove(path.to_vec()));
            }
            (Some(new), Some(old)) if new.same(old) || new.same(node) => (),
            (Some(new), None) if new.same(node) => (),
            (Some(_), Some(_)) => {
                self.conflict(path, ConflictKind::BothChanged, Decision::PersonKept);
            }
            (Some(_), None) => self.conflict(path, ConflictKind::BothAdded, Decision::PersonKept),
        }
        self.act(Action::Copy(path.to_vec()));
    }

    fn directory(&mut self, path: &[u8], node: &Node, old: Option<&Node>) {
        self.make_parents(path);
        let same_attributes = |a: &Node, b: &Node| a.same(b) && !other_attributes(a, b);
        match (self.new.get(path), old) {
            (None, old) => {
                if old.is_some() {
                    self.conflict(path, ConflictKind::DefaultRemoved, Decision::PersonKept);
                }
                self.make(path);
            }
            (Some(new), _) if new.is_dir() => {
                if same_attributes(new, node) {
                    return;
                }
                if !old.is_some_and(|old| same_attributes(new, old)) {
                    let kind = ConflictKind::BothChangedDirectory;
                    self.conflict(path, kind, Decision::PersonKept);
                }
                self.act(Action::SetAttributes(path.to_vec()));
            }
            (Some(new), old) => {
                if !old.is_some_and(|old| new.same(old)) {
                    let kind = ConflictKind::DirectoryAgainstFile;
                    self.conflict(path, kind, Decision::PersonKept);
                }
                self.act(Action::Remove(path.to_vec()));
                self.make(path);
            }
        }
    }

    /// Makes the directories above a path that the new default has not.
    ///
    /// Those that the person added or changed have been decided on before, as they come first in order.
    fn make_parents(&mut self, path: &[u8]) {
        for parent in parents(path) {
            if self.made.contains(parent) {
                continue;
            }
            match self.new.get(parent) {
                Some(node) if node.is_dir() => (),
                Some(_) => {
                    let kind = ConflictKind::DirectoryAgainstFile;
                    self.conflict(parent, kind, Decision::PersonKept);
                    self.act(Action::Remove(parent.to_vec()));
                    self.make(parent);
                }
                None => self.make(parent),
            }
        }
    }

    fn make(&mut self, path: &[u8]) {
        debug_assert!(self.person.get(path).is_some_and(Node::is_dir));
        if self.made.insert(path.to_vec()) {
            self.act(Action::MakeDir(path.to_vec()));
        }
    }

    fn act(&mut self, action: Action) {
        self.plan.actions.push(action);
    }

    fn conflict(&mut self, path: &[u8], kind: ConflictKind, decision: Decision) {
        let path = shown(path);
        let new_default = match kind {
            ConflictKind::DefaultRemoved => None,
            _ => Some(format!("usr/etc/{path}")),
        };
        self.plan.report.conflicts.push(Conflict {
            path,
            kind,
            decision,
            new_default,
        });
    }
}

/// Says whether two directories differ in attributes that a person can set.
fn other_attributes(a: &Node, b: &Node) -> bool {
    match (&a.content, &b.content) {
        (Content::Directory { xattrs: a }, Content::Directory { xattrs: b }) => a != b,
        _ => false,
    }
}
