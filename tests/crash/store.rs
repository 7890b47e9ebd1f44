//! The verbs of a repository.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use ostler_tests::trace::{Call, Fate, Step, run};
use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Server};

use crate::case::{Case, Seen, copy, leftovers};
use crate::order::{Disk, watch};
use crate::ostler;

/// Checks a repository with its own program, and now and then with the real one, which takes longer.
fn fsck(repo: &Repo, kills: &Cell<u32>) {
    repo.fsck();
    kills.set(kills.get() + 1);
    if kills.get().is_multiple_of(16) {
        repo.with(&Program::ostree()).fsck();
    }
}

pub(crate) fn assert_nothing_unfinished(repo: &Path) {
    let found = leftovers(repo);
    assert!(found.is_empty(), "left behind: {found:?}");
    let state = fs::read_dir(repo.join("state"))
        .into_iter()
        .flatten()
        .count();
    assert_eq!(state, 0, "a commit is still marked as partial");
}

/// Makes `repo` in the template of a case. What is in its `tmp` is old as soon as its process is gone.
pub(crate) fn target(scratch: &Scratch, mode: &str) -> Repo {
    fs::create_dir(scratch.join("template")).unwrap();
    let repo = Program::ostree().init_quick(&scratch.join("template/repo"), mode);
    let config = repo.path().join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replacen("[core]\n", "[core]\ntmp-expiry-secs=0\n", 1),
    )
    .unwrap();
    repo
}

/// Commits to `main` trees of which each shares half with the one before; returns the last commit.
pub(crate) fn commits(
    repo: &Repo,
    tree: &Path,
    seeds: std::ops::Range<u64>,
    kinds: Kinds,
) -> String {
    fs::create_dir_all(tree).unwrap();
    let mut last = String::new();
    for seed in seeds {
        random::write(&tree.join(format!("part-{seed}")), seed, 6, kinds);
        last = repo.commit(
            "main",
            tree,
            &["--add-detached-metadata-string=note=detached"],
        );
        fs::remove_dir_all(tree.join(format!("part-{}", seed - 1))).ok();
    }
    last
}

/// A command that moves `main`, or `origin:main`, to a new commit.
pub(crate) struct Move<'a> {
    pub(crate) name: &'a str,
    /// Has `repo` in it.
    pub(crate) template: &'a Path,
    pub(crate) refspec: &'a str,
    pub(crate) command: &'a dyn Fn(&Path) -> Command,
    /// The commit before; `None` if there is no ref.
    pub(crate) old: Option<&'a str>,
    /// And after.
    pub(crate) new: &'a str,
    /// All objects after.
    pub(crate) objects: &'a [String],
    /// Whether it takes its input away, and so can't be run again once it is done.
    pub(crate) consumes: bool,
}

impl Move<'_> {
    pub(crate) fn run(&self) {
        let at = |work: &Path| ostler().repo(&work.join("repo"));
        let kills = Cell::new(0);
        Case {
            name: self.name,
            template: self.template,
            command: self.command,
            again: Some(&|work| match (self.command)(work) {
                command if !self.consumes || at(work).rev_parse("main") != self.new => command,
                // Any transaction tidies up after the last one.
                _ => ostler().command([
                    "refs",
                    &format!("--repo={}/repo", work.display()),
                    "--create=another",
                    "main",
                ]),
            }),
            after_kill: &|work| {
                let repo = at(work);
                fsck(&repo, &kills);
                let found = repo.program().output([
                    "rev-parse",
                    self.refspec,
                    &format!("--repo={}", repo.path().display()),
                ]);
                let found = String::from_utf8(found.stdout).unwrap();
                let found = (!found.is_empty()).then_some(found.trim());
                assert!(found == self.old || found == Some(self.new), "{found:?}");
                if found == Some(self.new) {
                    Seen::New
                } else {
                    Seen::Old
                }
            },
            after_run: &|work| {
                let repo = at(work);
                fsck(&repo, &kills);
                assert_eq!(repo.rev_parse(self.refspec), self.new);
                assert_eq!(repo.objects(), self.objects);
                assert_nothing_unfinished(repo.path());
            },
        }
        .run();
        self.writes_in_order();
    }

    /// Objects are on disk before they have a name, and have their names before a ref leads to them.
    fn writes_in_order(&self) {
        let scratch = Scratch::in_memory();
        let work = scratch.join("work");
        copy(self.template, &work);
        let config = work.join("repo/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("fsync=false\n", "")).unwrap();
        let objects = work.join("repo/objects");
        let refs = work.join("repo/refs");
        let state = work.join("repo/state");
        let tree = work.join("tree");
        let mut moved = false;
        let end = watch(&(self.command)(&work), |disk: &Disk, step: &Step| {
            if step.call == Call::Remove && step.path.starts_with(&tree) {
                let unsafe_paths = [&objects, &refs].map(|folder| disk.unsafe_below(folder));
                assert_eq!(
                    unsafe_paths.concat(),
                    Vec::<&Path>::new(),
                    "not on disk before the source goes"
                );
            }
            let Some(appears) = step.appears() else {
                return;
            };
            if appears.starts_with(&objects) && matches!(step.call, Call::Link | Call::Rename) {
                assert!(
                    disk.has_safe_data(&step.path),
                    "named before it is on disk: {step:?}"
                );
                if appears
                    .extension()
                    .is_some_and(|extension| extension == "commit")
                {
                    let mut unsafe_paths = disk.unsafe_below(&objects);
                    // Not other commits, without which a history is shorter, what belongs to them, and their folders.
                    unsafe_paths.retain(|path| {
                        let extension = path.extension().unwrap_or_default().to_string_lossy();
                        !extension.contains("commit") && path.parent() != Some(&objects)
                    });
                    // The mark of a partial commit must not come later than the commit.
                    unsafe_paths.extend(disk.unsafe_below(&state));
                    assert_eq!(
                        unsafe_paths,
                        Vec::<&Path>::new(),
                        "not on disk before the commit"
                    );
                }
            }
            if appears.starts_with(&refs) && matches!(step.call, Call::Link | Call::Rename) {
                moved = true;
                assert!(disk.has_safe_data(&step.path), "a ref without content");
                assert_eq!(
                    disk.unsafe_below(&objects),
                    Vec::<&Path>::new(),
                    "not on disk before the ref"
                );
            }
        });
        assert!(moved, "the move of the ref was not seen");
        let unsafe_paths = [&objects, &refs].map(|folder| end.unsafe_below(folder));
        assert_eq!(
            unsafe_paths.concat(),
            Vec::<&Path>::new(),
            "not on disk when the command has ended"
        );
    }
}

#[test]
fn pull_local_killed_anywhere_leaves_the_old_commit_or_the_new_and_finishes_when_run_again() {
    for mode in ["archive", "bare", "bare-user"] {
        let scratch = Scratch::in_memory();
        let source = Program::ostree().init_quick(&scratch.join("source"), "archive");
        let old = commits(&source, &scratch.join("tree"), 1..2, Kinds::ALL);
        let target = target(&scratch, mode);
        let source_path = source.path().to_str().unwrap();
        target.run("pull-local", [source_path, "main"]);
        let new = commits(&source, &scratch.join("tree"), 2..3, Kinds::ALL);
        let objects = in_copy(&target, |copy| {
            copy.run("pull-local", [source_path, "main"])
        });
        Move {
            name: &format!("pull-local to {mode}"),
            template: &scratch.join("template"),
            refspec: "main",
            command: &|work| {
                let repo = format!("--repo={}/repo", work.display());
                ostler().command(["pull-local", &repo, source_path, "main"])
            },
            old: Some(&old),
            new: &new,
            objects: &objects,
            consumes: false,
        }
        .run();
    }
}

#[test]
fn pull_killed_anywhere_leaves_the_old_commit_or_the_new_and_finishes_when_run_again() {
    for mode in ["archive", "bare"] {
        let scratch = Scratch::in_memory();
        let source = Program::ostree().init_quick(&scratch.join("source"), "archive");
        let old = commits(&source, &scratch.join("tree"), 1..2, Kinds::ALL);
        let server = Server::start(&Program::ostree(), source.path());
        let target = target(&scratch, mode);
        target.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
        target.run("pull", ["origin", "main"]);
        let new = commits(&source, &scratch.join("tree"), 2..4, Kinds::ALL);
        let objects = in_copy(&target, |copy| {
            copy.run("pull", ["--depth=1", "origin", "main"])
        });
        Move {
            name: &format!("pull to {mode}"),
            template: &scratch.join("template"),
            refspec: "origin:main",
            command: &|work| {
                let repo = format!("--repo={}/repo", work.display());
                ostler().command(["pull", &repo, "--depth=1", "origin", "main"])
            },
            old: Some(&old),
            new: &new,
            objects: &objects,
            consumes: false,
        }
        .run();
    }
}

/// The template has `tree`, too, whose commit is the second one on `main`.
fn commit_case(mode: &str, options: &[&str]) {
    let scratch = Scratch::in_memory();
    let repo = target(&scratch, mode);
    let tree = scratch.join("template/tree");
    let kinds = Kinds::ALL;
    let mut fixed = vec![
        "commit",
        "--branch=main",
        "--timestamp=2024-05-06T07:08:09Z",
        "--subject=a subject",
    ];
    if mode == "bare-user-only" {
        fixed.extend(["--canonical-permissions", "--no-xattrs"]);
    }
    let commit = |program: &Program, work: &Path, options: &[&str]| {
        let [repo, tree] = ["--repo=REPO", "--tree=dir=TREE"].map(|text| {
            text.replace("REPO", &format!("{}/repo", work.display()))
                .replace("TREE", &format!("{}/tree", work.display()))
        });
        program.command(
            fixed
                .iter()
                .chain(options)
                .map(ToString::to_string)
                .chain([repo, tree]),
        )
    };
    random::write(&tree, 1, 6, kinds);
    // By the program itself, so that what it keeps for the next commit is there.
    let first = commit(&ostler(), &scratch.join("template"), &[])
        .output()
        .unwrap();
    assert!(first.status.success(), "{first:?}");
    let old = repo.rev_parse("main");
    random::write(&tree.join("more"), 2, 6, kinds);
    // A second run would take the first one's commit as its parent.
    let parent = format!("--parent={old}");
    let options = [options, &[&parent]].concat();
    let copied = scratch.join("copy");
    copy(&scratch.join("template"), &copied);
    assert!(
        commit(&Program::ostree(), &copied, &[&parent])
            .status()
            .unwrap()
            .success()
    );
    let expected = Program::ostree().repo(&copied.join("repo"));
    Move {
        name: &format!("commit to {mode} {options:?}"),
        template: &scratch.join("template"),
        refspec: "main",
        command: &|work| commit(&ostler(), work, &options),
        old: Some(&old),
        new: &expected.rev_parse("main"),
        objects: &expected.objects(),
        consumes: options.contains(&"--consume"),
    }
    .run();
}

#[test]
fn commit_killed_anywhere_leaves_the_old_commit_or_the_new_and_finishes_when_run_again() {
    for mode in ["archive", "bare", "bare-user-only"] {
        commit_case(mode, &[]);
    }
}

#[test]
fn commit_that_consumes_its_tree_killed_anywhere_loses_nothing_of_it() {
    for mode in ["archive", "bare"] {
        commit_case(mode, &["--consume"]);
    }
}

/// The objects after the real program did it.
pub(crate) fn in_copy<T>(repo: &Repo, work: impl FnOnce(&Repo) -> T) -> Vec<String> {
    let scratch = Scratch::in_memory();
    copy(repo.path(), &scratch.join("repo"));
    let repo = Program::ostree().repo(&scratch.join("repo"));
    work(&repo);
    repo.objects()
}

#[test]
fn prune_killed_anywhere_keeps_what_refs_reach_and_finishes_when_run_again() {
    let scratch = Scratch::in_memory();
    let repo = target(&scratch, "archive");
    let tip = commits(&repo, &scratch.join("tree"), 1..4, Kinds::ALL);
    let expected = in_copy(&repo, |copy| {
        copy.run("prune", ["--refs-only", "--depth=0"])
    });
    let at = |work: &Path| ostler().repo(&work.join("repo"));
    Case {
        name: "prune",
        template: &scratch.join("template"),
        command: &|work| {
            let repo = format!("--repo={}/repo", work.display());
            ostler().command(["prune", "--refs-only", "--depth=0", &repo])
        },
        again: None,
        after_kill: &|work| {
            let repo = at(work);
            repo.fsck();
            assert_eq!(repo.rev_parse("main"), tip);
            if repo.objects().len() > expected.len() {
                Seen::Old
            } else {
                Seen::New
            }
        },
        after_run: &|work| {
            let repo = at(work);
            repo.fsck();
            assert_eq!(repo.objects(), expected, "the same objects stay");
            assert_nothing_unfinished(repo.path());
        },
    }
    .run();
}

#[test]
fn what_is_written_is_written_out_as_often_as_the_config_says() {
    let scratch = Scratch::in_memory();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..16 {
        fs::write(tree.join(format!("{number}")), vec![number; 64 << 10]).unwrap();
    }
    let syncs = |name: &str, line: &str| {
        let repo = ostler().init(&scratch.join(name), "bare-user");
        let config = repo.path().join("config");
        let text = fs::read_to_string(&config).unwrap();
        let text = text.replacen("[core]\n", &format!("[core]\n{line}\n"), 1);
        fs::write(&config, text).unwrap();
        let tree = format!("--tree=dir={}", tree.display());
        let mut command = ostler().command(["commit", "-b", "main", &tree, "--repo"]);
        let traced = run(command.arg(repo.path()), |_| Fate::Live);
        assert!(traced.status.success(), "{}", traced.text);
        let is_sync = |step: &&Step| step.call == Call::SyncFileSystem;
        traced.steps.iter().filter(is_sync).count()
    };
    let never = syncs("never", "flush-every-size=0");
    assert_eq!(syncs("default", ""), never, "a megabyte is no batch");
    assert!(syncs("often", "flush-every-size=128K") > never);
}
