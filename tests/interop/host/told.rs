//! What is told of deployments, those that are gone among them, and what gives their room back.

use std::fs;

use super::Host;

#[test]
fn the_history_tells_what_was_made_by_which_command_after_it_is_gone() {
    let host = Host::new();
    for version in ["2", "3", "4"] {
        host.publish(version, &[]);
        host.host(&["upgrade"]);
    }
    assert_eq!(host.status().len(), 2, "the others are gone");
    let text = host.run(&["history"]);
    assert_eq!(text.matches("CreateTimestamp").count(), 3, "{text}");
    let versions: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Version: "))
        .collect();
    assert_eq!(versions, ["4", "3", "2"]);
    assert!(text.contains("CreateCommand: ostler upgrade"), "{text}");
    assert_eq!(
        host.run(&["history", "--limit=1"])
            .matches("Commit:")
            .count(),
        1
    );
    let json = host.json(&["history", "--all", "--json"]);
    let all = json["deployments"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[3]["origin"], "o:os/stable");
    assert_eq!(all[3]["deployment-boot-count"], 0);
    assert_eq!(host.run(&["history", "--booted"]), "No history.\n");
    fs::write(host.sysroot.join("ostree/history"), "no line of ours\n").unwrap();
    assert_eq!(host.run(&["history"]), "No history.\n");
}

#[test]
fn a_cleanup_removes_what_it_is_asked_for() {
    let host = Host::new();
    host.publish("2", &[]);
    host.host(&["upgrade"]);
    let metadata = host
        .sysroot
        .join("ostree/deploy/testos/var/cache/rpm-ostree/repomd");
    fs::create_dir_all(metadata.join("fedora")).unwrap();
    host.host(&["cleanup", "--base"]);
    assert!(metadata.exists());
    host.host(&["cleanup", "-m"]);
    assert!(!metadata.exists());
    assert_eq!(host.status().len(), 2);
    host.host(&["cleanup", "-r"]);
    assert_eq!(host.status().len(), 1);
    let nothing = host.fail(&["cleanup"]);
    assert!(nothing.contains("--repomd"), "{nothing}");
}

#[test]
fn a_deployment_without_packages_has_every_key_that_programs_look_for() {
    let host = Host::new();
    let deployment = &host.status()[0];
    for list in [
        "base-local-replacements",
        "base-removals",
        "modules",
        "packages",
        "requested-base-local-replacements",
        "requested-base-removals",
        "requested-local-fileoverride-packages",
        "requested-local-packages",
        "requested-modules",
        "requested-modules-enabled",
        "requested-packages",
    ] {
        assert_eq!(deployment[list], serde_json::json!([]), "{list}");
    }
    assert_eq!(
        deployment["base-remote-replacements"],
        serde_json::json!({})
    );
    for (key, value) in [
        ("regenerate-initramfs", false),
        ("gpg-enabled", false),
        ("booted", false),
    ] {
        assert_eq!(deployment[key], value, "{key}");
    }
    assert_eq!(deployment["base-commit-meta"]["version"], "1");
    assert!(deployment["timestamp"].as_u64().is_some());
    for key in [
        "layered-commit-meta",
        "base-checksum",
        "initramfs-etc",
        "signatures",
        "cliwrap",
    ] {
        assert!(deployment.get(key).is_none(), "{key}");
    }
}
