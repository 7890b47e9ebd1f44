//! Host verbs on a system that runs from a deployment and finishes others at shutdown.

use ostler_format::Value;
use ostler_tests::Program;

use crate::booted::booted;
use crate::both_ways;

/// `systemctl reboot` leaves a file of that name; `code` prints the exit code of a command to descriptor 3.
const REBOOT: &str = r#"
cp /usr/bin/touch $root/usr/bin/systemctl
code() { local code=0; "$@" || code=$?; echo "$code" >&3; }
"#;

#[test]
fn a_locked_deployment_is_let_go_for_its_own_commit_and_rebooted_into() {
    let steps = format!(
        r#"{REBOOT}
        code ostler status --pending-exit-77
        ostler upgrade --lock-finalization
        code ostler status --pending-exit-77
        code ostler finalize-deployment
        code ostler finalize-deployment 0000000000000000000000000000000000000000000000000000000000000000
        ls $root | grep -c reboot >&3 || true
        ostler finalize-deployment $(ostler status -J '$.deployments[0].checksum' | tr -d '"')
        ls $root | grep -c reboot >&3
        code ostler finalize-deployment --allow-missing-checksum
        code ostler finalize-deployment --allow-missing-checksum --allow-unlocked
        other admin finalize-staged
        ostler status -b >&3
        ostler rollback
        code ostler status --pending-exit-77"#
    );
    let Some(said) = booted(&Program::ostree(), &steps) else {
        return;
    };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..8],
        ["0", "77", "2", "1", "0", "1", "1", "0"],
        "{said}"
    );
    let status = lines[8..].join("\n");
    assert_eq!(
        status.matches("Commit:").count(),
        1,
        "the booted one alone: {said}"
    );
    assert!(
        status.contains("(booted)") && status.ends_with("\n0"),
        "{said}"
    );
}

#[test]
fn boots_are_noted_once_and_told_with_what_was_made() {
    let steps = format!(
        r#"{REBOOT}
        ostler admin boot-complete
        ostler admin boot-complete
        ostler upgrade
        ostler history --booted --all --json >&3"#
    );
    let Some(said) = booted(&Program::ostree(), &steps) else {
        return;
    };
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    let all = json["deployments"].as_array().unwrap();
    assert_eq!(all.len(), 1, "the new one was never booted: {said}");
    assert_eq!(all[0]["deployment-boot-count"], 1);
    let command = all[0]["deployment-create-command-line"].as_str().unwrap();
    assert!(command.contains("admin deploy"), "{command}");
    assert_eq!(
        all[0]["deployment-first-boot-timestamp"],
        all[0]["deployment-last-boot-timestamp"]
    );
}

#[test]
fn changes_that_are_staged_add_up_and_either_program_finishes_them() {
    for (other, _) in both_ways() {
        let steps = format!(
            r#"{REBOOT}
            ostler kargs --append=one
            ostler kargs --append=two --reboot
            ls $root | grep -c reboot >&3
            ostler initramfs-etc --track=/etc/os-release
            ostler upgrade
            other admin finalize-staged
            cat sysroot/boot/loader/entries/*-2*.conf >&3
            ls sysroot/boot/ostree/initramfs-overlays | grep -c img >&3
            ostler cleanup --pending
            ostler status >&3"#
        );
        let Some(said) = booted(&other, &steps) else {
            return;
        };
        let name = other.name();
        assert!(said.starts_with("1\n"), "{name}: rebooted: {said}");
        assert!(said.contains(" one two"), "{name}: {said}");
        assert!(
            said.contains("initrd /ostree/initramfs-overlays/"),
            "{name}: {said}"
        );
        assert_eq!(said.matches("Commit:").count(), 1, "{name}: {said}");
    }
}

#[test]
fn a_program_that_drives_updates_is_told_of_and_asked_before_an_upgrade() {
    // An `a{sv}` as rpm-ostree writes it, made by the format's own rules.
    let text = |text: &str| Value::Str(text.to_owned());
    let driver = Value::vardict([
        ("driver-name".to_owned(), text("Zincati")),
        ("driver-sd-unit".to_owned(), text("zincati.service")),
    ]);
    let bytes = driver.to_bytes().unwrap();
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let steps = format!(
        r#"code() {{ local code=0; "$@" || code=$?; echo "$code" >&3; }}
        mkdir $root/run/rpm-ostree
        printf '{octal}' > $root/run/rpm-ostree/update-driver.gv
        ostler status | grep Driver >&3
        ostler status -J '$.update-driver.driver-sd-unit' >&3
        cp /usr/bin/true $root/usr/bin/systemctl
        code ostler upgrade
        code ostler upgrade --bypass-driver
        cp /usr/bin/false $root/usr/bin/systemctl
        code ostler upgrade
        code ostler deploy --register-driver=Other ''"#
    );
    let Some(said) = booted(&Program::ostree(), &steps) else {
        return;
    };
    let expected =
        "AutomaticUpdatesDriver: Zincati (zincati.service)\n\"zincati.service\"\n1\n0\n0\n1\n";
    assert_eq!(said, expected);
}

#[test]
fn what_a_pending_deployment_changes_by_package_is_told_by_status() {
    let steps = r#"
        package() { printf "Package: $1\nVersion: $2\nStatus: install ok installed\n\n"; }
        mkdir -p tree/usr/lib/sysimage/dpkg
        { package bash 5; package dash 1; } > tree/usr/lib/sysimage/dpkg/status
        $OSTLER commit --repo=repo -b os --tree=dir=tree
        ostler upgrade
        ostler status | grep -c Diff >&3 || true
        ostler status -v | grep Diff >&3
        ostler db list 0 >&3"#;
    let Some(said) = booted(&Program::ostree(), steps) else {
        return;
    };
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(lines[..2], ["0", "Diff: 2 added"], "{said}");
    assert_eq!(lines[3..], ["bash_5", "dash_1"], "{said}");
}
