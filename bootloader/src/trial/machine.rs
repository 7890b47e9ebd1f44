//! The steps of the machine.

use ostler_format::CommitId;

use super::record::{Record, Standing, TrialId, Trials, shortened};

/// What the first root boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booting {
    /// The deployment that the boot loader chose.
    Itself,
    /// The one to go back to, as the chosen one has failed.
    Instead(TrialId),
}

/// What the boot loader is known to have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loader {
    /// It booted what it was told to, or what a person chose.
    #[default]
    Obeyed,
    /// It counted, and gave the default up.
    GaveUp,
}

/// What a system says of itself, or a person of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// All that must work does.
    Healthy,
    /// This does not.
    Unhealthy(&'a str),
    /// As unhealthy, and further tries are pointless.
    GivenUp(&'a str),
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// The deployment has proven itself: whoever counts its boots stops.
    Proven,
    /// It is booted again.
    Retry {
        /// Boots that it has after that one.
        left: u32,
    },
    /// `to` becomes the default in place of `from`, and is booted; once that is published, [`Trials::rolled_back`].
    RollBack {
        /// The deployment that failed.
        from: TrialId,
        /// The one to go back to.
        to: TrialId,
    },
}

impl Trials {
    /// Puts a new deployment on trial, before it becomes the default. Without tries or a deployment to go back to there is none.
    ///
    /// Whoever deploys a commit has been asked whether it may be a bad one; it is not refused any more.
    pub fn arm(&mut self, id: &TrialId, tries: u32, fallback: Option<TrialId>, now: u64) {
        self.refused.remove(&id.name.commit);
        self.records.remove(id);
        let Some(fallback) = fallback.filter(|fallback| tries > 0 && fallback != id) else {
            return;
        };
        let record = Record {
            standing: Standing::Trial { left: tries },
            tries,
            boots: 0,
            counted: None,
            fallback: Some(fallback),
            why: None,
            since: now,
        };
        self.records.insert(id.clone(), record);
    }

    /// Chooses the deployment that a new one goes back to, of those that stay beside it, in boot order: the running one, unless it is on trial
    /// or has failed and another did neither.
    #[must_use]
    pub fn fallback(&self, beside: &[TrialId], booted: Option<&TrialId>) -> Option<TrialId> {
        let standing = |id: &&TrialId| self.records.get(*id).map(|record| record.standing);
        let is_good = |id: &&TrialId| standing(id) == Some(Standing::Good);
        let is_untried = |id: &&TrialId| standing(id).is_none();
        let booted = booted.and_then(|booted| beside.iter().find(|id| *id == booted));
        booted
            .filter(|id| is_good(id) || is_untried(id))
            .or_else(|| beside.iter().find(is_good))
            .or_else(|| beside.iter().find(is_untried))
            .or(booted)
            .cloned()
    }

    /// Counts a boot, once for each of the kernel's identifiers, and says what is booted; `exists` tells whether a deployment can be.
    pub fn boots(
        &mut self,
        id: &TrialId,
        boot: &str,
        exists: impl Fn(&TrialId) -> bool,
    ) -> Booting {
        let Some(record) = self.records.get_mut(id) else {
            return Booting::Itself;
        };
        match record.standing {
            Standing::Trial { .. } if record.counted.as_deref() == Some(boot) => Booting::Itself,
            Standing::Trial { left: 0 } => {
                let boots = record.boots;
                let why = record.why.clone().unwrap_or_else(|| {
                    format!("{boots} boots came to no verdict: it hung, panicked or lost its power")
                });
                self.fail(id, &why, 0, exists)
                    .map_or(Booting::Itself, Booting::Instead)
            }
            Standing::Trial { left } => {
                record.standing = Standing::Trial { left: left - 1 };
                record.boots = record.boots.saturating_add(1);
                record.counted = Some(boot.to_owned());
                Booting::Itself
            }
            Standing::Failed => {
                let fallback = record.fallback.clone();
                fallback
                    .filter(|fallback| exists(fallback))
                    .map_or(Booting::Itself, Booting::Instead)
            }
            Standing::Good | Standing::Bad => Booting::Itself,
        }
    }

    /// The first thing in a system that runs from `booted`: takes up a rollback that is due, and counts the boot where the first root did not.
    pub fn started(
        &mut self,
        order: &[TrialId],
        booted: &TrialId,
        boot: &str,
        loader: Loader,
        now: u64,
    ) -> Outcome {
        let exists = |id: &TrialId| order.contains(id);
        let default = order.first();
        if let Some(default) = default.filter(|default| *default != booted) {
            let on_trial = matches!(self.standing(default), Some(Standing::Trial { .. }));
            if on_trial && loader == Loader::GaveUp {
                self.fail(default, "the boot loader gave it up", now, |_| true);
            }
            if self.standing(default) == Some(Standing::Failed) {
                return Outcome::RollBack {
                    from: default.clone(),
                    to: booted.clone(),
                };
            }
        }
        // The order says that these rollbacks were made, and nobody came to note it.
        for (id, record) in &mut self.records {
            if record.standing == Standing::Failed && default != Some(id) {
                record.standing = Standing::Bad;
            }
        }
        match self.boots(booted, boot, exists) {
            Booting::Itself => Outcome::Nothing,
            Booting::Instead(to) => Outcome::RollBack {
                from: booted.clone(),
                to,
            },
        }
    }

    /// Takes a verdict on the running deployment.
    pub fn judge(
        &mut self,
        order: &[TrialId],
        booted: &TrialId,
        verdict: Verdict<'_>,
        now: u64,
    ) -> Outcome {
        let standing = self.standing(booted);
        let (why, given_up) = match verdict {
            Verdict::Healthy => return self.judge_healthy(booted, standing, now),
            Verdict::Unhealthy(why) => (why, false),
            Verdict::GivenUp(why) => (why, true),
        };
        match standing {
            Some(Standing::Trial { left }) if left > 0 && !given_up => {
                if let Some(record) = self.records.get_mut(booted) {
                    record.why = Some(shortened(why));
                }
                Outcome::Retry { left: left - 1 }
            }
            Some(Standing::Trial { .. }) => {
                match self.fail(booted, why, now, |id| order.contains(id)) {
                    Some(to) => Outcome::RollBack {
                        from: booted.clone(),
                        to,
                    },
                    None => Outcome::Nothing,
                }
            }
            Some(Standing::Good | Standing::Failed | Standing::Bad) | None => Outcome::Nothing,
        }
    }

    fn judge_healthy(&mut self, booted: &TrialId, standing: Option<Standing>, now: u64) -> Outcome {
        match standing {
            Some(Standing::Good | Standing::Failed | Standing::Bad) => Outcome::Nothing,
            Some(Standing::Trial { .. }) | None => {
                self.approve(booted, now);
                Outcome::Proven
            }
        }
    }

    /// A person takes a deployment for good, and its commit with it.
    pub fn approve(&mut self, id: &TrialId, now: u64) {
        self.refused.remove(&id.name.commit);
        let record = Record {
            standing: Standing::Good,
            tries: 0,
            boots: 0,
            counted: None,
            fallback: None,
            why: None,
            since: now,
        };
        let record = self.records.entry(id.clone()).or_insert(record);
        record.standing = Standing::Good;
        record.why = None;
        record.since = now;
    }

    /// Notes that a rollback is done: nothing is due any more.
    pub fn rolled_back(&mut self, from: &TrialId, now: u64) {
        if let Some(record) = self.records.get_mut(from)
            && record.standing == Standing::Failed
        {
            record.standing = Standing::Bad;
            record.since = now;
        }
        // The first root may have had no clock.
        if let Some(refusal) = self.refused.get_mut(&from.name.commit)
            && refusal.since == 0
        {
            refusal.since = now;
        }
    }

    /// A person made `chosen` the default in place of `before`: what they want to boot is not on trial, and what they left is not any more.
    pub fn chosen(&mut self, chosen: &TrialId, before: Option<&TrialId>) {
        for id in before.into_iter().chain([chosen]) {
            if self.standing(id) != Some(Standing::Good) {
                self.records.remove(id);
            }
        }
    }

    /// Lets upgrades take a commit again; false if it was not refused.
    pub fn take_again(&mut self, commit: CommitId) -> bool {
        self.refused.remove(&commit).is_some()
    }

    /// Forgets deployments for which `exists` is false.
    pub fn forget(&mut self, exists: impl Fn(&TrialId) -> bool) {
        self.records.retain(|id, _| exists(id));
    }

    /// Says whether a deployment must stay because another one may go back to it.
    #[must_use]
    pub fn is_needed(&self, id: &TrialId) -> bool {
        let on_trial = self
            .records
            .values()
            .filter(|record| matches!(record.standing, Standing::Trial { .. } | Standing::Failed));
        on_trial
            .filter_map(|record| record.fallback.as_ref())
            .any(|fallback| fallback == id)
    }

    /// How a deployment stands; `None` if it is untried.
    #[must_use]
    pub fn standing(&self, id: &TrialId) -> Option<Standing> {
        self.records.get(id).map(|record| record.standing)
    }

    /// The tries are used up: the commit is refused from now on, and the deployment to go back to is returned, if there is one.
    fn fail(
        &mut self,
        id: &TrialId,
        why: &str,
        now: u64,
        exists: impl Fn(&TrialId) -> bool,
    ) -> Option<TrialId> {
        let record = self.records.get_mut(id)?;
        let fallback = record.fallback.clone().filter(|fallback| exists(fallback));
        record.standing = match fallback {
            Some(_) => Standing::Failed,
            None => Standing::Bad,
        };
        record.why = Some(shortened(why));
        record.since = now;
        self.refuse(id.name.commit, why, now);
        fallback
    }
}

#[cfg(test)]
mod tests;
