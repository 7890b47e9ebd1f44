//! Static deltas and packs: made, and pulled by.

use std::fs;
use std::path::Path;

use ostler_tests::tree::random::Kinds;
use ostler_tests::{Program, Repo, Scratch, Server};

use crate::case::{Case, Seen};
use crate::ostler;
use crate::store::{Move, assert_nothing_unfinished, commits, in_copy, target};

/// A command on the repository `repo` of a case's folder.
fn on_repo(work: &Path, verb: &[&str], arguments: &[&str]) -> std::process::Command {
    let repo = format!("--repo={}/repo", work.display());
    let all = verb.iter().copied().chain([repo.as_str()]);
    ostler().command(all.chain(arguments.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn pull_by_a_delta_or_packs_killed_anywhere_leaves_the_old_commit_or_the_new() {
    for (name, prepare, arguments, option) in [
        (
            "pull by a delta",
            "static-delta generate",
            &["main"][..],
            "--require-static-deltas",
        ),
        (
            "pull by a native delta",
            "static-delta generate",
            &["--native", "main"],
            "--require-static-deltas",
        ),
        (
            "pull by packs",
            "pack create",
            &["main"],
            "--disable-static-deltas",
        ),
    ] {
        let scratch = Scratch::in_memory();
        let source = Program::ostree().init_quick(&scratch.join("source"), "archive");
        let old = commits(&source, &scratch.join("tree"), 1..2, Kinds::ALL);
        let target = target(&scratch, "bare");
        let new = commits(&source, &scratch.join("tree"), 2..3, Kinds::ALL);
        let ours = source.with(&ostler());
        ours.run(prepare, arguments);
        ours.run("summary", ["-u"]);
        let server = Server::start(&ostler(), source.path());
        target.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
        target
            .with(&ostler())
            .run("pull", ["origin", &format!("main@{old}")]);
        let objects = in_copy(&target, |copy| {
            copy.with(&ostler()).run("pull", [option, "origin", "main"])
        });
        Move {
            name,
            template: &scratch.join("template"),
            refspec: "origin:main",
            command: &|work| on_repo(work, &["pull"], &[option, "origin", "main"]),
            old: Some(&old),
            new: &new,
            objects: &objects,
            consumes: false,
        }
        .run();
    }
}

/// A repository with two commits, as a template.
fn two_commits(scratch: &Scratch) -> (Repo, String) {
    let repo = target(scratch, "archive");
    let tree = scratch.join("tree");
    commits(&repo, &tree, 1..2, Kinds::ALL);
    let new = commits(&repo, &tree, 2..3, Kinds::ALL);
    (repo, new)
}

#[test]
fn a_delta_that_is_made_anew_is_the_old_one_or_the_new_one_whenever_it_is_killed() {
    let scratch = Scratch::in_memory();
    let (repo, new) = two_commits(&scratch);
    let ours = repo.with(&ostler());
    ours.run("static-delta generate", ["--inline", "main"]);
    let delta = ours.run("static-delta list", [""; 0]);
    let state = |work: &Path| {
        let repo = ostler().repo(&work.join("repo"));
        assert_eq!(repo.run("static-delta list", [""; 0]), delta);
        // All of its parts are there, whole.
        repo.run("static-delta show", [&delta]);
        let mut folder = work.join("repo/deltas");
        for _ in 0..2 {
            folder = fs::read_dir(&folder)
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
                .path();
        }
        match folder.join("0").exists() {
            true => Seen::New,
            false => Seen::Old,
        }
    };
    Case {
        name: "static-delta generate",
        template: &scratch.join("template"),
        command: &|work| on_repo(work, &["static-delta", "generate"], &["--to", &new]),
        again: None,
        after_kill: &state,
        after_run: &|work| assert_eq!(state(work), Seen::New),
    }
    .run();
}

#[test]
fn a_pack_has_its_index_last_whenever_its_making_is_killed() {
    let scratch = Scratch::in_memory();
    let (_, new) = two_commits(&scratch);
    let state = |work: &Path| {
        let repo = ostler().repo(&work.join("repo"));
        repo.fsck();
        // What has an index is whole.
        repo.run("pack verify", [""; 0]);
        match repo.run("pack list", [""; 0]).is_empty() {
            true => Seen::Old,
            false => Seen::New,
        }
    };
    Case {
        name: "pack create",
        template: &scratch.join("template"),
        command: &|work| on_repo(work, &["pack", "create"], &["--level=1", &new]),
        again: None,
        after_kill: &state,
        after_run: &|work| assert_kept(work, &state),
    }
    .run();
}

/// A prune tidies up, and leaves what was made for a commit that is there.
fn assert_kept(work: &Path, state: &dyn Fn(&Path) -> Seen) {
    assert_eq!(state(work), Seen::New);
    ostler()
        .repo(&work.join("repo"))
        .run("prune", ["--refs-only"]);
    assert_nothing_unfinished(&work.join("repo"));
    assert_eq!(state(work), Seen::New);
}

#[test]
fn a_native_delta_is_listed_last_whenever_its_making_is_killed() {
    let scratch = Scratch::in_memory();
    let (_, new) = two_commits(&scratch);
    let state = |work: &Path| {
        let repo = ostler().repo(&work.join("repo"));
        repo.fsck();
        match repo.run("static-delta list", [""; 0]).as_str() {
            "(No static deltas)" => Seen::Old,
            // What is listed is whole.
            name => {
                repo.run("static-delta verify", [name]);
                Seen::New
            }
        }
    };
    Case {
        name: "static-delta generate --native",
        template: &scratch.join("template"),
        command: &|work| {
            on_repo(
                work,
                &["static-delta", "generate"],
                &["--native", "--level=1", &new],
            )
        },
        again: None,
        after_kill: &state,
        after_run: &|work| assert_kept(work, &state),
    }
    .run();
}

/// How many files of content there are in `objects/`.
fn loose(work: &Path) -> usize {
    let mut count = 0;
    for prefix in fs::read_dir(work.join("repo/objects")).unwrap() {
        let names = fs::read_dir(prefix.unwrap().path()).unwrap();
        let is_content =
            |entry: &fs::DirEntry| entry.path().extension().is_some_and(|e| e == "filez");
        count += names
            .filter(|entry| is_content(entry.as_ref().unwrap()))
            .count();
    }
    count
}

/// Everything is here, whether in `objects/` or in a pack: the check reads all of it.
fn where_content_is(work: &Path) -> Seen {
    ostler().repo(&work.join("repo")).fsck();
    match work.join("repo/packs/content.index").exists() {
        true => Seen::New,
        false => Seen::Old,
    }
}

#[test]
fn content_is_in_objects_or_in_a_whole_pack_whenever_its_moving_is_killed() {
    let scratch = Scratch::in_memory();
    let (_, new) = two_commits(&scratch);
    let before = loose(&scratch.join("template"));
    let arguments = ["--level=1", "--replace-objects", &new];
    Case {
        name: "pack create --replace-objects",
        template: &scratch.join("template"),
        command: &|work| on_repo(work, &["pack", "create"], &arguments),
        again: None,
        after_kill: &where_content_is,
        after_run: &|work| {
            assert_kept(work, &where_content_is);
            assert!(
                loose(work) < before / 2,
                "of {before} files {}",
                loose(work)
            );
        },
    }
    .run();
}

#[test]
fn content_is_put_back_before_it_is_forgotten_whenever_that_is_killed() {
    let scratch = Scratch::in_memory();
    let (repo, new) = two_commits(&scratch);
    let ours = repo.with(&ostler());
    ours.run("pack create", ["--replace-objects", &new]);
    let state = |work: &Path| match where_content_is(work) {
        Seen::New => Seen::Old,
        _ => Seen::New,
    };
    Case {
        name: "pack unpack",
        template: &scratch.join("template"),
        command: &|work| on_repo(work, &["pack", "unpack"], &[]),
        again: None,
        after_kill: &state,
        after_run: &|work| {
            assert_eq!(state(work), Seen::New);
            // The real one finds all of it.
            Program::ostree().repo(&work.join("repo")).fsck();
        },
    }
    .run();
}
