//! The boot order that follows from a wish, as a pure function.
//!
//! A snapshot of the deployments and a [`Wish`] go in, the next boot order comes out; nothing here reads or writes a disk.
//! The rules are libostree's, with one addition: no plan drops a pinned deployment, even when asked to by its index.
//!
//! ```text
//! index   0         1        2          3
//!         staged?   pending  booted     rollback        (one stateroot)
//!                            ^ the crossover: before it is pending, after it is rollback
//! ```

#[cfg(test)]
mod tests;

/// What a plan needs to know of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The stateroot that it belongs to.
    pub stateroot: String,
    /// Whether the running system was booted from it. At most one slot is.
    pub booted: bool,
    /// Whether it must be kept until it is unpinned.
    pub pinned: bool,
    /// Whether it is finished only at shutdown. At most one slot is, and it is the first.
    pub staged: bool,
    /// Whether a retention policy holds it when another one is added, or one on trial may go back to it.
    pub held: bool,
}

/// One place of the next boot order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The deployment that has this index now.
    Keep(usize),
    /// The deployment that the wish adds.
    New,
}

/// Which deployments of the same stateroot outlive a new one, beside the booted, the merge source and the pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retain {
    /// All of them.
    pub all: bool,
    /// Those before the booted one.
    pub pending: bool,
    /// Those after the booted one.
    pub rollback: bool,
}

/// Where a new deployment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// First: what boots next.
    Default,
    /// Right after the booted deployment, or the merge source, or last.
    AfterCurrent,
}

/// What becomes of the only deployment that boots, if it is asked to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfOnly {
    /// It stays.
    #[default]
    Refuse,
    /// It goes, and nothing boots; libostree does so.
    Remove,
}

/// A change of the boot order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A new deployment.
    Add {
        /// The stateroot of the new deployment.
        stateroot: String,
        /// The index of the deployment whose `/etc` and kernel arguments it takes.
        merge: Option<usize>,
        /// What stays beside it.
        retain: Retain,
        /// Where it goes.
        position: Position,
    },
    /// The deployment at this index goes.
    Remove {
        /// Its index.
        index: usize,
        /// Whether it goes if it is the only one that has a boot entry.
        only: IfOnly,
    },
    /// The deployment at this index boots next.
    MakeDefault(usize),
    /// The previous deployment boots next; or the booted one, if it is not the default now.
    Rollback {
        /// Which stateroot; `None` is the booted one's, or else the first deployment's.
        stateroot: Option<String>,
    },
    /// The deployments of a stateroot that are pending, after the booted one, or both, go.
    Drop {
        /// Which stateroot; `None` is the booted one's, or else the first deployment's.
        stateroot: Option<String>,
        /// Those before the booted one, staged or not.
        pending: bool,
        /// Those after the booted one.
        rollback: bool,
    },
    /// Those of a stateroot go that no policy holds, but for the first, the booted, the one to go back to, pinned and staged ones.
    Expire {
        /// Which stateroot.
        stateroot: String,
    },
}

/// A wish that cannot be granted; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No deployment has the index.
    #[error("no deployment has index {index}: out of range, expected < {count}")]
    OutOfRange {
        /// The index that was asked for.
        index: usize,
        /// How many deployments there are.
        count: usize,
    },
    /// The running system is the deployment that should go.
    #[error("cannot remove deployment {index}: it is the currently booted deployment")]
    Booted {
        /// Its index.
        index: usize,
    },
    /// A person pinned the deployment that should go.
    #[error("cannot remove deployment {index}: it is pinned")]
    Pinned {
        /// Its index.
        index: usize,
    },
    /// Nothing would boot without it.
    #[error("cannot remove deployment {index}: it is the only one")]
    Only {
        /// Its index.
        index: usize,
    },
    /// The order would not change.
    #[error("deployment {index} is already the default")]
    AlreadyDefault {
        /// Its index.
        index: usize,
    },
    /// A staged deployment becomes the default at shutdown anyway.
    #[error("deployment {index} is staged: it becomes the default at shutdown")]
    Staged {
        /// Its index.
        index: usize,
    },
    /// There is no earlier deployment to go back to.
    #[error("no rollback deployment found")]
    NoRollback,
    /// There is no deployment at all.
    #[error("there are no deployments")]
    Empty,
}

/// Returns the index of the deployment whose `/etc` and kernel arguments a new one of `stateroot` takes.
///
/// That is the booted one if it belongs to the stateroot, else the first of the stateroot.
#[must_use]
pub fn merge_source(slots: &[Slot], stateroot: &str) -> Option<usize> {
    slots
        .iter()
        .position(|slot| slot.booted && slot.stateroot == stateroot)
        .or_else(|| pending_and_rollback(slots, stateroot).0)
}

/// Returns the indices of the pending and of the rollback deployment of `stateroot`.
///
/// Pending is the first one before the booted deployment, rollback the first one after it; where none of the stateroot is
/// booted, the first one is pending and there is no rollback.
#[must_use]
pub fn pending_and_rollback(slots: &[Slot], stateroot: &str) -> (Option<usize>, Option<usize>) {
    let mut past_booted = false;
    let (mut pending, mut rollback) = (None, None);
    for (index, slot) in slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.stateroot == stateroot)
    {
        if slot.booted {
            past_booted = true;
        } else if past_booted {
            rollback = rollback.or(Some(index));
        } else {
            pending = pending.or(Some(index));
        }
    }
    (pending, rollback)
}

/// Returns the boot order that `wish` asks for.
///
/// # Errors
/// [`PlanError`] if the wish names no deployment, or one that must stay.
pub fn plan(slots: &[Slot], wish: &Wish) -> Result<Vec<Next>, PlanError> {
    let order = match wish {
        Wish::Add {
            stateroot,
            merge,
            retain,
            position,
        } => add(slots, stateroot, *merge, *retain, *position),
        Wish::Remove { index, only } => remove(slots, *index, *only)?,
        Wish::MakeDefault(index) => make_default(slots, *index)?,
        Wish::Rollback { stateroot } => roll_back(slots, stateroot.as_deref())?,
        Wish::Drop {
            stateroot,
            pending,
            rollback,
        } => drop_some(slots, stateroot.as_deref(), *pending, *rollback)?,
        Wish::Expire { stateroot } => expire(slots, stateroot),
    };
    Ok(staged_only_first(slots, order))
}

fn add(
    slots: &[Slot],
    stateroot: &str,
    merge: Option<usize>,
    mut retain: Retain,
    position: Position,
) -> Vec<Next> {
    let booted = slots.iter().position(|slot| slot.booted);
    // Without a crossover, pending and rollback cannot be told apart.
    retain.all |= booted.is_none() && merge.is_none() && (retain.pending || retain.rollback);
    let crossover = booted.or(merge);
    let mut order = Vec::with_capacity(slots.len() + 1);
    let mut placed = position == Position::Default;
    if placed {
        order.push(Next::New);
    }
    for (index, slot) in slots.iter().enumerate() {
        let past = crossover.is_some_and(|crossover| index >= crossover);
        let kept = retain.all
            || slot.held
            || slot.pinned
            || slot.booted
            || merge == Some(index)
            || slot.stateroot != stateroot
            || (retain.pending && !past)
            || (retain.rollback && past);
        if kept {
            order.push(Next::Keep(index));
        }
        if past && !placed {
            order.push(Next::New);
            placed = true;
        }
    }
    if !placed {
        order.push(Next::New);
    }
    order
}

fn remove(slots: &[Slot], index: usize, only: IfOnly) -> Result<Vec<Next>, PlanError> {
    let slot = slot_at(slots, index)?;
    if slot.booted {
        return Err(PlanError::Booted { index });
    }
    if slot.pinned {
        return Err(PlanError::Pinned { index });
    }
    let mut others = slots
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    if only == IfOnly::Refuse && !slot.staged && !others.any(|(_, other)| !other.staged) {
        return Err(PlanError::Only { index });
    }
    Ok((0..slots.len())
        .filter(|other| *other != index)
        .map(Next::Keep)
        .collect())
}

fn make_default(slots: &[Slot], index: usize) -> Result<Vec<Next>, PlanError> {
    let slot = slot_at(slots, index)?;
    if slot.staged {
        return Err(PlanError::Staged { index });
    }
    if index == 0 {
        return Err(PlanError::AlreadyDefault { index });
    }
    Ok(first(slots, index))
}

fn roll_back(slots: &[Slot], stateroot: Option<&str>) -> Result<Vec<Next>, PlanError> {
    let current = current(slots, stateroot)?;
    if slots[current].booted && current != 0 {
        return Ok(first(slots, current));
    }
    let stateroot = &slots[current].stateroot;
    let previous = (current + 1..slots.len()).find(|index| slots[*index].stateroot == *stateroot);
    Ok(first(slots, previous.ok_or(PlanError::NoRollback)?))
}

fn drop_some(
    slots: &[Slot],
    stateroot: Option<&str>,
    pending: bool,
    rollback: bool,
) -> Result<Vec<Next>, PlanError> {
    let current = current(slots, stateroot)?;
    let stateroot = &slots[current].stateroot;
    let kept = |index: &usize| {
        let slot = &slots[*index];
        let asked = (pending && *index < current) || (rollback && *index > current);
        !asked || slot.stateroot != *stateroot || slot.pinned || slot.booted
    };
    Ok((0..slots.len()).filter(kept).map(Next::Keep).collect())
}

fn expire(slots: &[Slot], stateroot: &str) -> Vec<Next> {
    let (_, rollback) = pending_and_rollback(slots, stateroot);
    let kept = |index: &usize| {
        let slot = &slots[*index];
        let stays = slot.booted || slot.pinned || slot.staged || slot.held;
        stays || *index == 0 || rollback == Some(*index) || slot.stateroot != stateroot
    };
    (0..slots.len()).filter(kept).map(Next::Keep).collect()
}

/// The deployment that counts as running: the booted one, else the first of the stateroot.
fn current(slots: &[Slot], stateroot: Option<&str>) -> Result<usize, PlanError> {
    let belongs = |slot: &Slot| stateroot.is_none_or(|stateroot| slot.stateroot == stateroot);
    slots
        .iter()
        .position(|slot| slot.booted && belongs(slot))
        .or_else(|| slots.iter().position(belongs))
        .ok_or(PlanError::Empty)
}

fn slot_at(slots: &[Slot], index: usize) -> Result<&Slot, PlanError> {
    slots.get(index).ok_or(PlanError::OutOfRange {
        index,
        count: slots.len(),
    })
}

fn first(slots: &[Slot], index: usize) -> Vec<Next> {
    let others = (0..slots.len()).filter(|other| *other != index);
    std::iter::once(index)
        .chain(others)
        .map(Next::Keep)
        .collect()
}

/// A staged deployment has no boot entry yet, so it survives only as the first of the order.
fn staged_only_first(slots: &[Slot], mut order: Vec<Next>) -> Vec<Next> {
    let mut place = 0;
    order.retain(|next| {
        let staged = matches!(next, Next::Keep(index) if slots[*index].staged);
        place += 1;
        !staged || place == 1
    });
    order
}
