//! A layer over `/usr`, mounted in a namespace of the test's own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use common::Fixture;
use ostler_deploy::host::Booted;
use ostler_deploy::status::Status;
use ostler_deploy::sysroot::SysrootError;
use ostler_deploy::unlock::{Layer, Places, UnlockError, unlock};
use ostler_deploy::{Host, Sysroot};
use ostler_fs::mount;

/// A system that runs from its only deployment, and where its layer goes; `None` where nothing may be mounted.
fn running() -> Option<(Fixture, Host, Places)> {
    if ostler_fs::effective_user() != 0 {
        return None;
    }
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    let sysroot = fixture.open();
    let path = sysroot.deployment_path(&sysroot.deployments[0].id);
    let (root, deployment) = (
        fs::metadata(fixture.sysroot()).unwrap(),
        fs::metadata(&path).unwrap(),
    );
    for directory in ["run", "layers"] {
        fs::create_dir(fixture.path.join(directory)).unwrap();
    }
    mount::enter_private_namespace().unwrap();
    let temporary = fixture.path.join("layers");
    mount::mount("tmpfs", "tmpfs", &temporary, "").unwrap();
    let host = Host {
        root: (root.dev(), root.ino()),
        booted: Some(Booted {
            backing_root: Some((deployment.dev(), deployment.ino())),
        }),
        ..fixture.host()
    };
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
