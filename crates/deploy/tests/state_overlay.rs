//! A layer in `/var` over a directory of a deployment, mounted in a namespace of the test's own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Fixture;
use ostler_deploy::state_overlay::{Mounted, StateOverlayError, mount as mount_layer};
use ostler_deploy::sysroot::SysrootError;
use ostler_deploy::{Host, Sysroot};
use ostler_fs::mount;

/// A system that runs from the first of two deployments of different commits; `None` where nothing may be mounted.
fn running() -> Option<(Fixture, [Host; 2])> {
    if ostler_fs::effective_user() != 0 {
        return None;
    }
    let fixture = Fixture::new();
    fixture.write("usr/opt/both", "version 1");
    fixture.write("usr/opt/folder/both", "version 1");
    fixture.write("usr/opt/gone", "version 1");
    fixture.commit("2");
    fixture.pull();
    fixture.real_deploy(&[]);
    fixture.write("usr/opt/both", "version 2");
    fixture.write("usr/opt/new", "version 2");
    fixture.commit("3");
    fixture.pull();
    fixture.real_deploy(&["--retain"]);
    mount::enter_private_namespace().unwrap();
    let var = fixture.path.join("running-var");
    fs::create_dir(&var).unwrap();
    mount::mount("tmpfs", "tmpfs", &var, "").unwrap();
    let hosts = [1, 0].map(|index| fixture.running(index));
    Some((fixture, hosts))
}

fn open(fixture: &Fixture, host: &Host) -> Sysroot {
    Sysroot::open_on(fixture.sysroot(), fixture.settings(), host.clone()).unwrap()
}

/// `/opt` of the running deployment.
fn opt(sysroot: &Sysroot) -> PathBuf {
    let booted = sysroot.booted().unwrap();
    sysroot.deployment_path(&booted.id).join("usr/opt")
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

#[test]
fn what_was_written_stays_and_gives_way_to_what_a_new_version_has() {
    let Some((fixture, [first, second])) = running() else {
        return;
    };
    let sysroot = open(&fixture, &first);
    let target = opt(&sysroot);
    let mounted = mount_layer(&sysroot, "opt", &target).unwrap();
    assert_eq!(mounted, Mounted::Now { dropped: 0 });
    for (name, text) in [
        ("both", "mine"),
        ("own", "mine"),
        ("new", "mine"),
        ("folder/own", "mine"),
    ] {
        fs::write(target.join(name), text).unwrap();
    }
    fs::remove_file(target.join("gone")).unwrap();
    assert_eq!(
        mount_layer(&sysroot, "opt", &target).unwrap(),
        Mounted::Already
    );
    mount::unmount(&target).unwrap();
    // The same version again: nothing gives way.
    mount_layer(&sysroot, "opt", &target).unwrap();
    assert_eq!(read(&target, "both").as_deref(), Some("mine"));
    assert_eq!(read(&target, "gone"), None);
    mount::unmount(&target).unwrap();

    let sysroot = open(&fixture, &second);
    let target = opt(&sysroot);
    let mounted = mount_layer(&sysroot, "opt", &target).unwrap();
    assert_eq!(
        mounted,
        Mounted::Now { dropped: 3 },
        "both, new and the mark of gone"
    );
    for (name, text) in [
        ("both", "version 2"),
        ("new", "version 2"),
        ("gone", "version 1"),
        ("folder/both", "version 1"),
        ("own", "mine"),
        ("folder/own", "mine"),
    ] {
        assert_eq!(read(&target, name).as_deref(), Some(text), "{name}");
    }
    mount::unmount(&target).unwrap();
    assert_eq!(read(&target, "own"), None, "the deployment is as it was");
}

#[test]
fn a_name_that_is_a_path_and_a_system_that_was_not_booted_are_refused() {
    let Some((fixture, [first, _])) = running() else {
        return;
    };
    let sysroot = open(&fixture, &first);
    for name in ["", ".", "..", "a/b", "/etc"] {
        let refused = mount_layer(&sysroot, name, &opt(&sysroot));
        assert!(
            matches!(refused, Err(StateOverlayError::Name { .. })),
            "{name}"
        );
    }
    let refused = mount_layer(&sysroot, "opt", Path::new("opt"));
    assert!(matches!(refused, Err(StateOverlayError::Relative { .. })));
    let refused = mount_layer(&fixture.open(), "opt", &opt(&sysroot));
    let not_booted = StateOverlayError::Sysroot(SysrootError::NotBooted);
    assert_eq!(refused.unwrap_err().to_string(), not_booted.to_string());
}
