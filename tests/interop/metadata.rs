//! Files of a repository beside its objects: refs, summary, configuration.

use std::fs;

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch};

use crate::{MODES, both_ways};

fn filled(program: &Program, scratch: &Scratch) -> Repo {
    let tree = scratch.join(format!("tree-{}", program.name()));
    random::write(&tree, 101, 30, Kinds::ALL);
    let repo = program.init_quick(&scratch.join(program.name()), "archive");
    repo.commit("os/stable", &tree, &["--add-metadata-string=version=1"]);
    repo.commit("os/testing", &tree, &[]);
    repo.commit("os/testing", &tree, &["--subject=second"]);
    repo.commit("a", &tree, &[]);
    repo
}

#[test]
fn a_new_repository_has_the_same_configuration() {
    for mode in MODES {
        let scratch = Scratch::new();
        let configurations = [Program::ostree(), Program::ostler()].map(|program| {
            let repo = program.init(&scratch.join(program.name()), mode);
            fs::read_to_string(repo.path().join("config")).unwrap()
        });
        assert_eq!(configurations[1], configurations[0], "{mode}");
        for (maker, user) in both_ways() {
            let repo = user.repo(&scratch.join(maker.name()));
            assert_eq!(
                repo.run("refs", [""; 0]),
                "",
                "{} opens an empty {mode} repository",
                user.name()
            );
        }
    }
}

#[test]
fn a_repository_that_is_there_is_left_as_it_is() {
    let scratch = Scratch::new();
    let link = scratch.join("ostree");
    std::os::unix::fs::symlink(Program::ostler().path(), &link).unwrap();
    for program in [Program::ostree().path(), &link, Program::ostler().path()] {
        let repo = Program::ostree().init_quick(&scratch.join("repo"), "bare-user");
        let config = fs::read(repo.path().join("config")).unwrap();
        let init = |options: &[&str]| {
            let mut command = std::process::Command::new(program);
            let path = format!("--repo={}", repo.path().display());
            let output = command
                .arg("init")
                .arg(path)
                .args(options)
                .output()
                .unwrap();
            assert_eq!(fs::read(repo.path().join("config")).unwrap(), config);
            output.status.success()
        };
        assert!(init(&[]) && init(&["--mode=bare-user"]), "{program:?}");
        // Under its own name the program tells of what was asked for and is not so.
        let is_own = program.ends_with("ostler");
        assert_eq!(init(&["--mode=archive"]), !is_own, "{program:?}");
        fs::remove_dir_all(repo.path()).unwrap();
    }
}

#[test]
fn a_summary_says_the_same_but_for_its_time() {
    let scratch = Scratch::new();
    let summaries = [Program::ostree(), Program::ostler()].map(|program| {
        let repo = filled(&program, &scratch);
        repo.run("summary", ["-u", "--add-metadata=extra='value'"]);
        let view = repo.with(&Program::ostree()).run("summary", ["--view"]);
        // The real one says that it indexes deltas even where there are none.
        let differs =
            |line: &&str| line.contains("Last-Modified") || line.contains("indexed-deltas");
        let lines: Vec<_> = view
            .lines()
            .filter(|line| !differs(line))
            .map(str::to_owned)
            .collect();
        lines
    });
    assert_eq!(summaries[1], summaries[0]);
}

fn sorted_lines(repo: &Repo, arguments: &[&str]) -> Vec<String> {
    let mut lines: Vec<_> = repo
        .run("refs", arguments)
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// Expiry is a big-endian number: these are 2100-01-01 and one in the wrong order.
#[test]
fn a_summary_is_shown_as_the_other_program_shows_it() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let repo = filled(&maker, &scratch);
        for expires in ["@t 4102444800", "@t 9279291366605029376"] {
            let expires = format!("ostree.summary.expires={expires}");
            let own = "org.example.note={'k': <uint32 3>}";
            repo.run("summary", ["-u", "-m", &expires, "-m", own]);
            for option in ["--view", "--raw"] {
                assert_eq!(
                    repo.run("summary", [option]),
                    repo.with(&user).run("summary", [option]),
                    "{} {option} {expires}",
                    maker.name()
                );
            }
        }
    }
}

#[test]
fn refs_of_one_program_are_read_moved_and_deleted_by_the_other() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let made = filled(&maker, &scratch);
        let repo = made.with(&user);
        for reader in [&made, &repo] {
            // The real ostree lists refs in the order of its hash tables.
            assert_eq!(sorted_lines(reader, &[]), ["a", "os/stable", "os/testing"]);
            assert_eq!(sorted_lines(reader, &["os"]), ["stable", "testing"]);
            assert_eq!(
                sorted_lines(reader, &["--list", "os"]),
                ["os/stable", "os/testing"]
            );
        }
        let stable = made.rev_parse("os/stable");
        repo.run("refs", ["--create=os/new", "os/stable"]);
        repo.run("refs", ["--alias", "--create=os/alias", "os/stable"]);
        assert_eq!(made.rev_parse("os/new"), stable);
        assert_eq!(made.rev_parse("os/alias"), stable);
        repo.run("reset", ["os/testing", "os/testing^"]);
        assert_ne!(made.rev_parse("os/testing"), stable);
        repo.run("refs", ["--delete", "os/new", "a"]);
        for reader in [&made, &repo] {
            assert_eq!(
                sorted_lines(reader, &[]),
                ["os/alias", "os/stable", "os/testing"]
            );
        }
    }
}

#[test]
fn configuration_and_remotes_written_by_one_are_read_by_the_other() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let made = maker.init_quick(&scratch.join("repo"), "bare-user");
        let repo = made.with(&user);
        made.run("config", ["set", "core.min-free-space-percent", "7"]);
        assert_eq!(
            repo.run("config", ["get", "core.min-free-space-percent"]),
            "7"
        );
        made.run(
            "config",
            [
                "--group=ex group",
                "set",
                "some key",
                "a value with = and ; in it",
            ],
        );
        assert_eq!(
            repo.run("config", ["--group=ex group", "get", "some key"]),
            "a value with = and ; in it"
        );
        made.run("config", ["unset", "core.min-free-space-percent"]);
        repo.fail("config", ["get", "core.min-free-space-percent"]);
        made.run(
            "remote add",
            [
                "--no-gpg-verify",
                "--set=proxy=http://localhost:1",
                "origin",
                "http://127.0.0.1:9/repo",
                "a/b",
            ],
        );
        made.run(
            "remote add",
            ["--no-gpg-verify", "second", "file:///nowhere"],
        );
        for reader in [&made, &repo] {
            assert_eq!(reader.run("remote list", [""; 0]), "origin\nsecond");
            assert_eq!(
                reader.run("remote show-url", ["origin"]),
                "http://127.0.0.1:9/repo"
            );
        }
        repo.run("remote delete", ["second"]);
        assert_eq!(made.run("remote list", [""; 0]), "origin");
    }
}

#[test]
fn the_same_configuration_is_written_for_the_same_remote() {
    let scratch = Scratch::new();
    let configurations = [Program::ostree(), Program::ostler()].map(|program| {
        let repo = program.init(&scratch.join(program.name()), "archive");
        repo.run(
            "remote add",
            [
                "--no-gpg-verify",
                "--contenturl=http://127.0.0.1:9/c",
                "origin",
                "http://127.0.0.1:9/repo",
                "a/b",
                "c",
            ],
        );
        repo.run(
            "remote add",
            [
                "--no-sign-verify",
                "--set=branch=x",
                "other",
                "http://127.0.0.1:9/other",
            ],
        );
        fs::read_to_string(repo.path().join("config")).unwrap()
    });
    assert_eq!(configurations[1], configurations[0]);
}

#[test]
fn prune_deletes_the_same_objects() {
    let cases: &[&[&str]] = &[
        &["--refs-only"],
        &["--refs-only", "--depth=0"],
        &["--refs-only", "--depth=0", "--no-prune"],
        &["--depth=0"],
    ];
    for options in cases {
        let scratch = Scratch::new();
        let left = [Program::ostree(), Program::ostler()].map(|program| {
            let repo = Program::ostree().init_quick(&scratch.join(program.name()), "archive");
            for (seed, branch) in [
                (1, "main"),
                (2, "main"),
                (3, "main"),
                (4, "gone"),
                (5, "kept"),
            ] {
                let tree = scratch.join("tree");
                let _ = fs::remove_dir_all(&tree);
                random::write(&tree, seed, 25, Kinds::PLAIN);
                repo.commit(branch, &tree, &[]);
            }
            repo.run("refs", ["--delete", "gone"]);
            let repo = repo.with(&program);
            repo.run("prune", options.iter());
            repo.with(&Program::ostree()).fsck();
            repo.objects()
        });
        assert_eq!(left[1], left[0], "prune {options:?}");
    }
}
