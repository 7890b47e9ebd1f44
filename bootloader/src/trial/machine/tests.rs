//! Every order of events: what a world of boot loaders, power cuts, people and checks can do to the machine.

use std::collections::{BTreeMap, BTreeSet};

use ostler_format::{CommitId, DeploymentName};
use proptest::prelude::*;

use super::*;

const TRIES: u32 = 2;

fn id(number: u32) -> TrialId {
    TrialId {
        stateroot: "os".parse().unwrap(),
        name: DeploymentName {
            commit: commit(number),
            serial: 0,
        },
    }
}

fn commit(number: u32) -> CommitId {
    format!("{number:064}").parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A boot of the default that ends before anything is counted.
    PanicsEarly,
    /// A boot that ends once it was counted, and before anything else.
    Hangs,
    /// A boot that ends after the first unit.
    HangsLate,
    /// A boot, with a verdict.
    Healthy,
    Unhealthy,
    /// The power goes after the state was written, and before the boot order is; or before that is noted.
    CutBeforePublish,
    CutAfterPublish,
    /// The loader boots the second entry by itself.
    LoaderGivesUp,
    /// A person boots the second entry by the menu; it is healthy.
    MenuChoosesSecond,
    Upgrade,
    UpgradeToBad,
    RollBackByHand,
    RetryBad,
}

const EVENTS: [Event; 13] = [
    Event::PanicsEarly,
    Event::Hangs,
    Event::HangsLate,
    Event::Healthy,
    Event::Unhealthy,
    Event::CutBeforePublish,
    Event::CutAfterPublish,
    Event::LoaderGivesUp,
    Event::MenuChoosesSecond,
    Event::Upgrade,
    Event::UpgradeToBad,
    Event::RollBackByHand,
    Event::RetryBad,
];

/// How far the executor of a rollback comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    BeforePublish,
    AfterPublish,
}

struct World {
    /// As it is on disk.
    trials: Trials,
    order: Vec<TrialId>,
    /// What runs, if something does that can be given a command.
    running: Option<TrialId>,
    boots: u32,
    commits: u32,
    armed: BTreeMap<TrialId, u32>,
    rollbacks: BTreeMap<TrialId, u32>,
    proven: BTreeSet<TrialId>,
    /// Boots that the machine itself asked for, one after another.
    reboots: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            trials: Trials::default(),
            order: vec![id(0)],
            running: None,
            boots: 0,
            commits: 0,
            armed: BTreeMap::new(),
            rollbacks: BTreeMap::new(),
            proven: BTreeSet::new(),
            reboots: 0,
        };
        world.step(Event::Healthy);
        world
    }

    /// What the first root makes of an entry.
    fn first_root(&mut self, chosen: &TrialId) -> TrialId {
        self.boots += 1;
        let boot = self.boots.to_string();
        let order = self.order.clone();
        match self.trials.boots(chosen, &boot, |id| order.contains(id)) {
            Booting::Itself => chosen.clone(),
            Booting::Instead(other) => other,
        }
    }

    fn started(&mut self, booted: &TrialId, loader: Loader) -> Outcome {
        let boot = self.boots.to_string();
        self.trials.started(&self.order, booted, &boot, loader, 1)
    }

    /// Carries out what is asked for; false if the machine goes down by it.
    fn carry_out(&mut self, outcome: Outcome, cut: Cut) -> bool {
        match outcome {
            Outcome::Nothing => true,
            Outcome::Proven => {
                self.proven.extend(self.running.clone());
                true
            }
            Outcome::Retry { .. } => {
                self.reboots += 1;
                false
            }
            Outcome::RollBack { from, to } => {
                assert!(!self.proven.contains(&from), "{from} was proven good");
                if cut == Cut::BeforePublish {
                    return false;
                }
                assert!(self.order.contains(&to), "{to} can be booted");
                *self.rollbacks.entry(from.clone()).or_default() += 1;
                self.order.retain(|other| *other != to);
                self.order.insert(0, to);
                if cut == Cut::Never {
                    self.trials.rolled_back(&from, 1);
                }
                self.reboots += 1;
                false
            }
        }
    }

    fn boot(&mut self, chosen: &TrialId, loader: Loader, end: Event, cut: Cut) {
        let booted = self.first_root(chosen);
        self.running = None;
        if end == Event::Hangs {
            return;
        }
        self.running = Some(booted.clone());
        let outcome = self.started(&booted, loader);
        if !self.carry_out(outcome, cut) || end == Event::HangsLate {
            self.running = None;
            return;
        }
        let verdict = match end {
            Event::Healthy => Verdict::Healthy,
            _ => Verdict::Unhealthy("a check"),
        };
        let outcome = self.trials.judge(&self.order, &booted, verdict, 1);
        if !self.carry_out(outcome, cut) {
            self.running = None;
        }
    }

    fn upgrade(&mut self, number: u32) {
        let Some(booted) = self.running.clone() else {
            return;
        };
        let new = id(number);
        if self.trials.refusal(commit(number)).is_some() || self.order.contains(&new) {
            return;
        }
        // As the plan does: the booted one stays, and what is needed.
        let trials = &self.trials;
        self.order
            .retain(|other| *other == booted || trials.is_needed(other));
        let fallback = self.trials.fallback(&self.order, Some(&booted));
        assert!(fallback.is_some(), "something runs");
        self.trials.arm(&new, TRIES, fallback, 1);
        *self.armed.entry(new.clone()).or_default() += 1;
        self.order.insert(0, new);
        let order = self.order.clone();
        self.trials.forget(|id| order.contains(id));
    }

    fn step(&mut self, event: Event) {
        let default = self.order[0].clone();
        let second = self.order.get(1).unwrap_or(&default).clone();
        match event {
            Event::PanicsEarly => self.running = None,
            Event::Hangs | Event::HangsLate | Event::Healthy | Event::Unhealthy => {
                self.boot(&default, Loader::Obeyed, event, Cut::Never);
            }
            Event::CutBeforePublish => {
                self.boot(
                    &default,
                    Loader::Obeyed,
                    Event::Unhealthy,
                    Cut::BeforePublish,
                );
            }
            Event::CutAfterPublish => {
                self.boot(
                    &default,
                    Loader::Obeyed,
                    Event::Unhealthy,
                    Cut::AfterPublish,
                );
            }
            Event::LoaderGivesUp => {
                self.boot(&second, Loader::GaveUp, Event::Healthy, Cut::Never);
            }
            Event::MenuChoosesSecond => {
                self.boot(&second, Loader::Obeyed, Event::Healthy, Cut::Never);
            }
            Event::Upgrade => {
                if self.running.is_some() {
                    self.commits += 1;
                }
                self.upgrade(self.commits);
            }
            Event::UpgradeToBad => {
                let bad = self.trials.refused().next().map(|(commit, _)| *commit);
                let before = self.order.clone();
                if let Some(number) = (0..=self.commits).find(|n| Some(commit(*n)) == bad) {
                    self.upgrade(number);
                    assert_eq!(self.order, before, "a bad commit is not taken again");
                }
            }
            Event::RollBackByHand => {
                if self.running.is_some() && self.order.len() > 1 {
                    self.order.swap(0, 1);
                    self.trials.chosen(&second, Some(&default));
                }
            }
            Event::RetryBad => {
                let bad = self.trials.refused().next().map(|(commit, _)| *commit);
                if let Some(bad) = bad {
                    assert!(self.trials.take_again(bad));
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        assert!(!self.order.is_empty(), "something can be booted");
        for (id, count) in &self.rollbacks {
            let armed = self.armed.get(id).copied().unwrap_or(0);
            assert!(*count <= armed, "{id}: {count} rollbacks in {armed} trials");
        }
        let read = Trials::parse(&self.trials.to_bytes()).unwrap();
        assert_eq!(read, self.trials, "the disk holds all of it");
    }

    /// Whatever goes on going wrong in the same way, the machine comes to rest, and with what it started from if that works.
    fn comes_to_rest(mut self, end: Event) {
        let mut booted = Vec::new();
        for _ in 0..(TRIES + 4) * 3 {
            let before = self.reboots;
            let default = self.order[0].clone();
            self.boot(&default, Loader::Obeyed, end, Cut::Never);
            self.check();
            booted.push((self.order[0].clone(), self.reboots - before));
        }
        let (last, asked) = booted.last().unwrap();
        assert_eq!(*asked, 0, "it still reboots by itself: {booted:?}");
        let before = &booted[booted.len() - 2].0;
        assert_eq!(last, before, "the order still changes");
    }
}

fn run(events: &[Event]) -> World {
    let mut world = World::new();
    for event in events {
        world.step(*event);
    }
    world
}

fn and_then(events: &[Event]) {
    for end in [Event::Unhealthy, Event::HangsLate, Event::Healthy] {
        run(events).comes_to_rest(end);
    }
}

#[test]
fn no_order_of_a_few_events_loops_or_rolls_back_twice() {
    let mut sequences = vec![Vec::new()];
    for _ in 0..3 {
        let longer = sequences.iter().flat_map(|sequence: &Vec<Event>| {
            EVENTS
                .iter()
                .map(|event| [sequence.as_slice(), &[*event]].concat())
        });
        sequences = longer.collect();
    }
    for events in &sequences {
        and_then(&[&[Event::Upgrade], events.as_slice()].concat());
    }
}

proptest! {
    #[test]
    fn no_order_of_many_events_loops_or_rolls_back_twice(
        events in prop::collection::vec(prop::sample::select(EVENTS.to_vec()), 0..60)
    ) {
        and_then(&events);
    }
}

#[test]
fn a_version_that_never_comes_up_is_given_up_after_its_tries_exactly_once() {
    for bad in [Event::Hangs, Event::HangsLate, Event::Unhealthy] {
        let mut events = vec![Event::Upgrade];
        events.extend([bad; TRIES as usize]);
        let world = run(&events);
        let failed = world.trials.standing(&id(1));
        if bad == Event::Unhealthy {
            assert_eq!(world.order[0], id(0), "its last verdict was one too many");
            assert_eq!(failed, Some(Standing::Bad));
        } else {
            assert_eq!(failed, Some(Standing::Trial { left: 0 }));
        }
        events.extend([Event::Healthy; 3]);
        let world = run(&events);
        assert_eq!(world.order, [id(0), id(1)], "{bad:?}");
        assert_eq!(world.rollbacks, BTreeMap::from([(id(1), 1)]), "{bad:?}");
        assert_eq!(world.trials.standing(&id(1)), Some(Standing::Bad));
        assert_eq!(world.running, Some(id(0)));
        assert!(world.trials.refusal(commit(1)).is_some());
    }
}

#[test]
fn a_version_that_was_proven_is_never_rolled_back_whatever_fails_later() {
    let mut events = vec![Event::Upgrade, Event::Hangs, Event::Healthy];
    events.extend([Event::Unhealthy, Event::Hangs, Event::HangsLate].repeat(4));
    let world = run(&events);
    assert_eq!(world.order, [id(1), id(0)]);
    assert_eq!(world.reboots, 0);
    assert_eq!(world.trials.standing(&id(1)), Some(Standing::Good));
}

#[test]
fn the_loader_that_gave_up_first_is_believed_and_a_person_at_its_menu_is_not_taken_for_it() {
    let world = run(&[Event::Upgrade, Event::LoaderGivesUp]);
    assert_eq!(world.order, [id(0), id(1)]);
    assert_eq!(world.trials.standing(&id(1)), Some(Standing::Bad));
    let world = run(&[Event::Upgrade, Event::MenuChoosesSecond]);
    assert_eq!(world.order, [id(1), id(0)]);
    let left = Standing::Trial { left: TRIES };
    assert_eq!(world.trials.standing(&id(1)), Some(left));
}

#[test]
fn an_upgrade_from_a_trial_goes_back_to_what_was_proven() {
    let mut events = vec![Event::Upgrade, Event::HangsLate];
    let world = run(&events);
    assert_eq!(world.running, None);
    // The second version runs, without a verdict yet, when the third comes.
    let mut world = run(&events);
    world.running = Some(id(1));
    world.step(Event::Upgrade);
    assert_eq!(world.order, [id(2), id(1), id(0)]);
    events = vec![Event::Hangs, Event::Hangs, Event::Healthy, Event::Healthy];
    for event in events {
        world.step(event);
    }
    assert_eq!(world.running, Some(id(0)));
    assert_eq!(world.order, [id(0), id(2), id(1)]);
}

#[test]
fn what_a_person_chooses_is_booted_even_if_it_was_found_bad() {
    let mut events = vec![Event::Upgrade];
    events.extend([Event::Unhealthy; TRIES as usize]);
    events.extend([Event::Healthy, Event::RollBackByHand]);
    events.extend([Event::Unhealthy, Event::Hangs, Event::Unhealthy]);
    let world = run(&events);
    assert_eq!(world.order[0], id(1));
    assert_eq!(world.running, Some(id(1)));
}
