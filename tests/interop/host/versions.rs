//! To a version or commit of one's choice, to another ref, back and forth.

use ostler_tests::Program;
use ostler_tests::tree::os::{self, Os};
use serde_json::Value;

use super::Host;

/// Publishes a version as of an hour of one day.
fn publish(host: &Host, branch: &str, version: &str, hour: u32) -> String {
    let tree = host
        .scratch
        .join(format!("tree-{branch}-{version}").replace('/', "-"));
    let kernel = "one for all";
    os::write(&tree, Os { version, kernel });
    let metadata = format!("--add-metadata-string=version={version}");
    let time = format!("--timestamp=2024-06-01T{hour:02}:00:00Z");
    host.remote.commit(branch, &tree, &[&metadata, &time])
}

fn next(host: &Host, key: &str) -> Value {
    host.status()[0][key].clone()
}

#[test]
fn a_deploy_goes_to_any_version_of_the_branch_and_elsewhere_only_when_told() {
    let host = Host::new();
    publish(&host, "os/stable", "2", 2);
    publish(&host, "os/stable", "3", 3);
    let elsewhere = publish(&host, "os/other", "9", 9);
    host.host(&["deploy", "2"]);
    assert_eq!(next(&host, "version"), "2");
    let two = next(&host, "checksum");
    let two = two.as_str().unwrap();
    let origin = std::fs::read_to_string(host.root(0).with_extension("0.origin")).unwrap();
    assert!(
        origin.contains(&format!("override-commit={two}")),
        "{origin}"
    );

    let refused = host.fail(&["deploy", "--stateroot=testos", "--disallow-downgrade", "1"]);
    assert!(refused.contains("chronologically older"), "{refused}");
    assert_eq!(next(&host, "version"), "2");
    host.host(&["deploy", "1"]);
    assert_eq!(next(&host, "version"), "1");
    let again = ["deploy", "--stateroot=testos", "1", "--unchanged-exit-77"];
    assert_eq!(host.code(&again), Some(77));
    assert_eq!(host.code(&again[..3]), Some(0));
    host.host(&["deploy", "--download-only", "3"]);
    assert_eq!(next(&host, "version"), "1");
    host.host(&["deploy", "--cache-only", two]);
    assert_eq!(next(&host, "version"), "2");

    let refused = host.fail(&["deploy", "--stateroot=testos", &elsewhere]);
    assert!(refused.contains("no commit of `o:os/stable`"), "{refused}");
    host.host(&["deploy", "--skip-branch-check", &elsewhere]);
    assert_eq!(next(&host, "version"), "9");
    let refused = host.fail(&["deploy", "--stateroot=testos", "4.5"]);
    assert!(refused.contains("`4.5`"), "{refused}");
}

#[test]
fn an_upgrade_goes_back_in_time_only_when_told() {
    let host = Host::new();
    let old = publish(&host, "os/stable", "2", 2);
    publish(&host, "os/stable", "3", 3);
    host.host(&["upgrade"]);
    assert_eq!(next(&host, "version"), "3");
    host.remote.run("reset", ["os/stable", &old]);
    let refused = host.fail(&["upgrade", "--stateroot=testos"]);
    assert!(refused.contains("--allow-downgrade"), "{refused}");
    host.host(&["upgrade", "--allow-downgrade"]);
    assert_eq!(next(&host, "version"), "2");
}

#[test]
fn a_rebase_follows_the_other_ref_and_lets_go_of_the_old_one_unless_told() {
    let host = Host::new();
    publish(&host, "os/next", "5", 5);
    publish(&host, "os/next", "6", 6);
    publish(&host, "os/third", "4", 4);
    let is_there = || {
        let repo = Program::ostree().repo(&host.sysroot.join("ostree/repo"));
        repo.run("refs", ["--list"]).contains("o:os/stable")
    };
    host.host(&["rebase", "--skip-purge", "--branch=os/next"]);
    assert_eq!(
        (next(&host, "origin"), next(&host, "version")),
        ("o:os/next".into(), "6".into())
    );
    assert!(is_there(), "the old ref was to stay");
    host.host(&["rebase", "--remote=o", "--branch=os/stable"]);
    assert_eq!(next(&host, "origin"), "o:os/stable");
    host.host(&["rebase", "os/next", "5"]);
    assert_eq!(next(&host, "version"), "5");
    assert!(!is_there(), "nothing follows it any more");
    let refused = host.fail(&[
        "rebase",
        "--stateroot=testos",
        "--disallow-downgrade",
        "os/third",
    ]);
    assert!(refused.contains("chronologically older"), "{refused}");
    host.host(&["rebase", "--download-only", "os/third"]);
    assert_eq!(next(&host, "version"), "5");
    host.host(&["rebase", "--cache-only", "os/third"]);
    assert_eq!(next(&host, "version"), "4");
}

#[test]
fn a_rollback_goes_back_and_forth_and_what_is_pending_is_given_up() {
    let host = Host::new();
    publish(&host, "os/stable", "2", 2);
    host.host(&["upgrade"]);
    host.run(&["rollback"]);
    assert_eq!(next(&host, "version"), "1");
    host.run(&["rollback"]);
    assert_eq!(next(&host, "version"), "2");
    let refused = host.fail(&["admin", "undeploy", "2"]);
    assert!(refused.contains("out of range"), "{refused}");
    host.run(&["admin", "undeploy", "0"]);
    let refused = host.fail(&["admin", "undeploy", "0"]);
    assert!(refused.contains("it is the only one"), "{refused}");
    assert_eq!(next(&host, "version"), "1");
}
