//! Upgrades: looked at before they are made, made by timers, and one after the other.

use std::fs;

use ostler_tests::tree::os::{self, Os};

use super::Host;

#[test]
fn a_preview_tells_conflicts_of_etc_and_leaves_all_as_it_is() {
    let host = Host::new();
    let etc = host.root(0).join("etc");
    fs::write(etc.join("default"), "mine").unwrap();
    fs::write(etc.join("edited"), "mine").unwrap();
    assert_eq!(
        host.code(&["upgrade", "--preview", "--stateroot=testos"]),
        Some(77)
    );
    host.publish("2", &[]);
    let check = host.host(&["upgrade", "--check"]);
    assert!(
        check.contains("Version: 2") && !check.contains("EtcChanges"),
        "{check}"
    );
    let before = host.status();
    let preview = host.host(&["upgrade", "--preview"]);
    assert!(
        preview.contains("EtcChanges: 2 modified, 0 removed, 0 added, 1 in conflict"),
        "{preview}"
    );
    assert!(
        preview.contains("`/etc/default`: you and the new version changed it"),
        "{preview}"
    );
    assert_eq!(host.host(&["deploy", "--preview", "2"]), preview);
    assert_eq!(host.status(), before);
    let left = fs::read_dir(host.sysroot.join("ostree/repo/tmp")).unwrap();
    let left = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with("etc-preview")
    });
    assert_eq!(left.count(), 0);

    fs::create_dir_all(etc.join("ostler")).unwrap();
    let rule = "[[etc]]\npath = 'default'\npolicy = 'fail'\n";
    fs::write(etc.join("ostler/host.toml"), rule).unwrap();
    let preview = host.host(&["upgrade", "--preview"]);
    assert!(preview.contains("EtcRefused: "), "{preview}");
    host.fail(&["upgrade", "--stateroot=testos"]);
    fs::remove_dir_all(etc.join("ostler")).unwrap();
    host.host(&["upgrade"]);
    let merged = &host.status()[0]["etc-merge"];
    assert_eq!(
        merged["conflicts"].as_array().unwrap().len(),
        1,
        "{merged:#}"
    );
}

#[test]
fn a_change_that_waits_for_its_boot_is_not_lost_by_the_next_one() {
    let host = Host::new();
    host.host(&["kargs", "--append=waiting"]);
    host.publish("2", &[]);
    host.host(&["upgrade", "--download-only"]);
    assert_eq!(host.status()[0]["version"], "1");
    host.host(&["upgrade", "--cache-only"]);
    assert_eq!(host.status()[0]["version"], "2");
    assert_eq!(host.kargs(), "root=LABEL=root waiting");
    assert_eq!(
        host.code(&["upgrade", "--stateroot=testos", "--unchanged-exit-77"]),
        Some(77)
    );
    assert_eq!(host.code(&["upgrade", "--stateroot=testos"]), Some(0));

    let tree = host.scratch.join("next");
    os::write(
        &tree,
        Os {
            version: "3",
            kernel: "another",
        },
    );
    host.remote.commit("os/next", &tree, &[]);
    let url = "--custom-origin-url=https://example.com/os";
    let description = "--custom-origin-description=managed elsewhere";
    host.host(&["rebase", url, description, "o:os/next"]);
    let rebased = host.status()[0].clone();
    assert_eq!(rebased["origin"], "o:os/next");
    let custom = serde_json::json!(["https://example.com/os", "managed elsewhere"]);
    assert_eq!(rebased["custom-origin"], custom);
    let text = host.run(&["status", "-v"]);
    assert!(
        text.contains("CustomOrigin: https://example.com/os managed elsewhere"),
        "{text}"
    );
    assert!(
        text.contains("KernelArguments: root=LABEL=root waiting"),
        "{text}"
    );
    // The rebase waits for its boot, too, and an upgrade goes on from it.
    host.publish("5", &[]);
    assert_eq!(
        host.code(&["upgrade", "--stateroot=testos", "--unchanged-exit-77"]),
        Some(77)
    );
    assert_eq!(host.status()[0]["checksum"], rebased["checksum"]);
}

#[test]
fn a_timer_does_what_its_policy_says() {
    let host = Host::new();
    host.publish("2", &[]);
    let trigger = || host.host(&["upgrade", "--trigger-automatic-update-policy"]);
    assert_eq!(trigger(), "Automatic updates are disabled.\n");
    let policy = |word: &str| {
        let text = format!("[Daemon]\nAutomaticUpdatePolicy={word}\n");
        fs::write(host.root(0).join("etc/rpm-ostreed.conf"), text).unwrap();
    };
    policy("none");
    assert_eq!(trigger(), "Automatic updates are disabled.\n");
    policy("check");
    assert!(trigger().contains("AvailableUpdate:"));
    assert_eq!(host.status()[0]["version"], "1");
    policy("sometimes");
    let wrong = host.fail(&[
        "upgrade",
        "--stateroot=testos",
        "--trigger-automatic-update-policy",
    ]);
    assert!(wrong.contains("`sometimes`"), "{wrong}");
    policy("stage");
    trigger();
    assert_eq!(host.status()[0]["version"], "2");
    policy("check");
    assert_eq!(
        host.code(&[
            "upgrade",
            "--stateroot=testos",
            "--trigger-automatic-update-policy"
        ]),
        Some(0),
        "nothing newer is no failure"
    );
}
