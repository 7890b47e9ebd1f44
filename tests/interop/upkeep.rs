//! Pruning: both programs, given the same repository and the same options, leave the same objects and say the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use ostler_tests::{Program, Repo, Scratch};

/// Two branches of five commits each, old ones from 1985, and one commit without a ref.
fn history(scratch: &Scratch) -> Repo {
    let repo = Program::ostree().init_quick(&scratch.join("history"), "archive");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..5 {
        for branch in ["stable", "dev"] {
            fs::write(tree.join("file"), format!("{branch} {number}")).unwrap();
            let time = match number {
                0..3 => format!("--timestamp=@{}", 497_318_400 + number * 86_400),
                _ => format!("--timestamp=@{}", 1_800_000_000 + number),
            };
            repo.commit(branch, &tree, &[&time]);
        }
    }
    fs::write(tree.join("file"), "orphan").unwrap();
    let orphan = repo.commit("orphan", &tree, &[]);
    repo.run("refs", ["--delete", "orphan"]);
    assert_eq!(orphan.len(), 64);
    repo
}

fn copy(from: &Repo, to: &Path, program: &Program) -> Repo {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from.path())
        .arg(to)
        .status();
    assert!(status.unwrap().success());
    program.repo(to)
}

#[test]
fn both_prune_alike_with_every_option() {
    let scratch = Scratch::new();
    let history = history(&scratch);
    let oldest = history.rev_parse("stable^^^^");
    let deleted = format!("--delete-commit={oldest}");
    let cases: &[&[&str]] = &[
        &[],
        &["--refs-only"],
        &["--refs-only", "--depth=0"],
        &["--refs-only", "--depth=2"],
        &["--refs-only", "--depth=0", "--no-prune"],
        &["--depth=0"],
        &["--keep-younger-than=1 week ago"],
        &["--keep-younger-than=October 6 1985"],
        &[
            "--keep-younger-than=@497404800",
            "--retain-branch-depth=stable=1",
        ],
        &[
            "--keep-younger-than=2020-01-01 00:00:00 +0000",
            "--retain-branch-depth=dev=-1",
        ],
        &["--only-branch=dev", "--depth=1"],
        &["--only-branch=dev", "--keep-younger-than=1 week ago"],
        &[
            "--only-branch=dev",
            "--only-branch=stable",
            "--depth=0",
            "--retain-branch-depth=stable=2",
        ],
        &["--depth=0", "--retain-branch-depth=stable=-1"],
        &["--commit-only", "--refs-only", "--depth=1"],
        &["--commit-only", "--only-branch=dev", "--depth=0"],
        &["--commit-only", "--keep-younger-than=1 week ago"],
        &[&deleted],
        &[&deleted, "--refs-only", "--depth=1"],
        &["--commit-only", &deleted],
    ];
    for (number, options) in cases.iter().enumerate() {
        let mut results = Vec::new();
        for program in [Program::ostree(), Program::ostler()] {
            let path = scratch.join(format!("{number}-{}", program.name()));
            let repo = copy(&history, &path, &program);
            let said = repo.run("prune", *options);
            let config = fs::read_to_string(path.join("config")).unwrap();
            results.push((said, repo.objects(), config));
            fs::remove_dir_all(path).unwrap();
        }
        assert_eq!(results[0], results[1], "prune {options:?}");
    }
}

#[test]
fn both_refuse_the_same_mistakes_and_change_nothing() {
    let scratch = Scratch::new();
    let history = history(&scratch);
    let tip = format!("--delete-commit={}", history.rev_parse("dev"));
    let oldest = format!("--delete-commit={}", history.rev_parse("dev^^^^"));
    let before = history.objects();
    for program in [Program::ostree(), Program::ostler()] {
        let repo = history.with(&program);
        for (options, word) in [
            (vec![tip.as_str()], "is referenced by 'dev'"),
            (vec![&oldest, "--no-prune"], "Cannot specify both"),
            (
                vec!["--static-deltas-only"],
                "--static-deltas-only requires --delete-commit",
            ),
            (vec!["--only-branch=BACON"], "not found"),
            (
                vec!["--retain-branch-depth=stable=BACON"],
                "Invalid depth BACON",
            ),
            (
                vec!["--retain-branch-depth=stable"],
                "must specify BRANCH=DEPTH",
            ),
            (vec!["--keep-younger-than=BACON"], "Could not parse 'BACON'"),
        ] {
            let message = repo.fail("prune", &options);
            assert!(
                message.contains(word),
                "{} {options:?}: {message}",
                program.name()
            );
        }
    }
    assert_eq!(history.objects(), before);
    // The real one deletes the commit before it reads the date.
    let repo = history.with(&Program::ostler());
    repo.fail("prune", [oldest.as_str(), "--keep-younger-than=BACON"]);
    assert_eq!(history.objects(), before);
}

#[test]
fn deltas_to_commits_that_are_gone_are_deleted_by_both() {
    let scratch = Scratch::new();
    let history = history(&scratch);
    let ostree = Program::ostree();
    let oldest = history.rev_parse("stable^^^^");
    for revision in ["stable", "stable^^^^"] {
        history.run("static-delta", ["generate", "--empty", revision]);
    }
    for (options, left) in [
        (vec!["--refs-only".to_owned(), "--depth=1".to_owned()], 1),
        (
            vec![
                "--static-deltas-only".to_owned(),
                format!("--delete-commit={oldest}"),
            ],
            1,
        ),
        (vec![], 2),
    ] {
        for program in [Program::ostree(), Program::ostler()] {
            let path = scratch.join("copy");
            let repo = copy(&history, &path, &program);
            repo.run("prune", &options);
            let deltas = repo.with(&ostree).run("static-delta", ["list"]);
            assert_eq!(
                deltas.lines().count(),
                left,
                "{} {options:?}: {deltas}",
                program.name()
            );
            fs::remove_dir_all(path).unwrap();
        }
    }
}

#[test]
fn a_tag_of_an_old_commit_does_not_cut_the_branch_short() {
    let scratch = Scratch::new();
    let repo = history(&scratch).with(&Program::ostler());
    let oldest = repo.rev_parse("dev^^^^");
    repo.run("refs", ["--create=a-tag", "dev^^^"]);
    repo.run("refs", ["--create=z-tag", "dev^^^"]);
    repo.run(
        "prune",
        [
            "--keep-younger-than=2020-01-01",
            "--retain-branch-depth=dev=-1",
        ],
    );
    repo.run("show", [&oldest]);
    repo.fsck();
}
