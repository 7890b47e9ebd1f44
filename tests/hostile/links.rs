//! Symlinks, pipes and endless files where a repository, a destination or a system root should have something else.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use ostler_tests::{Program, Repo};

use crate::ground::Ground;

fn option(repo: &Repo) -> String {
    format!("--repo={}", repo.path().display())
}

/// Replaces a path by a symlink.
fn redirect(path: &Path, target: &Path) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).ok();
    }
    symlink(target, path).unwrap();
}

fn pipe(path: &Path) {
    fs::remove_file(path).ok();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
}

#[test]
fn a_checkout_does_not_follow_symlinks_of_its_destination() {
    let ground = Ground::new();
    let victim = ground.victim();
    let destination = ground.join("destination");
    for options in [&["--union"][..], &["--union-add"], &["--union", "-U"]] {
        fs::create_dir(&destination).unwrap();
        // `usr/bin/program` of the commit would be `bin/program` of the canary.
        symlink(ground.canary(), destination.join("usr")).unwrap();
        let repo = option(&victim);
        let mut arguments = vec!["checkout", &repo];
        arguments.extend(options);
        arguments.extend(["main", destination.to_str().unwrap()]);
        ground.refuse(&arguments, &["usr"]);
        fs::remove_dir_all(&destination).unwrap();
    }
    // A layer's directory takes the symlink's place; where that led to is not written.
    fs::create_dir(&destination).unwrap();
    symlink(ground.canary(), destination.join("usr")).unwrap();
    let (repo, at) = (option(&victim), destination.to_str().unwrap());
    let ending = ground.attempt(&["checkout", &repo, "--union", "--whiteouts", "main", at]);
    assert_eq!(ending.code, Some(0), "{}", ending.stderr);
    assert!(
        fs::symlink_metadata(destination.join("usr"))
            .unwrap()
            .is_dir()
    );
    fs::remove_dir_all(&destination).unwrap();
    // A symlink where a file should be is replaced, or stays; its target is not written.
    for options in ["--union", "--union-add"] {
        fs::create_dir_all(destination.join("usr/bin")).unwrap();
        symlink(
            ground.canary().join("secret"),
            destination.join("usr/bin/program"),
        )
        .unwrap();
        let ending = ground.attempt(&[
            "checkout",
            &option(&victim),
            options,
            "main",
            destination.to_str().unwrap(),
        ]);
        assert_eq!(ending.code, Some(0), "{}", ending.stderr);
        fs::remove_dir_all(&destination).unwrap();
    }
}

#[test]
fn a_subpath_does_not_leave_the_tree_through_its_symlinks() {
    let ground = Ground::new();
    let victim = ground.victim();
    let tree = ground.join("tree");
    fs::create_dir(&tree).unwrap();
    symlink(ground.canary(), tree.join("out")).unwrap();
    symlink("../../../../..", tree.join("up")).unwrap();
    victim
        .with(&Program::ostree())
        .commit("links", &tree, &["--canonical-permissions"]);
    let destination = ground.join("destination");
    for path in ["/out/dir", "/up/etc", "/../etc", "/up/../../etc"] {
        let subpath = format!("--subpath={path}");
        ground.refuse(
            &[
                "checkout",
                &option(&victim),
                &subpath,
                "links",
                destination.to_str().unwrap(),
            ],
            &[path, "etc", "out"],
        );
        assert!(!destination.exists());
        ground.refuse(
            &["ls", &option(&victim), "links", path],
            &[path, "etc", "out"],
        );
        ground.refuse(
            &["cat", &option(&victim), "links", path],
            &[path, "etc", "out"],
        );
    }
}

#[test]
fn refs_that_are_symlinks_out_of_the_repository_are_neither_read_nor_written_through() {
    let ground = Ground::new();
    let victim = ground.victim();
    let heads = victim.path().join("refs/heads");
    let commit = victim.rev_parse("main");
    symlink(ground.canary().join("ref"), heads.join("absolute")).unwrap();
    symlink("../../../canary/ref", heads.join("relative")).unwrap();
    symlink(ground.canary().join("dir"), heads.join("folder")).unwrap();
    for name in ["absolute", "relative"] {
        let ending = ground.attempt(&["rev-parse", &option(&victim), name]);
        assert_eq!(ending.code, Some(1), "{name}: {}", ending.stderr);
        // A new commit replaces the symlink or is refused; the canary is looked at in any case.
        let tree = ground.join("tree");
        fs::create_dir_all(&tree).unwrap();
        let tree = format!("--tree=dir={}", tree.display());
        ground.attempt(&[
            "commit",
            &option(&victim),
            "-b",
            name,
            "-s",
            "subject",
            &tree,
        ]);
    }
    let ending = ground.attempt(&["refs", &option(&victim), "--create=folder/new", &commit]);
    assert_eq!(ending.code, Some(1), "{}", ending.stderr);
    let ending = ground.attempt(&["refs", &option(&victim), "--delete", "folder"]);
    assert!(ending.code == Some(0) || ending.code == Some(1));
    ground.attempt(&["prune", &option(&victim), "--refs-only"]);
    assert_eq!(victim.rev_parse("main"), commit);
}

#[test]
fn folders_of_a_repository_that_lead_elsewhere_are_not_written_through() {
    for folder in [
        "objects",
        "tmp",
        "state",
        "refs/heads",
        "refs/remotes",
        "refs",
        "extensions",
    ] {
        let ground = Ground::new();
        let victim = ground.victim();
        redirect(&victim.path().join(folder), &ground.canary().join("dir"));
        let tree = ground.join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("new"), "new").unwrap();
        let tree = format!("--tree=dir={}", tree.display());
        // What works is up to the program; the attempt itself looks at the canary.
        ground.attempt(&[
            "commit",
            &option(&victim),
            "-b",
            "new",
            "-s",
            "subject",
            &tree,
        ]);
        ground.attempt(&["refs", &option(&victim), "--create=other", "main"]);
        ground.attempt(&["prune", &option(&victim), "--refs-only"]);
        ground.attempt(&["fsck", &option(&victim), "--delete"]);
        ground.attempt(&["summary", &option(&victim), "-u"]);
        ground.attempt(&["refs", &option(&victim), "--delete", "file"]);
    }
}

#[test]
fn prefix_folders_of_objects_that_lead_elsewhere_are_not_followed() {
    let ground = Ground::new();
    let victim = ground.victim();
    let objects = victim.path().join("objects");
    for entry in fs::read_dir(&objects).unwrap() {
        redirect(&entry.unwrap().path(), &ground.canary().join("dir"));
    }
    ground.refuse(&["fsck", &option(&victim)], &["objects", "main", ".commit"]);
    ground.refuse(
        &[
            "checkout",
            &option(&victim),
            "main",
            ground.join("destination").to_str().unwrap(),
        ],
        &["commit"],
    );
    ground.attempt(&["prune", &option(&victim), "--refs-only"]);
    ground.attempt(&["fsck", &option(&victim), "--delete"]);
}

#[test]
fn a_pipe_or_an_endless_file_in_place_of_a_small_one_is_refused() {
    let places = ["config", "refs/heads/main", "summary", "COMMIT"];
    for place in places {
        let ground = Ground::new();
        let victim = ground.victim();
        let commit = victim.rev_parse("main");
        let path = match place {
            "COMMIT" => {
                victim
                    .path()
                    .join(format!("objects/{}/{}.commit", &commit[..2], &commit[2..]))
            }
            place => victim.path().join(place),
        };
        let repo = option(&victim);
        let show: &[&str] = match place {
            "summary" => &["summary", &repo, "--view"],
            _ => &["ls", &repo, "main"],
        };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let culprits = [name.as_str(), "main", "summary"];
        pipe(&path);
        ground.refuse(show, &culprits);
        fs::remove_file(&path).unwrap();
        // Sparse: a file that costs nothing and is larger than all memory.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        ground.refuse(show, &culprits);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        ground.refuse(show, &culprits);
    }
}

#[test]
fn a_config_that_makes_no_sense_is_refused() {
    let ground = Ground::new();
    let victim = ground.victim();
    let config = victim.path().join("config");
    let texts = [
        "",
        "[core]\n",
        "[core]\nmode=bare\n",
        "[core]\nrepo_version=2\nmode=bare\n",
        "[core]\nrepo_version=1\nmode=../../x\n",
        "repo_version=1\n",
        "[core\nrepo_version=1\nmode=bare\n",
        "[core]\nrepo_version=1\nmode=bare-user\nparent=../../../nonexistent\n",
        "[core]\nrepo_version=1\nmode=bare-user\nparent=.\n",
        "[core]\nrepo_version=1\nmode=bare-user\nmin-free-space-size=-5XB\n",
        "\0\0\0\0",
        "[core]\nrepo_version=1\nmode=bare\nlock-timeout-secs=\u{fffd}\n",
    ];
    for text in texts {
        println!("{text:?}");
        fs::write(&config, text).unwrap();
        ground.refuse(
            &["ls", &option(&victim), "main"],
            &[
                "config",
                "core",
                "mode",
                "repo_version",
                "parent",
                "min-free-space-size",
                "nonexistent",
                "ref",
            ],
        );
    }
}
