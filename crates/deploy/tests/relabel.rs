//! SELinux labels for what has none, by the policy of a deployment.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::deploy::{DeployOptions, deploy};
use ostler_deploy::relabel::{Relabelled, ensure_labelled};
use ostler_fs::Dir;
use ostler_store::progress::Silent;

const CONTEXTS: &str =
    "/.* u:r:file_t\n/etc(/.*)? u:r:etc_t\n/var(/.*)? u:r:var_t\n/var/plain <<none>>\n";

#[test]
fn what_has_no_label_gets_the_policys_and_the_repositorys_files_stay_as_they_are() {
    if ostler_fs::effective_user() != 0 {
        return;
    }
    let fixture = Fixture::new();
    fixture.real_deploy(&[]);
    assert_eq!(
        ensure_labelled(&fixture.open(), None).unwrap(),
        Relabelled::NoPolicy
    );
    fixture.write(
        "usr/etc/selinux/config",
        "SELINUX=enforcing\nSELINUXTYPE=test\n",
    );
    fixture.write(
        "usr/etc/selinux/test/contexts/files/file_contexts",
        CONTEXTS,
    );
    let commit = fixture.commit("2").parse().unwrap();
    fixture.pull();
    // The real `ostree` runs programs of a tree that has a policy.
    let options = DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        ..DeployOptions::default()
    };
    deploy(&mut fixture.lock(), commit, &options, &Silent).unwrap();
    let sysroot = fixture.open();
    let root = sysroot.deployment_path(&sysroot.deployments[0].id);
    let label = |path: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap();
        let folder = Dir::open_ambient(root.join(folder)).unwrap();
        let label = folder.xattr(name, "security.selinux", 100).unwrap()?;
        Some(
            String::from_utf8(label)
                .unwrap()
                .trim_end_matches('\0')
                .to_owned(),
        )
    };
    fs::write(root.join("etc/own"), "").unwrap();
    // Whatever made the deployment may have labelled it; this file is new.
    assert_eq!(label("etc/own"), None);
    let Relabelled::Done { labelled, left } = ensure_labelled(&sysroot, None).unwrap() else {
        panic!("there is a policy");
    };
    assert!(
        labelled
            .iter()
            .any(|it| it.path == "/etc/own" && it.label == "u:r:etc_t")
    );
    assert_eq!(label("etc/own").as_deref(), Some("u:r:etc_t"));
    assert_eq!(
        (label("usr/bin/sh"), left > 0),
        (None, true),
        "it is the repository's"
    );
    fixture.ostree(&["--repo=sysroot/ostree/repo", "fsck", "-q"]);
    let again = ensure_labelled(&sysroot, None).unwrap();
    assert!(matches!(again, Relabelled::Done { labelled, .. } if labelled.is_empty()));
    // Another directory, at its place in the system.
    let var = fixture.sysroot().join("ostree/deploy/os/var");
    for name in ["file", "plain"] {
        fs::write(var.join(name), "").unwrap();
    }
    let Relabelled::Done { labelled, .. } = ensure_labelled(&sysroot, Some((&var, "var"))).unwrap()
    else {
        panic!("there is a policy");
    };
    let has = |path: &str| labelled.iter().any(|it| it.path == path);
    assert!(has("/var/file") && !has("/var/plain"), "{labelled:?}");
}
