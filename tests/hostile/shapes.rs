//! Trees that are true, but of a shape that nobody would make in good faith.

use std::process::Command;

use ostler_tests::Program;

use crate::forge::{DIRECTORY, Forge};
use crate::ground::Ground;

/// Runs verbs that must succeed within the limits.
fn borne(ground: &Ground, forge: &Forge, verbs: &[&[&str]]) {
    let of = format!("--repo={}", forge.repo().path().display());
    for verb in verbs {
        let mut arguments = verb.to_vec();
        arguments.insert(1, &of);
        let ending = ground.attempt(&arguments);
        assert_eq!(ending.code, Some(0), "{verb:?}: {}", ending.stderr);
    }
    let victim = ground.victim();
    let into = format!("--repo={}", victim.path().display());
    let from = forge.repo().path().to_str().unwrap();
    let ending = ground.attempt(&["pull-local", &into, "--untrusted", from, "main"]);
    assert_eq!(ending.code, Some(0), "{}", ending.stderr);
    victim.with(&Program::ostler()).fsck();
}

#[test]
fn a_tree_of_ten_thousand_levels_overflows_no_stack() {
    let ground = Ground::new();
    let forge = Forge::new(&ground.join("hostile"));
    let meta = forge.dirmeta(DIRECTORY);
    let mut tree = forge.dirtree(&[], &[]);
    for _ in 0..10_000 {
        tree = forge.dirtree(&[], &[("d", &tree, &meta)]);
    }
    forge.publish(&tree);
    let destination = ground.join("destination");
    let checkout = ["checkout", "main", destination.to_str().unwrap()];
    borne(
        &ground,
        &forge,
        &[
            &["fsck"],
            &["ls", "-R", "main"],
            &["diff", "main", "main"],
            &["prune", "--refs-only"],
            &checkout,
        ],
    );
    // The standard library runs out of handles at this depth.
    let removed = Command::new("rm").arg("-rf").arg(&destination).status();
    assert!(removed.unwrap().success());
}

#[test]
fn a_tree_that_is_its_own_double_forty_times_is_visited_once() {
    let ground = Ground::new();
    let forge = Forge::new(&ground.join("hostile"));
    let meta = forge.dirmeta(DIRECTORY);
    let mut tree = forge.dirtree(&[], &[]);
    for _ in 0..40 {
        tree = forge.dirtree(&[], &[("a", &tree, &meta), ("b", &tree, &meta)]);
    }
    forge.publish(&tree);
    borne(
        &ground,
        &forge,
        &[
            &["fsck"],
            &["diff", "main", "main"],
            &["prune", "--refs-only"],
        ],
    );
}
