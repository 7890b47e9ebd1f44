//! A layer over `/usr`, mounted in a namespace of the test's own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::Fixture;
use ostler_deploy::deploy::{DeployOptions, deploy};
use ostler_deploy::status::Status;
use ostler_deploy::sysroot::SysrootError;
use ostler_deploy::unlock::{Layer, Outside, Places, UnlockError, hotfix, unlock};
use ostler_deploy::{Host, Sysroot};
use ostler_format::origin::Unlocked;
use ostler_fs::mount;
use ostler_store::progress::Silent;

/// A system that runs from its only deployment, and where its layer goes; `None` where nothing may be mounted.
fn running() -> Option<(Fixture, Host, Places)> {
    if ostler_fs::effective_user() != 0 {
        return None;
    }
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    let sysroot = fixture.open();
    let path = sysroot.deployment_path(&sysroot.deployments[0].id);
    let host = fixture.running(0);
    let temporary = fixture.path.join("layers");
    fs::create_dir(&temporary).unwrap();
    mount::enter_private_namespace().unwrap();
    mount::mount("tmpfs", "tmpfs", &temporary, "").unwrap();
    let usr = path.join("usr");
    Some((fixture, host, Places { usr, temporary }))
}

fn open(fixture: &Fixture, host: &Host) -> Sysroot {
    Sysroot::open_on(fixture.sysroot(), fixture.settings(), host.clone()).unwrap()
}

fn layers(places: &Places) -> Vec<PathBuf> {
    let entries = fs::read_dir(&places.temporary).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_is_written_to_an_unlocked_usr_stays_in_the_layer_and_status_tells() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    unlock(&open(&fixture, &host), Layer::Development, &places).unwrap();
    fs::write(places.usr.join("bin/sh"), "mine").unwrap();
    let unlocked = open(&fixture, &host);
    let text = Status::read(&unlocked).unwrap().ostree_text();
    assert!(text.contains("Unlocked: development"), "{text}");
    let again = unlock(&unlocked, Layer::Transient, &places).unwrap_err();
    assert!(matches!(again, UnlockError::Already { .. }), "{again}");
    let upper = layers(&places).remove(0).join("upper/bin/sh");
    assert_eq!(fs::read_to_string(upper).unwrap(), "mine");
    mount::unmount(&places.usr).unwrap();
    let below = fs::read_to_string(places.usr.join("bin/sh")).unwrap();
    assert_eq!(below, "sh", "the deployment's own file");
}

#[test]
fn a_transient_layer_is_read_only_until_it_is_remounted() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    unlock(&open(&fixture, &host), Layer::Transient, &places).unwrap();
    let refused = fs::write(places.usr.join("new"), "").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mount::remount(&places.usr, mount::Writable::Yes).unwrap();
    fs::write(places.usr.join("new"), "").unwrap();
    mount::unmount(&places.usr).unwrap();
    assert!(!places.usr.join("new").exists());
}

#[test]
fn a_mount_that_fails_leaves_no_flag_and_no_layer() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    let usr = places.usr.join("bin/sh");
    let wrong = Places {
        usr,
        ..places.clone()
    };
    unlock(&open(&fixture, &host), Layer::Development, &wrong).unwrap_err();
    assert!(layers(&places).is_empty());
    unlock(&open(&fixture, &host), Layer::Development, &places).expect("nothing is in the way");
    mount::unmount(&places.usr).unwrap();
    let elsewhere = unlock(&fixture.open(), Layer::Development, &places).unwrap_err();
    let not_booted = UnlockError::Sysroot(SysrootError::NotBooted);
    assert_eq!(elsewhere.to_string(), not_booted.to_string());
}

#[test]
fn a_flag_that_a_killed_process_left_is_no_obstacle() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    let sysroot = open(&fixture, &host);
    let state = host.run.join(sysroot.booted().unwrap().id.run_state());
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("unlocked-development"), "").unwrap();
    let told = open(&fixture, &host);
    assert_eq!(told.booted().unwrap().unlocked, Unlocked::Development);
    unlock(&told, Layer::Development, &places).unwrap();
    fs::write(places.usr.join("new"), "").unwrap();
    let again = unlock(&told, Layer::Development, &places).unwrap_err();
    assert!(matches!(again, UnlockError::Already { .. }), "{again}");
    assert_eq!(layers(&places).len(), 1);
    mount::unmount(&places.usr).unwrap();
}

#[test]
fn a_hotfix_stays_with_its_deployment_beside_one_without_it_and_the_next_version_has_none() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    let mut lock = fixture.lock_on(&host);
    let back = hotfix(&mut lock, Outside::stay(places.clone()), &Silent).unwrap();
    fs::write(places.usr.join("bin/sh"), "mine").unwrap();
    let root = lock.deployment_path(&lock.booted().unwrap().id);
    let upper = root.join(".usr-ovl-upper/bin/sh");
    assert_eq!(fs::read_to_string(upper).unwrap(), "mine");
    assert!(
        root.join(".usr-ovl-work").is_dir(),
        "what a first root looks for"
    );
    let order: Vec<_> = lock.deployments.iter().map(|it| it.id.clone()).collect();
    assert!(lock.deployments[0].booted, "it stays the default");
    assert_eq!(order[1..], [back.unwrap()]);
    let copy = lock.deployment_path(&order[1]);
    assert_eq!(fs::read_to_string(copy.join("usr/bin/sh")).unwrap(), "sh");
    assert_eq!(fixture.real_status().matches("Unlocked: hotfix").count(), 1);
    let again = hotfix(&mut lock, Outside::stay(places.clone()), &Silent).unwrap_err();
    let state = Unlocked::Hotfix;
    assert!(
        matches!(again, UnlockError::Already { state: found } if found == state),
        "{again}"
    );
    drop(lock);
    // As if it had been killed before the mount: the same call goes on, and makes no second copy.
    mount::unmount(&places.usr).unwrap();
    let mut lock = fixture.lock_on(&host);
    let back = hotfix(&mut lock, Outside::stay(places.clone()), &Silent).unwrap();
    assert_eq!((back, lock.deployments.len()), (None, 2));
    assert_eq!(
        fs::read_to_string(places.usr.join("bin/sh")).unwrap(),
        "mine"
    );
    mount::unmount(&places.usr).unwrap();
    let options = DeployOptions {
        origin: lock.deployments[0].origin.clone(),
        ..DeployOptions::default()
    };
    let commit = lock.deployments[0].id.commit;
    deploy(&mut lock, commit, &options, &Silent).unwrap();
    assert_eq!(lock.deployments[0].unlocked, Unlocked::None);
}

#[test]
fn a_hotfix_that_cannot_be_mounted_leaves_usr_and_the_origin_as_they_were() {
    let Some((fixture, host, places)) = running() else {
        return;
    };
    let mut lock = fixture.lock_on(&host);
    let root = lock.deployment_path(&lock.deployments[0].id);
    // The kernel refuses an upper directory that is no directory.
    fs::write(root.join(".usr-ovl-upper"), "").unwrap();
    hotfix(&mut lock, Outside::stay(places), &Silent).unwrap_err();
    assert!(!root.join(".usr-ovl-upper").exists() && !root.join(".usr-ovl-work").exists());
    drop(lock);
    assert_eq!(
        open(&fixture, &host).booted().unwrap().unlocked,
        Unlocked::None
    );
}
