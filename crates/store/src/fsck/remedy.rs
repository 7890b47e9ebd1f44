//! What is done about damage: rounds of repairs, marks on commits, and what happens to what stays damaged.

use std::collections::{BTreeMap, BTreeSet};

use ostler_format::{CommitId, ObjectKind, ObjectName};
use ostler_fs::Trusted;

use super::{Damage, Fsck, FsckReport, Outcome, Remedy};
use crate::error::StoreError;
use crate::object;
use crate::progress::Sink;
use crate::reachable::{Depth, Marks as _, Missing, ObjectSet, Reachable};
use crate::refs::{Partial, PartialReason};
use crate::repair::{self, RepairSource};

/// An object, and what is wrong with it.
type Failure = (ObjectName, StoreError);

impl Fsck<'_> {
    /// Checks all objects that the whole commits need, and with [`Remedy::Repair`] takes whole ones from `sources`.
    ///
    /// # Errors
    /// [`StoreError`] if checking itself fails, or at the first damage unless the check goes on after it; damage is in the report.
    pub fn verify_objects(
        mut self,
        sources: &[RepairSource],
        sink: &dyn Sink,
    ) -> Result<FsckReport, StoreError> {
        if self.options.remedy == Remedy::Repair {
            self.repair_in_rounds(sources, sink)?;
        } else {
            let (names, mut failures) = self.needed(None)?;
            self.report.objects = (self.whole.len() + names.len()) as u64;
            failures.extend(self.check_objects(&names, sink));
            failures.sort_by_key(|(name, _)| *name);
            failures.dedup_by_key(|(name, _)| *name);
            for (name, error) in failures {
                self.record(name, error)?;
            }
        }
        self.report.commits = self.whole.len() as u64;
        self.attribute()?;
        self.take_away()?;
        self.name_refs()?;
        Ok(self.report)
    }

    /// What the whole commits need besides themselves, without what is known to be whole; and the dirtrees that are missing or
    /// that the disk does not give. The latter are in both, and what is below them in none.
    fn needed(
        &self,
        verified: Option<&ObjectSet>,
    ) -> Result<(Vec<ObjectName>, Vec<Failure>), StoreError> {
        let mut reachable = Reachable::new(self.repo, Missing::PassOver);
        for id in &self.whole {
            reachable.add_commit(*id, Depth::Parents(0))?;
        }
        let unread = reachable.take_unread().into_iter();
        let unread = unread.filter(|(_, error)| object::is_unreadable(error));
        let unread = unread.map(|(name, error)| (name, object::unreadable(name, &error)));
        let mut failures: Vec<_> = unread.collect();
        let (objects, missing_trees) = reachable.into_set_and_missing();
        failures.extend(missing_trees.into_iter().map(missing));
        let is_new = |name: &ObjectName| {
            name.kind != ObjectKind::Commit && !verified.is_some_and(|set| set.contains(name))
        };
        Ok((objects.iter().filter(is_new).collect(), failures))
    }

    fn repair_in_rounds(
        &mut self,
        sources: &[RepairSource],
        sink: &dyn Sink,
    ) -> Result<(), StoreError> {
        let mut verified = ObjectSet::default();
        let mut tried = BTreeSet::new();
        let mut damage: BTreeMap<ObjectName, Damage> = BTreeMap::new();
        loop {
            let (names, mut failures) = self.needed(Some(&verified))?;
            failures.extend(self.check_objects(&names, sink));
            failures.append(&mut self.pending);
            let failed: BTreeSet<ObjectName> = failures.iter().map(|(name, _)| *name).collect();
            for name in names.into_iter().filter(|name| !failed.contains(name)) {
                verified.insert(name);
            }
            for (name, error) in failures {
                if !error.is_damage() {
                    return Err(error);
                }
                // What failed again after a repair is not whole.
                damage.insert(name, Damage::new(name, error, Outcome::Left));
            }
            let wanted: BTreeSet<ObjectName> = failed.difference(&tried).copied().collect();
            if wanted.is_empty() {
                break;
            }
            tried.extend(&wanted);
            let repaired = repair::repair(self.repo, sources, &wanted)?;
            self.report.complaints.extend(repaired.complaints);
            for (name, from) in repaired.objects {
                if let Some(damage) = damage.get_mut(&name) {
                    damage.outcome = Outcome::Repaired { from };
                }
                if name.kind == ObjectKind::Commit {
                    self.check_commit(CommitId::new(name.checksum))?;
                }
            }
        }
        self.report.objects = (self.whole.len() + verified.len()) as u64;
        self.report.damage = damage.into_values().collect();
        Ok(())
    }

    /// Notes damage; other errors are passed on.
    pub(super) fn record(&mut self, name: ObjectName, error: StoreError) -> Result<(), StoreError> {
        let missing = matches!(error, StoreError::ObjectMissing { .. });
        let goes_on = self.options.keep_going || self.options.remedy != Remedy::None;
        if !error.is_damage() || (!missing && !goes_on) {
            return Err(StoreError::FsckStopped {
                name,
                commits: self.commits_needing(&name)?,
                source: Box::new(error),
            });
        }
        self.report
            .damage
            .push(Damage::new(name, error, Outcome::Left));
        Ok(())
    }

    /// Finds the whole commits that need an object.
    fn commits_needing(&self, name: &ObjectName) -> Result<Vec<CommitId>, StoreError> {
        let mut needing = Vec::new();
        for id in &self.whole {
            if self.needs_of(*id)?.contains(name) {
                needing.push(*id);
            }
        }
        Ok(needing)
    }

    /// What one commit needs, as far as its directories can be read.
    fn needs_of(&self, id: CommitId) -> Result<ObjectSet, StoreError> {
        let mut reachable = Reachable::new(self.repo, Missing::PassOver);
        reachable.add_commit(id, Depth::Parents(0))?;
        let (mut objects, missing) = reachable.into_set_and_missing();
        for name in missing {
            objects.insert(name);
        }
        Ok(objects)
    }

    /// Finds which commits need what is damaged; marks those that will lack something, and takes the marks from those that lack nothing any more.
    fn attribute(&mut self) -> Result<(), StoreError> {
        let found_none = self.report.damage.is_empty() && self.were_damaged.is_empty();
        if found_none {
            return Ok(());
        }
        for id in self.whole.clone() {
            let needs = self.needs_of(id)?;
            let goes = self.options.remedy != Remedy::None;
            let (mut incomplete, mut doubtful) = (false, false);
            for damage in &mut self.report.damage {
                if needs.contains(&damage.name) {
                    damage.commits.insert(id);
                    let taken = goes && !damage.is_unreadable();
                    incomplete |= !damage.is_repaired() && (damage.is_missing() || taken);
                    doubtful |= !damage.is_repaired();
                }
            }
            if incomplete && self.repo.is_writable() {
                // Before the objects go: a crash must not leave a commit that lacks some and does not say so.
                self.repo
                    .set_partial(id, Partial::Yes(PartialReason::Damaged))?;
                self.report.marked_partial.insert(id);
            } else if self.were_damaged.contains(&id) && !doubtful {
                self.repo.set_partial(id, Partial::No)?;
                self.report.made_whole.insert(id);
            }
        }
        for damage in &mut self.report.damage {
            if damage.name.kind == ObjectKind::Commit {
                damage.commits.insert(CommitId::new(damage.name.checksum));
            }
        }
        if self.options.remedy == Remedy::Repair {
            // A damaged directory may have named what nobody ever made.
            self.report
                .damage
                .retain(|damage| !damage.is_missing() || !damage.commits.is_empty());
        }
        Ok(())
    }

    /// Deletes what is damaged, or puts it into quarantine, as asked for.
    fn take_away(&mut self) -> Result<(), StoreError> {
        let mut packed = BTreeSet::new();
        for damage in &mut self.report.damage {
            // One failed read is no reason to take away what may be the only copy.
            if damage.is_repaired() || damage.is_unreadable() {
                continue;
            }
            match self.options.remedy {
                Remedy::None => {}
                Remedy::Delete => {
                    let path = damage.name.loose_path(self.repo.mode().storage_form());
                    if damage.is_missing() {
                        continue;
                    }
                    if self.repo.objects().unlink_optional(Trusted(path))? {
                        damage.outcome = Outcome::Deleted;
                    } else if self.repo.has_left_out(&damage.name)? {
                        packed.insert(damage.name);
                        damage.outcome = Outcome::Deleted;
                    }
                }
                Remedy::Repair => {
                    if repair::quarantine(self.repo, damage.name)? {
                        damage.outcome = Outcome::Quarantined;
                    }
                }
            }
        }
        if !packed.is_empty() {
            crate::pack::forget(self.repo, false, |name| !packed.contains(name))?;
        }
        Ok(())
    }

    /// Finds the refs that point to commits which are hit.
    fn name_refs(&mut self) -> Result<(), StoreError> {
        if self.report.damage.is_empty() {
            return Ok(());
        }
        for (key, id) in self.repo.list_all_refs()? {
            for damage in &mut self.report.damage {
                if damage.commits.contains(&id) {
                    damage.refs.insert(key.to_string());
                }
            }
        }
        Ok(())
    }
}

fn missing(name: ObjectName) -> (ObjectName, StoreError) {
    (name, StoreError::ObjectMissing { name })
}
