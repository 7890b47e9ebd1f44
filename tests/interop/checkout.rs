//! Trees checked out from what the other program made.

use std::fs;
use std::path::Path;

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Snapshot, View};

use crate::{MODES, both_ways, canonical_if_needed};

fn checkout(repo: &Repo, options: &[&str], commit: &str, destination: &Path) {
    let fixed = [commit.as_ref(), destination.as_os_str()];
    repo.run("checkout", options.iter().map(AsRef::as_ref).chain(fixed));
}

/// Ways to check out from a repository of a mode.
const WAYS: &[(&str, &[&str])] = &[
    ("archive", &[]),
    ("archive", &["-U"]),
    ("archive", &["-C"]),
    ("bare", &[]),
    ("bare", &["-H"]),
    ("bare", &["-C"]),
    ("bare", &["-H", "-z"]),
    ("bare-user", &[]),
    ("bare-user", &["-U"]),
    ("bare-user", &["-U", "-H"]),
    ("bare-user", &["-U", "-H", "-z"]),
    ("bare-user", &["-U", "-C"]),
    ("bare-user", &["-U", "-M"]),
    ("bare-user-only", &[]),
    ("bare-user-only", &["-U", "-H"]),
];

#[test]
fn both_programs_check_out_the_same_tree() {
    for seed in [1, 2, 3] {
        let scratch = Scratch::new();
        let tree = scratch.join("tree");
        random::write(&tree, seed, 150, Kinds::ALL);
        for mode in MODES {
            Program::ostree()
                .init_quick(&scratch.join(mode), mode)
                .commit("main", &tree, canonical_if_needed(mode));
        }
        for (mode, options) in WAYS {
            let trees = [Program::ostree(), Program::ostler()].map(|program| {
                let destination = scratch.join("checkout");
                checkout(
                    &program.repo(&scratch.join(mode)),
                    options,
                    "main",
                    &destination,
                );
                let view = View {
                    links: true,
                    ..View::COMMITTED
                };
                let snapshot = Snapshot::of(&destination, view);
                fs::remove_dir_all(&destination).unwrap();
                snapshot
            });
            trees[0].assert_same(
                &trees[1],
                &format!("checkout {options:?} of {mode}, ostree's first"),
            );
        }
    }
}

#[test]
fn a_commit_of_one_program_is_checked_out_whole_by_the_other() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let tree = scratch.join("tree");
        random::write(&tree, 5, 200, Kinds::ALL);
        let committed = Snapshot::of(&tree, View::COMMITTED).without_empty_xattrs();
        for mode in ["archive", "bare", "bare-user"] {
            let repo = maker.init_quick(&scratch.join(mode), mode);
            repo.commit("main", &tree, &[]);
            let destination = scratch.join(format!("out-{mode}"));
            checkout(&repo.with(&user), &[], "main", &destination);
            let claim = format!(
                "{} commits into {mode}, {} checks out",
                maker.name(),
                user.name()
            );
            committed.assert_same(&Snapshot::of(&destination, View::COMMITTED), &claim);
        }
    }
}

#[test]
fn unions_onto_existing_trees_are_the_same() {
    let scratch = Scratch::new();
    for (name, seed) in [("first", 7), ("second", 8)] {
        let tree = scratch.join(name);
        fs::create_dir_all(tree.join("shared")).unwrap();
        random::write(&tree.join(format!("only {name}")), seed, 40, Kinds::ALL);
        random::write(
            &tree.join(format!("shared/{name}")),
            seed + 2,
            40,
            Kinds::ALL,
        );
        fs::write(tree.join("shared/conflict"), name).unwrap();
        fs::write(tree.join("shared/identical"), "identical").unwrap();
    }
    let repo = Program::ostree().init_quick(&scratch.join("repo"), "bare-user");
    for name in ["first", "second"] {
        repo.commit(name, &scratch.join(name), &[]);
    }
    let ways: &[&[&str]] = &[
        &["--union"],
        &["--union-add"],
        &["-U", "-H", "--union"],
        &["-U", "-H", "--union-add"],
    ];
    for options in ways {
        let trees = [Program::ostree(), Program::ostler()].map(|program| {
            let destination = scratch.join("checkout");
            let repo = repo.with(&program);
            checkout(&repo, options, "first", &destination);
            checkout(&repo, options, "second", &destination);
            let snapshot = Snapshot::of(&destination, View::COMMITTED);
            fs::remove_dir_all(&destination).unwrap();
            snapshot
        });
        trees[0].assert_same(&trees[1], &format!("checkout {options:?}, ostree's first"));
    }
}

#[test]
fn an_identical_union_refuses_what_differs() {
    let scratch = Scratch::new();
    let repo = Program::ostree().init_quick(&scratch.join("repo"), "bare-user");
    for (name, content) in [("first", "same"), ("more", "same"), ("other", "different")] {
        let tree = scratch.join(name);
        fs::create_dir_all(tree.join("folder")).unwrap();
        fs::write(tree.join("folder/file"), content).unwrap();
        fs::write(tree.join("folder").join(name), name).unwrap();
        repo.commit(name, &tree, &[]);
    }
    let identical = ["-U", "-H", "--union-identical"];
    let trees = [Program::ostree(), Program::ostler()].map(|program| {
        let destination = scratch.join(format!("checkout-{}", program.name()));
        let repo = repo.with(&program);
        for commit in ["first", "more", "first"] {
            checkout(&repo, &identical, commit, &destination);
        }
        let fixed = ["other".as_ref(), destination.as_os_str()];
        repo.fail("checkout", identical.iter().map(AsRef::as_ref).chain(fixed));
        repo.fail("checkout", ["first".as_ref(), destination.as_os_str()]);
        let mut snapshot = Snapshot::of(&destination, View::COMMITTED);
        // The refused checkout may have come this far.
        snapshot.retain(|path| !path.ends_with("other"));
        snapshot
    });
    trees[0].assert_same(&trees[1], "ostree's first");
}

#[test]
fn parts_of_a_tree_are_the_same() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/lib/deep")).unwrap();
    for name in ["usr/file", "usr/lib/one", "usr/lib/deep/two"] {
        fs::write(tree.join(name), name).unwrap();
    }
    let skip_list = scratch.join("skip");
    fs::write(
        &skip_list,
        "/usr/lib/deep/\n/usr/file\n/usr/lib\nusr/lib/one\n",
    )
    .unwrap();
    let skip_option = format!("--skip-list={}", skip_list.display());
    let repo = Program::ostree().init_quick(&scratch.join("repo"), "archive");
    repo.commit("main", &tree, &[]);
    for options in [
        &["--subpath=/usr/lib"][..],
        &["--subpath=usr/lib/deep"],
        &["--subpath=/usr/file"],
        &[&skip_option],
    ] {
        let trees = [Program::ostree(), Program::ostler()].map(|program| {
            let destination = scratch.join("checkout");
            checkout(&repo.with(&program), options, "main", &destination);
            let snapshot = Snapshot::of(&destination, View::COMMITTED);
            fs::remove_dir_all(&destination).unwrap();
            snapshot
        });
        trees[0].assert_same(&trees[1], &format!("checkout {options:?}, ostree's first"));
    }
}

#[test]
fn whiteouts_hide_what_lies_below() {
    let scratch = Scratch::new();
    let [lower, upper] = ["lower", "upper"].map(|name| scratch.join(name));
    fs::create_dir_all(lower.join("opaque")).unwrap();
    fs::create_dir_all(upper.join("opaque")).unwrap();
    for name in ["gone", "kept", "opaque/old"] {
        fs::write(lower.join(name), name).unwrap();
    }
    for name in [".wh.gone", "opaque/.wh..wh..opq", "opaque/new"] {
        fs::write(upper.join(name), "").unwrap();
    }
    let repo = Program::ostree().init_quick(&scratch.join("repo"), "bare-user");
    repo.commit("lower", &lower, &[]);
    repo.commit("upper", &upper, &[]);
    let trees = [Program::ostree(), Program::ostler()].map(|program| {
        let destination = scratch.join(program.name());
        let repo = repo.with(&program);
        checkout(&repo, &["-U", "-H", "--union"], "lower", &destination);
        checkout(
            &repo,
            &["-U", "-H", "--union", "--whiteouts"],
            "upper",
            &destination,
        );
        Snapshot::of(&destination, View::COMMITTED)
    });
    trees[0].assert_same(&trees[1], "whiteouts, ostree's first");
    assert!(!trees[0].entries().contains_key(Path::new("gone")));
}

#[test]
fn without_a_destination_the_tree_is_called_as_the_commit_was_asked_for() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 4, 10, Kinds::ALL);
    let path = scratch.join("repo");
    let id = Program::ostree()
        .init_quick(&path, "archive")
        .commit("main", &tree, &[]);
    for program in [Program::ostree(), Program::ostler()] {
        let place = scratch.join(program.name());
        fs::create_dir(&place).unwrap();
        for asked in ["main", &id] {
            let repo = format!("--repo={}", path.display());
            let mut command = program.command(["checkout", &repo, asked]);
            let status = command.current_dir(&place).status().unwrap();
            assert!(status.success(), "{}", program.name());
            assert!(place.join(asked).is_dir(), "{}: {asked}", program.name());
        }
    }
}
