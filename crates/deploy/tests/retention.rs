//! What a policy holds outlives new deployments, and what it does not hold goes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;

use common::Fixture;
use ostler_deploy::deploy::{DeployOptions, deploy};
use ostler_deploy::holding::Holding;
use ostler_deploy::order::{OrderError, expire};
use ostler_format::origin::Source;
use ostler_format::{Origin, Refspec};
use ostler_store::progress::Silent;

/// Publishes a version and deploys it.
fn deploy_version(fixture: &Fixture, version: &str) {
    fixture.write("usr/bin/version", version);
    fixture.write("usr/lib/modules/6.1/vmlinuz", &format!("kernel {version}"));
    fixture.commit(version);
    fixture.pull();
    let refspec = Source::Refspec(Refspec::parse("o:os/stable").unwrap());
    let options = DeployOptions {
        stateroot: Some("os".parse().unwrap()),
        origin: Some(Origin::new(&refspec).unwrap()),
        ..DeployOptions::default()
    };
    let mut lock = fixture.lock();
    let commit = lock.repo().resolve("o:os/stable").unwrap();
    deploy(&mut lock, commit, &options, &Silent).unwrap();
}

/// Writes the policy into `/etc` of what boots next.
fn set_policy(fixture: &Fixture, text: &str) {
    let sysroot = fixture.open();
    let etc = sysroot
        .deployment_path(&sysroot.deployments[0].id)
        .join("etc/ostler");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("host.toml"), format!("[retention]\n{text}\n")).unwrap();
}

fn versions(fixture: &Fixture) -> Vec<String> {
    let sysroot = fixture.open();
    let version = |id| fs::read_to_string(sysroot.deployment_path(id).join("usr/bin/version"));
    sysroot
        .deployments
        .iter()
        .map(|it| version(&it.id).unwrap())
        .collect()
}

#[test]
fn as_many_stay_as_the_policy_says_and_a_smaller_one_lets_go_when_asked() {
    let fixture = Fixture::new();
    for version in ["1", "2", "3"] {
        deploy_version(&fixture, version);
    }
    assert_eq!(versions(&fixture), ["3", "2"], "without a policy");
    set_policy(&fixture, "keep = 3");
    for version in ["4", "5"] {
        deploy_version(&fixture, version);
    }
    assert_eq!(
        versions(&fixture),
        ["5", "4", "3"],
        "the policy is carried over with /etc"
    );
    fixture.admin(&["pin", "2"]);
    for version in ["6", "7"] {
        deploy_version(&fixture, version);
    }
    assert_eq!(versions(&fixture), ["7", "6", "5", "3"]);
    set_policy(&fixture, "keep = 1");
    let stateroot = "os".parse().unwrap();
    let change = expire(&mut fixture.lock(), &stateroot).unwrap();
    assert_eq!(change.removed.len(), 2);
    assert_eq!(versions(&fixture), ["7", "3"], "a pinned one stays");
    set_policy(&fixture, "");
    let refused = expire(&mut fixture.lock(), &stateroot);
    assert!(matches!(refused, Err(OrderError::NoPolicy { .. })));
    set_policy(&fixture, "kep = 1");
    let refused = expire(&mut fixture.lock(), &stateroot);
    assert!(
        matches!(refused, Err(OrderError::HostFile(_))),
        "nothing is let go by mistake"
    );
    assert_eq!(versions(&fixture), ["7", "3"]);
}

#[test]
fn the_newest_of_each_version_stays() {
    let fixture = Fixture::new();
    deploy_version(&fixture, "1");
    set_policy(&fixture, "newest-of-each-version = true");
    for version in ["2", "2", "3", "3"] {
        deploy_version(&fixture, version);
    }
    assert_eq!(
        versions(&fixture),
        ["3", "3", "2", "1"],
        "the last but one is what the new one continues"
    );
}

#[test]
fn an_explanation_names_what_holds_each_deployment_kernel_and_commit() {
    let fixture = Fixture::new();
    deploy_version(&fixture, "1");
    set_policy(&fixture, "keep = 2");
    deploy_version(&fixture, "2");
    let holding = Holding::read(&fixture.open()).unwrap();
    let held: Vec<_> = holding
        .deployments
        .iter()
        .map(|it| it.held_by.clone())
        .collect();
    assert_eq!(
        held,
        [
            vec!["next-boot", "retention-count"],
            vec!["retention-count"]
        ]
    );
    assert!(holding.deployments[0].own_bytes > 0, "its /etc is its own");
    let mut users: Vec<_> = holding
        .kernels
        .iter()
        .map(|it| it.deployments.clone())
        .collect();
    users.sort();
    assert_eq!(users, [[0], [1]]);
    assert!(holding.kernels.iter().all(|it| it.bytes > 0));
    let newest = holding
        .commits
        .iter()
        .find(|it| it.deployments == [0])
        .unwrap();
    assert_eq!(newest.refs, ["o:os/stable"]);
    assert!(newest.own_bytes > 0, "version and kernel are its own");
    assert_eq!(
        (
            holding.stateroots[0].name.as_str(),
            holding.stateroots[0].deployments
        ),
        ("os", 2)
    );
}
