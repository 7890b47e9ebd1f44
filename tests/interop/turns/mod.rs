//! Both programs by turns on one sysroot, in random order: after each step both tell the same, and what boots is as a model says.
//!
//! Environment: `OSTLER_TURNS_STEPS=N` does so many steps a case; `OSTLER_TURNS_SEED=N` does one case alone.

mod host;
mod model;

use std::env;

use ostler_tests::{Dice, Program};

use host::Host;
use model::{Model, Options, Others, Step};

const BRANCHES: [&str; 2] = ["os/stable", "os/testing"];
const STATEROOTS: [&str; 3] = ["alpha", "beta", "gamma"];
const FILES: [&str; 5] = ["default", "edited", "removed", "nested/constant", "own"];
/// More would take room and show nothing new.
const MOST_DEPLOYMENTS: usize = 7;

fn steps() -> usize {
    let given = env::var("OSTLER_TURNS_STEPS").ok();
    given.map_or(40, |text| {
        text.parse().expect("OSTLER_TURNS_STEPS is a number")
    })
}

fn chosen_seed() -> Option<u64> {
    let given = env::var("OSTLER_TURNS_SEED").ok()?;
    Some(given.parse().expect("OSTLER_TURNS_SEED is a number"))
}

/// Chooses a step that makes sense now, or one that must be refused.
fn choose(dice: &mut Dice, model: &Model) -> Step {
    let count = model.deployments.len();
    let missing = STATEROOTS
        .iter()
        .find(|name| !model.stateroots.contains(name));
    let stateroot = dice.pick(&model.stateroots);
    let branch = dice.pick(&BRANCHES);
    if count == 0 {
        return Step::Deploy(stateroot, branch, Options::default());
    }
    let index = dice.below(count as u64) as usize;
    let number = dice.below(1000);
    match dice.below(20) {
        0 if let Some(missing) = missing => Step::Init(missing),
        0 | 1 => Step::Cleanup,
        2..=4 => Step::Upgrade(stateroot),
        5 | 6 => Step::Switch(stateroot, branch),
        7 => Step::Undeploy(count + 1),
        // Ostler keeps what is pinned and the only one, ostree does not.
        8 | 9 if !model.deployments[index].pinned && count > 1 => Step::Undeploy(index),
        10 if index > 0 => Step::SetDefault(index),
        11 => Step::Pin(index),
        12 => Step::Unpin(index),
        13 => Step::Follow(index, branch),
        14 => Step::SetKargs(format!("set{}={number}", number % 3)),
        15 => Step::KargIfMissing(format!("missing{}={number}", number % 3)),
        16 | 17 => Step::Write(index, dice.pick(&FILES), format!("by hand {number}")),
        18 => Step::Remove(index, dice.pick(&FILES)),
        _ if count >= MOST_DEPLOYMENTS => Step::Deploy(stateroot, branch, Options::default()),
        _ => Step::Deploy(stateroot, branch, options(dice)),
    }
}

fn options(dice: &mut Dice) -> Options {
    let number = dice.below(1000);
    let others = [
        Others::Merge,
        Others::Merge,
        Others::All,
        Others::Pending,
        Others::Rollback,
    ];
    Options {
        others: dice.pick(&others),
        not_as_default: dice.one_in(4),
        no_merge: dice.one_in(6),
        set_karg: dice.one_in(3).then(|| format!("root=LABEL={number}")),
        append_karg: dice.one_in(3).then(|| format!("console=tty{number}")),
    }
}

/// Does random steps; `seed` says which.
fn run(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut model = Model::default();
    let old_names = seed.is_multiple_of(2);
    let mut host = Host::new(old_names);
    for branch in BRANCHES {
        host.publish(&mut model, branch, dice.below(2));
    }
    let programs = [Program::ostree(), Program::ostler()];
    let mut transcript = format!("OSTLER_TURNS_SEED={seed}\n");
    model.apply("ostree", &Step::Init(STATEROOTS[0]));
    host.take(&Program::ostree(), &model, &Step::Init(STATEROOTS[0]));
    for number in 0..steps() {
        if dice.one_in(3) {
            host.publish(&mut model, dice.pick(&BRANCHES), dice.below(2));
        }
        let step = choose(&mut dice, &model);
        let mut program = &programs[dice.below(2) as usize];
        let beyond_ostree = match step {
            // ostree 2022.7 has no such verb.
            Step::SetDefault(_) => true,
            // It writes an entry of its own beside one that newer versions have named.
            Step::KargIfMissing(_) => !old_names,
            _ => false,
        };
        if beyond_ostree {
            program = &programs[1];
        }
        let before = model.clone();
        let expected = model.apply(program.name(), &step);
        transcript.push_str(&format!(
            "{number}: {}: {step}: {expected:?}\n",
            program.name()
        ));
        let found = host.take(program, &before, &step);
        assert_eq!(found.0, expected, "{transcript}\n{}", found.1);
        let tidied = program.name() == "ostler" && step == Step::Cleanup;
        host.check(&model, tidied, &transcript);
    }
    host.check_repository();
    println!("seed {seed}: {} steps", steps());
}

/// One of a case's seeds, or the one that was asked for.
fn case(number: u64) {
    match chosen_seed() {
        None => run(number),
        Some(seed) if number == 1 => run(seed),
        Some(_) => {}
    }
}

#[test]
fn programs_by_turns_agree_with_the_model_1() {
    case(1);
}

#[test]
fn programs_by_turns_agree_with_the_model_2() {
    case(2);
}

#[test]
fn programs_by_turns_agree_with_the_model_3() {
    case(3);
}

#[test]
fn programs_by_turns_agree_with_the_model_4() {
    case(4);
}

#[test]
fn programs_by_turns_agree_with_the_model_5() {
    case(5);
}

#[test]
fn programs_by_turns_agree_with_the_model_6() {
    case(6);
}
