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

fn removal(index: usize) -> Wish {
    let only = IfOnly::Refuse;
    Wish::Remove { index, only }
}

#[test]
fn the_only_deployment_that_boots_is_removed_where_that_is_asked_for_alone() {
    for (now, index, refused) in [("a", 0, true), ("a~ a", 1, true), ("a~ a", 0, false)] {
        let found = plan(&slots(now), &removal(index));
        assert_eq!(
            found == Err(PlanError::Only { index }),
            refused,
            "{now} {index}"
        );
    }
    let only = IfOnly::Remove;
    assert_eq!(
        plan(&slots("a"), &Wish::Remove { index: 0, only }),
        Ok(Vec::new())
    );
}

#[test]
fn booted_and_pinned_deployments_cannot_be_removed() {
    let now = slots("a a* a!");
    assert_eq!(plan(&now, &removal(1)), Err(PlanError::Booted { index: 1 }));
    assert_eq!(plan(&now, &removal(2)), Err(PlanError::Pinned { index: 2 }));
    assert_eq!(
        plan(&now, &removal(3)),
        Err(PlanError::OutOfRange { index: 3, count: 3 })
    );
    assert_eq!(
        shown(&plan(&now, &removal(0)).expect("nothing holds it")),
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
    let stateroot = || prop::option::of(prop::sample::select(vec!["a".to_owned(), "b".to_owned()]));
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
        (0usize..8, prop::bool::ANY).prop_map(|(index, removes)| Wish::Remove {
            index,
            only: if removes {
                IfOnly::Remove
            } else {
                IfOnly::Refuse
            },
        }),
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
        let asked_by_index = matches!(wish, Wish::Remove { only: IfOnly::Remove, .. });
        let boots = |next: &Next| match next {
            Next::Keep(index) => !now[*index].staged,
            Next::New => true,
        };
        let booted = now.iter().any(|slot| !slot.staged);
        prop_assert!(!booted || asked_by_index || order.iter().any(boots), "nothing boots any more");
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
