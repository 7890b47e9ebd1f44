//! Commits of the real `ostree` become deployments that it can work with.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use common::Fixture;
use ostler_deploy::deploy::{DeployError, DeployOptions, Deployed, deploy};
use ostler_deploy::kargs::KargsWish;
use ostler_deploy::plan::{IfOnly, Wish};
use ostler_deploy::preflight::PreflightError;
use ostler_deploy::status::Status;
use ostler_deploy::{Settings, SysrootLock, cleanup, order};
use ostler_format::origin::Source;
use ostler_format::{Origin, Refspec};
use ostler_store::progress::Silent;

fn options() -> DeployOptions {
    let origin = Origin::new(&Source::Refspec(Refspec::parse("o:os/stable").unwrap())).unwrap();
    DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        origin: Some(origin),
        ..DeployOptions::default()
    }
}

fn try_deploy(fixture: &Fixture, options: &DeployOptions) -> Result<Deployed, DeployError> {
    let mut lock = fixture.lock();
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    deploy(&mut lock, commit, options, &Silent)
}

fn deploy_newest(fixture: &Fixture) -> PathBuf {
    let id = try_deploy(fixture, &options()).unwrap().id;
    fixture.open().deployment_path(&id)
}

#[test]
fn a_deployment_shares_its_files_with_the_repository_and_owns_its_etc() {
    let fixture = Fixture::new();
    let root = deploy_newest(&fixture);
    assert!(fs::metadata(root.join("usr/bin/sh")).unwrap().nlink() >= 2);
    assert!(fs::metadata(root.join("usr/etc/a")).unwrap().nlink() >= 2);
    assert_eq!(
        fs::metadata(root.join("etc/a")).unwrap().nlink(),
        1,
        "an edit must not reach the repository"
    );
    assert_eq!(fs::read_to_string(root.join("etc/a")).unwrap(), "default a");
    let fsck = fixture.ostree(&["--repo=sysroot/ostree/repo", "fsck"]);
    assert!(fsck.contains("object fsck of"), "{fsck}");
}

#[test]
fn conflicts_in_etc_are_kept_for_status_and_the_real_ostree_does_not_mind() {
    let fixture = Fixture::new();
    let first = deploy_newest(&fixture);
    fs::write(first.join("etc/a"), "mine").unwrap();
    fs::write(first.join("etc/b"), "mine too").unwrap();
    fixture.write("usr/etc/a", "new default");
    fixture.commit("2");
    fixture.pull();
    let second = deploy_newest(&fixture);
    assert_eq!(fs::read_to_string(second.join("etc/a")).unwrap(), "mine");
    assert_eq!(
        fs::read_to_string(second.join("usr/etc/a")).unwrap(),
        "new default"
    );
    let sysroot = fixture.open();
    let status = Status::read(&sysroot).unwrap();
    let merge = status.deployments[0]
        .merge
        .as_ref()
        .expect("the merge is on record");
    assert_eq!((merge.modified, merge.conflicts.len()), (2, 1));
    assert_eq!(merge.conflicts[0].path, "a");
    let json = status.rpm_ostree_json(&sysroot);
    assert_eq!(
        json["deployments"][0]["etc-merge"]["conflicts"][0]["path"],
        "a"
    );
    assert!(
        json["deployments"][1].get("etc-merge").is_none(),
        "the first one had nothing to merge with"
    );
    fixture.real_deploy(&[]);
    fixture.admin(&["undeploy", "1"]);
    let lock = fixture.lock();
    cleanup::leftovers(&lock).unwrap();
    let records = fixture.listing("sysroot/ostree/deploy/os/deploy");
    assert!(
        !records.iter().any(|path| path.ends_with(".etc-merge")),
        "a record outlived its deployment"
    );
}

#[test]
fn a_commit_without_the_signatures_that_its_remote_asks_for_is_not_deployed() {
    let fixture = Fixture::new();
    deploy_newest(&fixture);
    fixture.ostree(&[
        "--repo=sysroot/ostree/repo",
        "config",
        "set",
        "remote \"o\".gpg-verify",
        "true",
    ]);
    // What is deployed was taken before anybody asked: it can still be deployed anew, with other arguments say.
    deploy_newest(&fixture);
    fixture.write("usr/etc/a", "new default");
    fixture.commit("2");
    fixture.ostree(&[
        "--repo=sysroot/ostree/repo",
        "pull-local",
        "--remote=o",
        "repo",
    ]);
    let before = fixture.listing("sysroot/ostree/deploy");
    let error = try_deploy(&fixture, &options()).unwrap_err();
    assert!(matches!(error, DeployError::Signature(_)), "{error}");
    assert!(error.to_string().contains("no signatures found"), "{error}");
    assert_eq!(fixture.listing("sysroot/ostree/deploy"), before);
}

#[test]
fn a_commit_without_a_kernel_is_refused_and_nothing_is_changed() {
    let fixture = Fixture::new();
    deploy_newest(&fixture);
    fs::remove_dir_all(fixture.path.join("tree/usr/lib/modules")).unwrap();
    fixture.ostree(&["--repo=repo", "commit", "-b", "os/stable", "tree"]);
    fixture.pull();
    let before = fixture.listing("sysroot/ostree/deploy");
    let error = try_deploy(&fixture, &options()).unwrap_err();
    assert!(
        matches!(error, DeployError::Preflight(PreflightError::Kernel { .. })),
        "{error}"
    );
    assert_eq!(fixture.listing("sysroot/ostree/deploy"), before);
}

#[test]
fn the_first_var_of_a_commit_seeds_an_empty_stateroot_and_no_other() {
    let fixture = Fixture::new();
    fixture.write("var/lib/seed", "from the commit");
    fixture.commit("2");
    fixture.pull();
    fixture.admin(&["os-init", "full"]);
    let lock = fixture.lock();
    ostler_deploy::stateroot::init_stateroot(&lock, &"fresh".parse().unwrap()).unwrap();
    drop(lock);
    for (stateroot, seeded) in [("fresh", true), ("full", false)] {
        let options = DeployOptions {
            stateroot: Some(stateroot.parse().unwrap()),
            ..options()
        };
        try_deploy(&fixture, &options).unwrap();
        let var = fixture
            .sysroot()
            .join("ostree/deploy")
            .join(stateroot)
            .join("var");
        assert_eq!(var.join("lib/seed").exists(), seeded, "{stateroot}");
        assert!(
            var.join("tmp").exists(),
            "a tree without tmpfiles.d gets the directories that old systems expect"
        );
    }
}

#[test]
fn overlay_initrds_follow_the_initramfs_and_go_with_their_deployment() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path.join("run")).unwrap();
    let overlay = fixture.path.join("overlay.img");
    fs::write(&overlay, "more").unwrap();
    try_deploy(
        &fixture,
        &DeployOptions {
            overlay_initrds: vec![overlay],
            ..options()
        },
    )
    .unwrap();
    let name = ostler_format::Checksum::of(b"more").to_hex() + ".img";
    let installed = fixture
        .sysroot()
        .join("boot/ostree/initramfs-overlays")
        .join(&name);
    assert_eq!(fs::read_to_string(&installed).unwrap(), "more");
    let sysroot = fixture.open();
    let initrds = &sysroot.deployments[0].entry.initrds;
    assert!(
        initrds.len() == 2 && initrds[1].ends_with(&name),
        "{initrds:?}"
    );
    assert!(
        fixture.real_status().contains("os "),
        "the real ostree reads it"
    );
    deploy_newest(&fixture);
    let mut lock = fixture.lock();
    order::change(
        &mut lock,
        &Wish::Remove {
            index: 1,
            only: IfOnly::Remove,
        },
    )
    .unwrap();
    assert!(!installed.exists());
}

#[test]
fn whiteouts_become_devices_and_sealed_roots_are_removed_again() {
    let fixture = Fixture::new();
    fixture.write("usr/container/.ostree-wh.gone", "");
    fixture.commit("2");
    fixture.pull();
    let settings = Settings {
        mutable_deployments: false,
        ..fixture.settings()
    };
    let lock = || {
        SysrootLock::acquire_on(
            fixture.sysroot(),
            settings.clone(),
            fixture.host(),
            &mut |_| (),
        )
        .unwrap()
    };
    let mut held = lock();
    let commit = held.repo().resolve("o:os/stable").unwrap();
    let id = deploy(&mut held, commit, &options(), &Silent).unwrap().id;
    let root = held.deployment_path(&id);
    assert_eq!(
        fs::symlink_metadata(root.join("usr/container/gone"))
            .unwrap()
            .rdev(),
        0
    );
    assert!(
        fs::write(root.join("new"), "").is_err(),
        "the root is sealed"
    );
    fs::write(root.join("etc/new"), "").unwrap();
    order::change(
        &mut held,
        &Wish::Remove {
            index: 0,
            only: IfOnly::Remove,
        },
    )
    .unwrap();
    assert!(!root.exists());
}

#[test]
fn arguments_are_inherited_and_one_more_deployment_is_kept() {
    let fixture = Fixture::new();
    let kargs = KargsWish {
        set: vec!["root=LABEL=x".to_owned(), "quiet".to_owned()],
        ..KargsWish::default()
    };
    try_deploy(&fixture, &DeployOptions { kargs, ..options() }).unwrap();
    for version in ["2", "3", "4"] {
        fixture.write("usr/share/version", version);
        fixture.commit(version);
        fixture.pull();
        deploy_newest(&fixture);
    }
    let status = Status::read(&fixture.open()).unwrap();
    let versions: Vec<_> = status
        .deployments
        .iter()
        .map(|status| status.version().unwrap())
        .collect();
    assert_eq!(versions, ["4", "3"]);
    assert_eq!(
        status.deployments[0].deployment.chosen_kargs().to_string(),
        "root=LABEL=x quiet"
    );
    let kept = fixture.ostree(&["--repo=sysroot/ostree/repo", "log", "o:os/stable"]);
    assert!(
        kept.contains("<< History beyond this commit not fetched >>"),
        "older commits are pruned: {kept}"
    );
}

/// The names of the boot entries.
fn entries(fixture: &Fixture) -> Vec<String> {
    let folder = fixture.path.join("sysroot/boot/loader/entries");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_deployment_gets_tries_and_later_orders_keep_what_the_boot_loader_counted() {
    let fixture = Fixture::new();
    let set = |tries: &str| {
        let key = "sysroot.boot-counting-tries";
        fixture.ostree(&["--repo=sysroot/ostree/repo", "config", "set", key, tries]);
    };
    let entry = |name: &str| fixture.path.join("sysroot/boot/loader/entries").join(name);
    deploy_newest(&fixture);
    assert_eq!(
        entries(&fixture),
        ["ostree-1.conf"],
        "nothing is counted unless it is asked for"
    );
    set("3");
    let next = |version: &str| {
        fixture.write("usr/share/version", version);
        fixture.commit(version);
        fixture.pull();
        deploy_newest(&fixture);
    };
    next("2");
    assert_eq!(entries(&fixture), ["ostree-1.conf", "ostree-2+3.conf"]);
    // What a boot loader does as it tries.
    fs::rename(entry("ostree-2+3.conf"), entry("ostree-2+2-1.conf")).unwrap();
    next("3");
    assert_eq!(entries(&fixture), ["ostree-1+2-1.conf", "ostree-2+3.conf"]);
    // What a system does that has proven good.
    fs::rename(entry("ostree-2+3.conf"), entry("ostree-2.conf")).unwrap();
    order::change(&mut fixture.lock(), &Wish::MakeDefault(1)).unwrap();
    assert_eq!(entries(&fixture), ["ostree-1.conf", "ostree-2+2-1.conf"]);
    assert_eq!(fixture.open().deployments.len(), 2);
    set("9");
    fixture.write("usr/share/version", "4");
    fixture.commit("4");
    fixture.pull();
    let refused = try_deploy(&fixture, &options()).unwrap_err().to_string();
    assert!(
        refused.contains("`sysroot.boot-counting-tries` cannot be 9"),
        "{refused}"
    );
    set("0");
    next("5");
    assert_eq!(entries(&fixture), ["ostree-1.conf", "ostree-2.conf"]);
}
