//! A host goes back to the defaults of its tree, and can go back from there.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::factory_reset::{Level, Reset, ResetError, ResetOptions, factory_reset};
use ostler_deploy::order;
use ostler_deploy::plan::Wish;
use ostler_store::progress::Silent;

/// A system that was changed by hand.
fn changed() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("usr/etc/dir/x", "default x");
    fixture.commit("2");
    fixture.pull();
    fixture.real_deploy(&["--karg=quiet", "--karg=mine"]);
    let root = fixture
        .open()
        .deployment_path(&fixture.open().deployments[0].id);
    for (path, content) in [
        ("a", "mine"),
        ("b", "mine"),
        ("dir/x", "mine"),
        ("own/deep/y", "mine"),
    ] {
        let path = root.join("etc").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::write(fixture.sysroot().join("ostree/deploy/os/var/data"), "mine").unwrap();
    fixture
}

fn reset(fixture: &Fixture, level: Level, keep: &[&str]) -> Result<Reset, ResetError> {
    let options = ResetOptions {
        stateroot: Some("os".parse().unwrap()),
        level,
        keep: keep.iter().map(|path| path.as_bytes().to_vec()).collect(),
    };
    factory_reset(&mut fixture.lock(), &options, &Silent)
}

#[test]
fn etc_is_the_default_but_for_what_is_kept_and_the_old_deployment_is_as_it_was() {
    let fixture = changed();
    let done = reset(&fixture, Level::Etc, &["b", "own/deep"]).unwrap();
    let sysroot = fixture.open();
    let [new, old] = &sysroot.deployments[..] else {
        panic!("{:?}", sysroot.deployments)
    };
    assert_eq!((&new.id, &old.id), (&done.deployed.id, &done.left));
    assert_eq!(new.id.commit, old.id.commit);
    assert_eq!(
        new.chosen_kargs(),
        old.chosen_kargs(),
        "arguments are no part of /etc"
    );
    assert_eq!(new.origin, old.origin);
    let read = |id, path: &str| {
        fs::read_to_string(sysroot.deployment_path(id).join("etc").join(path)).unwrap()
    };
    let contents = ["a", "b", "dir/x", "own/deep/y"].map(|path| read(&new.id, path));
    assert_eq!(contents, ["default a", "mine", "default x", "mine"]);
    assert_eq!(read(&old.id, "a"), "mine");
    let changes = fixture.admin(&["config-diff", "--os=os"]);
    let mut changes: Vec<&str> = changes.lines().collect();
    changes.sort_unstable();
    assert_eq!(
        changes,
        ["A    own", "A    own/deep", "A    own/deep/y", "M    b"]
    );
    drop(sysroot);
    let mut lock = fixture.lock();
    order::change(&mut lock, &Wish::Rollback { stateroot: None }).unwrap();
    assert_eq!(lock.deployments[0].id, done.left, "and back again");
}

#[test]
fn var_is_fresh_in_a_stateroot_of_its_own_and_the_old_one_keeps_its_data() {
    let fixture = changed();
    let done = reset(&fixture, Level::Var, &[]).unwrap();
    assert_eq!(done.deployed.id.stateroot.as_str(), "os-reset-1");
    let deploy = fixture.sysroot().join("ostree/deploy");
    assert!(!deploy.join("os-reset-1/var/data").exists());
    assert_eq!(
        fs::read_to_string(deploy.join("os/var/data")).unwrap(),
        "mine"
    );
    let mut lock = fixture.lock();
    assert_eq!(lock.deployments[0].id, done.deployed.id);
    assert_eq!(lock.deployments[0].chosen_kargs().to_string(), "quiet mine");
    order::change(&mut lock, &Wish::MakeDefault(1)).unwrap();
    assert_eq!(lock.deployments[0].id, done.left);
    drop(lock);
    assert!(
        fixture.real_status().contains("os-reset-1"),
        "the real one reads it too"
    );
    let again = reset(&fixture, Level::Var, &[]).unwrap();
    assert_eq!(again.deployed.id.stateroot.as_str(), "os-reset-2");
}

#[test]
fn what_should_be_kept_must_be_there_before_anything_is_made() {
    let fixture = changed();
    let refused = reset(&fixture, Level::Var, &["b", "nowhere/x"]);
    assert!(matches!(refused, Err(ResetError::NothingToKeep { path }) if path == "nowhere/x"));
    assert!(!fixture.sysroot().join("ostree/deploy/os-reset-1").exists());
    assert_eq!(fixture.open().deployments.len(), 1);
}
