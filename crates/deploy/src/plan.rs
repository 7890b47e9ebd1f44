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
    /// Whether a retention policy holds it when another one is added.
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
    Remove(usize),
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
        Wish::Remove(index) => remove(slots, *index)?,
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

fn remove(slots: &[Slot], index: usize) -> Result<Vec<Next>, PlanError> {
    let slot = slot_at(slots, index)?;
    if slot.booted {
        return Err(PlanError::Booted { index });
    }
    if slot.pinned {
        return Err(PlanError::Pinned { index });
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(text: &str) -> Vec<Slot> {
        text.split_whitespace()
            .map(|word| Slot {
                stateroot: word[..1].to_owned(),
                booted: word.contains('*'),
                pinned: word.contains('!'),
                staged: word.contains('~'),
                held: word.contains('='),
            })
            .collect()
    }

    fn shown(order: &[Next]) -> String {
        let words: Vec<String> = order
            .iter()
            .map(|next| match next {
                Next::Keep(index) => index.to_string(),
                Next::New => "new".to_owned(),
            })
            .collect();
        words.join(" ")
    }

    fn added(now: &str, stateroot: &str, retain: Retain, position: Position) -> String {
        let now = slots(now);
        let merge = merge_source(&now, stateroot);
        let wish = Wish::Add {
            stateroot: stateroot.to_owned(),
            merge,
            retain,
            position,
        };
        shown(&plan(&now, &wish).expect("an addition is always possible"))
    }

    #[test]
    fn a_new_deployment_keeps_the_booted_one_as_the_only_rollback() {
        let none = Retain::default();
        for (now, next) in [
            ("", "new"),
            ("a", "new 0"),
            ("a a", "new 0"),
            ("a* a", "new 0"),
            ("a a* a", "new 1"),
            ("a a* a!", "new 1 2"),
            ("b a* b a", "new 0 1 2"),
            ("a~ a* a", "new 1"),
        ] {
            assert_eq!(added(now, "a", none, Position::Default), next, "{now}");
        }
    }

    #[test]
    fn retain_keeps_what_it_names() {
        let pending = Retain {
            pending: true,
            ..Retain::default()
        };
        let rollback = Retain {
            rollback: true,
            ..Retain::default()
        };
        let all = Retain {
            all: true,
            ..Retain::default()
        };
        assert_eq!(added("a a* a", "a", pending, Position::Default), "new 0 1");
        assert_eq!(added("a a* a", "a", rollback, Position::Default), "new 1 2");
        assert_eq!(added("a a* a", "a", all, Position::Default), "new 0 1 2");
        assert_eq!(added("b b", "a", rollback, Position::Default), "new 0 1");
    }

    #[test]
    fn not_as_default_goes_after_the_booted_or_merge_deployment_or_last() {
        let none = Retain::default();
        let after = Position::AfterCurrent;
        assert_eq!(added("a a* b", "a", none, after), "1 new 2");
        assert_eq!(added("b a", "a", none, after), "0 1 new");
        assert_eq!(added("b b", "a", none, after), "0 1 new");
    }

    #[test]
    fn a_rollback_returns_to_the_booted_deployment_first() {
        for (now, next) in [
            ("a* a", "1 0"),
            ("a a* a", "1 0 2"),
            ("a~ a* a", "1 2"),
            ("a b a", "2 0 1"),
        ] {
            let order = plan(&slots(now), &Wish::Rollback { stateroot: None });
            assert_eq!(
                shown(&order.expect("there is something to go back to")),
                next,
                "{now}"
            );
        }
        for now in ["a*", "a* b", "a"] {
            assert_eq!(
                plan(&slots(now), &Wish::Rollback { stateroot: None }),
                Err(PlanError::NoRollback),
                "{now}"
            );
        }
    }

    #[test]
    fn booted_and_pinned_deployments_cannot_be_removed() {
        let now = slots("a a* a!");
        assert_eq!(
            plan(&now, &Wish::Remove(1)),
            Err(PlanError::Booted { index: 1 })
        );
        assert_eq!(
            plan(&now, &Wish::Remove(2)),
            Err(PlanError::Pinned { index: 2 })
        );
        assert_eq!(
            plan(&now, &Wish::Remove(3)),
            Err(PlanError::OutOfRange { index: 3, count: 3 })
        );
        assert_eq!(
            shown(&plan(&now, &Wish::Remove(0)).expect("nothing holds it")),
            "1 2"
        );
    }

    fn any_slots() -> impl Strategy<Value = Vec<Slot>> {
        let bits = (
            prop::bool::ANY,
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.3),
        );
        let slot = bits.prop_map(|(second, pinned, held)| Slot {
            stateroot: if second { "b" } else { "a" }.to_owned(),
            booted: false,
            pinned,
            staged: false,
            held,
        });
        (
            prop::collection::vec(slot, 0..7),
            prop::option::of(0usize..7),
            prop::bool::ANY,
        )
            .prop_map(|(mut slots, booted, staged)| {
                if let Some(slot) = booted.and_then(|index| slots.get_mut(index)) {
                    slot.booted = true;
                    let first = slots.first_mut().expect("the booted one is there");
                    first.staged = staged && !first.booted;
                    first.pinned &= !first.staged;
                }
                slots
            })
    }

    fn any_wish() -> impl Strategy<Value = Wish> {
        let stateroot =
            || prop::option::of(prop::sample::select(vec!["a".to_owned(), "b".to_owned()]));
        prop_oneof![
            (
                prop::bool::ANY,
                prop::bool::ANY,
                prop::bool::weighted(0.2),
                prop::bool::ANY,
                0usize..7
            )
                .prop_map(|(pending, rollback, all, default, merge)| Wish::Add {
                    stateroot: "a".to_owned(),
                    merge: Some(merge),
                    retain: Retain {
                        all,
                        pending,
                        rollback
                    },
                    position: if default {
                        Position::Default
                    } else {
                        Position::AfterCurrent
                    },
                }),
            (0usize..8).prop_map(Wish::Remove),
            (0usize..8).prop_map(Wish::MakeDefault),
            stateroot().prop_map(|stateroot| Wish::Rollback { stateroot }),
            prop::sample::select(vec!["a".to_owned(), "b".to_owned()])
                .prop_map(|stateroot| Wish::Expire { stateroot }),
            (stateroot(), prop::bool::ANY, prop::bool::ANY).prop_map(
                |(stateroot, pending, rollback)| Wish::Drop {
                    stateroot,
                    pending,
                    rollback
                }
            ),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_plan_drops_the_booted_or_a_pinned_deployment(now in any_slots(), mut wish in any_wish()) {
            if let Wish::Add { stateroot, merge, .. } = &mut wish {
                *merge = merge.filter(|index| now.get(*index).is_some_and(|slot| slot.stateroot == *stateroot));
            }
            let Ok(order) = plan(&now, &wish) else { return Ok(()) };
            for (index, slot) in now.iter().enumerate() {
                let count = order.iter().filter(|next| **next == Next::Keep(index)).count();
                prop_assert!(count <= 1, "a deployment is listed twice");
                prop_assert!(count == 1 || !(slot.booted || slot.pinned), "{index} was dropped");
                prop_assert!(count == 0 || !slot.staged || order[0] == Next::Keep(index), "staged is not first");
            }
            let asked_by_index = matches!(wish, Wish::Remove(_));
            prop_assert!(now.is_empty() || asked_by_index || !order.is_empty(), "nothing boots any more");
            if matches!(wish, Wish::Add { .. } | Wish::Expire { .. }) {
                for (index, _) in now.iter().enumerate().filter(|(_, slot)| slot.held && !slot.staged) {
                    prop_assert!(order.contains(&Next::Keep(index)), "{index} was dropped though it is held");
                }
            }
            if let Wish::Expire { stateroot } = &wish {
                let (_, rollback) = pending_and_rollback(&now, stateroot);
                for index in rollback.into_iter().chain((!now.is_empty()).then_some(0)) {
                    prop_assert!(order.contains(&Next::Keep(index)), "{index} was dropped");
                }
            }
            let adds = matches!(wish, Wish::Add { .. });
            prop_assert_eq!(order.iter().filter(|next| **next == Next::New).count(), usize::from(adds));
            if let Wish::Add { stateroot, merge, .. } = &wish {
                for (index, slot) in now.iter().enumerate().filter(|(_, slot)| !slot.staged) {
                    let must = slot.stateroot != *stateroot || *merge == Some(index);
                    prop_assert!(!must || order.contains(&Next::Keep(index)), "{index} was dropped");
                }
                let kept: Vec<usize> = order
                    .iter()
                    .filter_map(|next| match next {
                        Next::Keep(index) => Some(*index),
                        Next::New => None,
                    })
                    .collect();
                prop_assert!(kept.is_sorted(), "an addition changed the order of the others");
            }
        }
    }
}
