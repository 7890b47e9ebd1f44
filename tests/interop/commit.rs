//! Commit ids and the objects of a commit.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Snapshot, View};

use crate::{MODES, canonical_if_needed};

/// Commits with both programs, each into a new repository of `mode`; returns the repositories after comparing the ids.
#[track_caller]
fn commit_with_both(scratch: &Scratch, mode: &str, tree: &Path, options: &[&str]) -> (Repo, Repo) {
    let repos = [Program::ostree(), Program::ostler()].map(|program| {
        let path = scratch.join(format!("{}-{mode}", program.name()));
        let _ = fs::remove_dir_all(&path);
        program.init_quick(&path, mode)
    });
    let [theirs, ours] = repos;
    let expected = theirs.commit("main", tree, options);
    let found = ours.commit("main", tree, options);
    assert_eq!(found, expected, "commit id in {mode} with {options:?}");
    assert_eq!(
        ours.objects(),
        theirs.objects(),
        "objects in {mode} with {options:?}"
    );
    (theirs, ours)
}

#[test]
fn a_random_tree_has_the_same_id_and_objects_in_every_mode() {
    for seed in 1..=4 {
        let scratch = Scratch::new();
        let tree = scratch.join("tree");
        random::write(&tree, seed, 150, Kinds::ALL);
        for mode in MODES {
            let (theirs, ours) = commit_with_both(&scratch, mode, &tree, canonical_if_needed(mode));
            theirs.with(ours.program()).fsck();
            ours.with(theirs.program()).fsck();
        }
    }
}

#[test]
fn objects_are_the_same_on_disk() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 11, 150, Kinds::ALL);
    for mode in ["bare", "bare-user", "bare-user-only"] {
        let (theirs, ours) = commit_with_both(&scratch, mode, &tree, canonical_if_needed(mode));
        // Objects of metadata have the time of their writing, files have 1970.
        for (times, wanted) in [
            (false, is_object as fn(&Path) -> bool),
            (true, is_file_object),
        ] {
            let view = View {
                times,
                ..View::COMMITTED
            };
            let [theirs, ours] = [&theirs, &ours].map(|repo| {
                let mut objects = Snapshot::of(&repo.path().join("objects"), view);
                objects.retain(wanted);
                objects
            });
            theirs.assert_same(&ours, &format!("objects in {mode}, ostree's first"));
        }
    }
}

fn is_object(path: &Path) -> bool {
    path.extension().is_some()
}

fn is_file_object(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "file")
}

#[test]
fn archive_objects_have_the_same_header_and_content() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 12, 100, Kinds::ALL);
    let (theirs, ours) = commit_with_both(&scratch, "archive", &tree, &[]);
    for object in theirs.objects() {
        let [expected, found] = [&theirs, &ours]
            .map(|repo| fs::read(repo.path().join("objects").join(&object)).unwrap());
        let status = fs::metadata(ours.path().join("objects").join(&object)).unwrap();
        assert_eq!(status.mode() & 0o7777, 0o644, "{object}");
        if object.ends_with(".filez") {
            // The compressor differs; its input does not: a big-endian length, then the header padded to 8 bytes.
            let end = 8 + u32::from_be_bytes(expected[..4].try_into().unwrap()) as usize;
            assert_eq!(found[..end], expected[..end], "header of {object}");
        } else {
            assert_eq!(found, expected, "{object}");
        }
    }
}

/// Options, one set a line, whose commits must be the same in every mode that can hold them.
const OPTIONS: &[&[&str]] = &[
    &["--body=a body\nof two lines"],
    &["--owner-uid=0", "--owner-gid=42"],
    &["--no-xattrs"],
    &["--canonical-permissions"],
    &["--mode-ro-executables"],
    &["--no-bindings"],
    &["--bind-ref=other", "--bind-ref=another/one"],
    &["--parent=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    &["--parent=none"],
    &[
        "--add-metadata-string=version=1.2 ž",
        "--add-metadata-string=empty=",
    ],
    &[
        "--add-metadata=number=uint32 7",
        "--add-metadata=list=['a', 'b']",
        "--add-metadata=nested=(1, {'k': <@ay b'x'>})",
    ],
    &[
        "--add-metadata=number=7",
        "--add-metadata=wide=int64 -1",
        "--add-metadata=yes=true",
        "--add-metadata=maybe=@ms nothing",
    ],
    &["--add-detached-metadata-string=seen=later"],
    &["--timestamp=@1234567890"],
    &["--timestamp=2001-02-03 04:05:06 +0100"],
    &["--timestamp=Sat, 03 Feb 2001 04:05:06 GMT"],
    &["--link-checkout-speedup"],
    &["--fsync=false"],
];

#[test]
fn every_option_of_identity_and_metadata_gives_the_same_id() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 21, 40, Kinds::ALL);
    for options in OPTIONS {
        commit_with_both(&scratch, "archive", &tree, options);
        commit_with_both(&scratch, "bare", &tree, options);
    }
}

#[test]
fn sizes_are_of_the_same_objects() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 23, 60, Kinds::ALL);
    // Other modes have no sizes, so that the id is that of a commit without.
    commit_with_both(&scratch, "bare-user", &tree, &["--generate-sizes"]);
    let sums = [Program::ostree(), Program::ostler()].map(|program| {
        let repo = program.init_quick(&scratch.join(program.name()), "archive");
        repo.commit("main", &tree, &["--generate-sizes"]);
        let report = repo
            .with(&Program::ostree())
            .run("show", ["--print-sizes", "main"]);
        // Compressed sizes differ with the compressor; unpacked ones and the number of objects do not.
        let wanted = |line: &&str| line.contains("unpacked") || line.contains("Number of objects");
        let numbers: Vec<_> = report
            .lines()
            .filter(wanted)
            .map(|line| line.rsplit(['/', ':']).next().unwrap().to_owned())
            .collect();
        numbers
    });
    assert!(!sums[0].is_empty());
    assert_eq!(sums[1], sums[0]);
}

#[test]
fn detached_metadata_is_the_same_file() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 22, 5, Kinds::PLAIN);
    let options = [
        "--add-detached-metadata-string=a=1",
        "--add-detached-metadata-string=b=2",
    ];
    let (theirs, ours) = commit_with_both(&scratch, "archive", &tree, &options);
    let object = theirs
        .objects()
        .into_iter()
        .find(|object| object.ends_with(".commitmeta"))
        .unwrap();
    let [theirs, ours] =
        [theirs, ours].map(|repo| fs::read(repo.path().join("objects").join(&object)).unwrap());
    assert_eq!(ours, theirs, "{object}");
}

#[test]
fn permission_overrides_and_a_skip_list_give_the_same_id() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::create_dir_all(tree.join("skipped folder/below")).unwrap();
    for name in [
        "usr/bin/su",
        "usr/bin/ping",
        "usr/skipped",
        "skipped folder/below/file",
        "kept",
    ] {
        fs::write(tree.join(name), name).unwrap();
    }
    let overrides = scratch.join("overrides");
    fs::write(&overrides, "+2048 /usr/bin/su\n=384 /usr/bin/ping\n").unwrap();
    let skip_list = scratch.join("skip");
    fs::write(&skip_list, "/usr/skipped\n/skipped folder\n").unwrap();
    let options = [
        format!("--statoverride={}", overrides.display()),
        format!("--skip-list={}", skip_list.display()),
    ];
    let options = options.each_ref().map(String::as_str);
    let (_, ours) = commit_with_both(&scratch, "bare-user", &tree, &options);
    let listing = ours.run("ls", ["-R", "main"]);
    assert!(!listing.contains("skipped"), "{listing}");
    assert!(
        listing.contains("-04755") || listing.contains("-04644"),
        "{listing}"
    );
}

#[test]
fn overlaid_trees_and_a_base_give_the_same_id() {
    let scratch = Scratch::new();
    let [lower, upper] = [("lower", 31), ("upper", 32)].map(|(name, seed)| {
        let tree = scratch.join(name);
        fs::create_dir_all(tree.join("shared/folder")).unwrap();
        random::write(&tree.join(format!("only {name}")), seed, 40, Kinds::ALL);
        random::write(
            &tree.join(format!("shared/folder/{name}")),
            seed + 2,
            40,
            Kinds::ALL,
        );
        fs::write(tree.join("shared/file"), name).unwrap();
        tree
    });
    fs::set_permissions(upper.join("shared"), fs::Permissions::from_mode(0o700)).unwrap();
    let ids = [Program::ostree(), Program::ostler()].map(|program| {
        let repo = program.init_quick(&scratch.join(program.name()), "bare-user");
        repo.commit("lower", &lower, &[]);
        let [below, above] = [&lower, &upper].map(|tree| format!("--tree=dir={}", tree.display()));
        let fixed = ["--timestamp=@7", "--subject=x"];
        let commit = |branch: &str, options: &[&str]| {
            repo.run(
                "commit",
                fixed
                    .iter()
                    .copied()
                    .chain(["-b", branch])
                    .chain(options.iter().copied()),
            )
        };
        [
            commit("folders", &[&below, &above]),
            commit("reversed", &[&above, &below]),
            commit("on-a-ref", &["--tree=ref=lower", &above]),
            commit("under-a-ref", &[&above, "--tree=ref=lower"]),
            commit("on-a-base", &["--base=lower", &above]),
            commit(
                "modified",
                &["--base=lower", &above, "--owner-uid=7", "--no-xattrs"],
            ),
        ]
    });
    assert_eq!(ids[1], ids[0], "folders, refs and a base in layers");
}

#[test]
fn a_history_has_the_same_ids() {
    let scratch = Scratch::new();
    let trees = [41, 42, 43].map(|seed| {
        let tree = scratch.join(seed.to_string());
        random::write(&tree, seed, 30, Kinds::ALL);
        tree
    });
    let histories = [Program::ostree(), Program::ostler()].map(|program| {
        let repo = program.init_quick(&scratch.join(program.name()), "archive");
        let mut ids: Vec<_> = trees
            .iter()
            .map(|tree| repo.commit("os/stable", tree, &["--add-metadata-string=version=1"]))
            .collect();
        ids.push(repo.commit("os/stable", &trees[2], &["--skip-if-unchanged"]));
        ids.push(repo.commit("os/stable", &trees[1], &["--keep-metadata=version"]));
        ids
    });
    assert_eq!(
        histories[1], histories[0],
        "each commit names the one before"
    );
    assert_eq!(
        histories[1][2], histories[1][3],
        "an unchanged tree is skipped"
    );
}

#[test]
fn a_consumed_tree_has_the_same_id_and_is_gone() {
    for mode in ["bare", "bare-user", "archive"] {
        let scratch = Scratch::new();
        let ids = [Program::ostree(), Program::ostler()].map(|program| {
            let tree = scratch.join(format!("tree-{}", program.name()));
            random::write(&tree, 51, 120, Kinds::ALL);
            let repo = program.init_quick(&scratch.join(program.name()), mode);
            let id = repo.commit("main", &tree, &["--consume"]);
            assert!(
                !tree.exists(),
                "{} consumes the tree in {mode}",
                program.name()
            );
            repo.with(&Program::ostree()).fsck();
            id
        });
        assert_eq!(ids[1], ids[0], "consumed into {mode}");
    }
}

#[test]
fn a_recommit_of_a_hardlink_checkout_has_the_same_id() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 61, 120, Kinds::ALL);
    for mode in ["bare", "bare-user"] {
        let (theirs, ours) = commit_with_both(&scratch, mode, &tree, &[]);
        let ids = [theirs, ours].map(|repo| {
            let copy = scratch.join(format!("checkout-{mode}-{}", repo.program().name()));
            let user_mode = if mode == "bare-user" { "-U" } else { "-H" };
            repo.run(
                "checkout",
                [
                    user_mode.as_ref(),
                    "-H".as_ref(),
                    "main".as_ref(),
                    copy.as_os_str(),
                ],
            );
            // A file that is not a link into the repository any more, and a new one.
            fs::write(copy.join("added"), "added").unwrap();
            repo.commit("next", &copy, &["-I"])
        });
        assert_eq!(ids[1], ids[0], "{mode}");
    }
}

#[test]
fn what_ostree_refuses_to_commit_is_refused() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "x").unwrap();
    let cases: &[&[&str]] = &[
        &["--branch=-dash"],
        &["--branch=main", "--parent=xyz"],
        &["--branch=main", "--timestamp=not a time"],
        &["--branch=main", "--add-metadata=x=not a variant"],
        &["--branch=main", "--add-metadata-string=no equals sign"],
        &["--branch=main", "--tree=nothing"],
        &["--branch=main", "--tree=dir=/nonexistent/folder"],
        &["--branch=main", "--tree=ref=missing"],
        &["--branch=main", "--statoverride=/nonexistent/file"],
        &[],
    ];
    for program in [Program::ostree(), Program::ostler()] {
        let repo = program.init_quick(&scratch.join(program.name()), "archive");
        for options in cases {
            let tree_option = format!("--tree=dir={}", tree.display());
            repo.fail(
                "commit",
                options.iter().copied().chain(["--subject=x", &tree_option]),
            );
        }
        assert_eq!(
            repo.run("refs", [""; 0]),
            "",
            "{}: a refusal leaves no ref",
            program.name()
        );
    }
}
