//! Decides, from three trees, what is done to a copy of the new default.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ostler_fs::FileType;

use super::conflict::{
    Conflict, ConflictKind, Decision, MergeReport, OddFile, OddKind, OddOutcome, shown,
};
use super::diff::diff;
use super::policy::{Policy, Rules};
use super::snapshot::{Content, Node, Snapshot, parents};

/// What the name of a new default ends in that is laid beside the person's file.
pub(super) const NEW_SUFFIX: &str = ".new";

/// One step on a copy of the new default; paths are below `/etc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Removes what is there and all below it.
    Remove(Vec<u8>),
    /// Makes a directory with the owner, mode and attributes of the person's.
    MakeDir(Vec<u8>),
    /// Gives the directory that is there the owner, mode and attributes of the person's.
    SetAttributes(Vec<u8>),
    /// Gives the new default, a file or symlink, a second name: its own and `.new`.
    KeepDefault(Vec<u8>),
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
            | Self::KeepDefault(path)
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

/// Decides how a person's changes come into a new default; the person's wins in every conflict.
pub fn plan_merge(old: &Snapshot, person: &Snapshot, new: &Snapshot) -> MergePlan {
    plan_merge_by(&Rules::default(), old, person, new)
}

/// Decides how a person's changes come into a new default, with rules for what both changed.
pub fn plan_merge_by(
    rules: &Rules,
    old: &Snapshot,
    person: &Snapshot,
    new: &Snapshot,
) -> MergePlan {
    let changes = diff(old, person);
    let mut planner = Planner {
        rules,
        taken: BTreeSet::new(),
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
    planner.plan.settle_new_names();
    planner.plan
}

impl MergePlan {
    /// Lets a new default that is laid beside a file have its name, whatever an earlier merge or a person left there.
    fn settle_new_names(&mut self) {
        let names: BTreeSet<Vec<u8>> = self
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::KeepDefault(path) => Some([path, NEW_SUFFIX.as_bytes()].concat()),
                _ => None,
            })
            .collect();
        self.actions.retain(|action| match action {
            Action::Copy(path) | Action::Remove(path) => !names.contains(path),
            _ => true,
        });
    }

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
    rules: &'a Rules,
    /// Conflicts in which the new default won; nothing of the person's below them is merged.
    taken: BTreeSet<Vec<u8>>,
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
        if !self.new.same_at(self.old, path)
            && self.conflict(path, ConflictKind::PersonRemoved) == Wins::Default
        {
            return;
        }
        self.act(Action::Remove(path.to_vec()));
    }

    fn changed(&mut self, path: &[u8], node: &Node, old: Option<&Node>) {
        if self.is_taken(path) {
            return;
        }
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
                match self.taken.contains(path) {
                    true => OddOutcome::DefaultKept,
                    false => OddOutcome::DefaultRemoved,
                }
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
        // A directory above it may be in conflict itself.
        if self.make_parents(path) == Wins::Default {
            return;
        }
        let kind = match (self.new.get(path), old) {
            (None, None) => None,
            (None, Some(_)) => Some(ConflictKind::DefaultRemoved),
            (Some(new), _) if new.is_dir() => {
                (!self.new.same_at(self.old, path)).then_some(ConflictKind::FileAgainstDirectory)
            }
            (Some(new), Some(old)) if new.same(old) || new.same(node) => None,
            (Some(new), None) if new.same(node) => None,
            (Some(_), Some(_)) => Some(ConflictKind::BothChanged),
            (Some(_), None) => Some(ConflictKind::BothAdded),
        };
        if kind.is_some_and(|kind| self.conflict(path, kind) == Wins::Default) {
            return;
        }
        if self.new.get(path).is_some_and(Node::is_dir) {
            self.act(Action::Remove(path.to_vec()));
        }
        self.act(Action::Copy(path.to_vec()));
    }

    fn directory(&mut self, path: &[u8], node: &Node, old: Option<&Node>) {
        if self.make_parents(path) == Wins::Default {
            return;
        }
        let same_attributes = |a: &Node, b: &Node| a.same(b) && !other_attributes(a, b);
        match (self.new.get(path), old) {
            (None, old) => {
                if old.is_some()
                    && self.conflict(path, ConflictKind::DefaultRemoved) == Wins::Default
                {
                    // What the person added to it makes it again.
                    self.taken.remove(path);
                    return;
                }
                self.make(path);
            }
            (Some(new), _) if new.is_dir() => {
                if same_attributes(new, node) {
                    return;
                }
                if !old.is_some_and(|old| same_attributes(new, old))
                    && self.conflict(path, ConflictKind::BothChangedDirectory) == Wins::Default
                {
                    // What the person has in it is merged all the same.
                    self.taken.remove(path);
                    return;
                }
                self.act(Action::SetAttributes(path.to_vec()));
            }
            (Some(new), old) => {
                if !old.is_some_and(|old| new.same(old))
                    && self.conflict(path, ConflictKind::DirectoryAgainstFile) == Wins::Default
                {
                    return;
                }
                self.act(Action::Remove(path.to_vec()));
                self.make(path);
            }
        }
    }

    /// Makes the directories above a path that the new default has not, unless a rule takes the default in place of one.
    ///
    /// Those that the person added or changed have been decided on before, as they come first in order.
    fn make_parents(&mut self, path: &[u8]) -> Wins {
        for parent in parents(path) {
            if self.made.contains(parent) {
                continue;
            }
            match self.new.get(parent) {
                Some(node) if node.is_dir() => (),
                Some(_) => {
                    if self.conflict(parent, ConflictKind::DirectoryAgainstFile) == Wins::Default {
                        return Wins::Default;
                    }
                    self.act(Action::Remove(parent.to_vec()));
                    self.make(parent);
                }
                None => self.make(parent),
            }
        }
        Wins::Person
    }

    fn is_taken(&self, path: &[u8]) -> bool {
        !self.taken.is_empty() && parents(path).any(|parent| self.taken.contains(parent))
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

    /// Notes a conflict, and says who wins it by the rules.
    fn conflict(&mut self, path: &[u8], kind: ConflictKind) -> Wins {
        let policy = self.rules.policy(path);
        let removed = kind == ConflictKind::PersonRemoved;
        let is_file =
            |node: &Node| matches!(node.content, Content::File { .. } | Content::Symlink { .. });
        let new_is_file = self.new.get(path).is_some_and(is_file);
        let new_path = [path, NEW_SUFFIX.as_bytes()].concat();
        let in_the_way = |tree: &Snapshot| tree.get(&new_path).is_some_and(Node::is_dir);
        let beside = policy == Policy::Both
            && new_is_file
            && !in_the_way(self.person)
            && !in_the_way(self.new);
        let decision = match policy {
            Policy::Take => Decision::DefaultTaken,
            Policy::Fail => Decision::Refused,
            Policy::Both if beside => Decision::BothKept,
            Policy::Keep | Policy::Both if removed => Decision::StaysRemoved,
            Policy::Keep | Policy::Both => Decision::PersonKept,
        };
        if beside {
            self.act(Action::KeepDefault(path.to_vec()));
        }
        let shown_path = shown(path);
        let new_default = match (kind, beside) {
            (ConflictKind::DefaultRemoved, _) => None,
            (_, true) => Some(format!("etc/{shown_path}{NEW_SUFFIX}")),
            (_, false) => Some(format!("usr/etc/{shown_path}")),
        };
        self.plan.report.conflicts.push(Conflict {
            path: shown_path,
            kind,
            decision,
            new_default,
        });
        match policy {
            Policy::Take => {
                self.taken.insert(path.to_vec());
                Wins::Default
            }
            Policy::Keep | Policy::Both | Policy::Fail => Wins::Person,
        }
    }
}

/// Whose version of a path the new deployment has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wins {
    Person,
    Default,
}

/// Says whether two directories differ in attributes that a person can set.
fn other_attributes(a: &Node, b: &Node) -> bool {
    match (&a.content, &b.content) {
        (Content::Directory { xattrs: a }, Content::Directory { xattrs: b }) => a != b,
        _ => false,
    }
}
