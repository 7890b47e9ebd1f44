//! Trials on a Debian with systemd: the project's units bring them to their end, whatever hangs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::debian::Site;

const TELL: &str = r#"
say() { echo ":: $*"; }
say "version $(cat /usr/share/version)"
"#;

/// Upgrades to what was published, and boots it.
const UPGRADE: &str = r#"
systemctl start systemd-networkd-wait-online.service
ostler upgrade >/run/said 2>&1 || sed 's/^/:: /' /run/said
systemctl reboot
"#;

/// Waits for the verdict, and tells of it.
const VERDICT: &str = r#"
until systemctl is-active -q ostler-health-good.service; do sleep 1; done
ostler health status | sed 's/[0-9a-f]\{64\}\.[0-9]/X/; s/[0-9a-f]\{64\} since.*0000/X/; s/^/:: /'
say "watch $(systemctl is-active ostler-health-watch.service)"
"#;

const CHECK: &str = "usr/lib/ostler/health/required.d/10-app";
const UNIT: &str = "usr/lib/systemd/system/hangs.service";
const WANT: &str = "usr/lib/systemd/system/multi-user.target.wants/hangs.service";

#[test]
#[ignore = "boots machines, with a whole OS tree"]
fn a_debian_comes_back_from_a_failing_check_and_a_hanging_service_and_keeps_what_works() {
    let site = Site::new();
    let root = site.root();
    let health = "tries = 1\ndeadline-seconds = 60\n";

    site.write("usr/lib/ostler/health.toml", health);
    site.write(CHECK, "#!/bin/sh\necho the app is broken\nexit 4\n");
    fs::set_permissions(root.join(CHECK), fs::Permissions::from_mode(0o755)).unwrap();
    site.release("2");
    site.boot(&format!("{TELL}{UPGRADE}"));
    // The units boot the machine again.
    let wait = format!("{TELL}sleep 1000\n");
    assert_eq!(site.boot(&wait), ["version 2"]);
    let why = format!("/{CHECK}: exit code 4");
    let said = site.boot(&format!("{TELL}{VERDICT}systemctl poweroff\n"));
    assert_eq!(
        said,
        [
            "version 1",
            "* os X: good",
            &format!("  os X: bad: {why}"),
            &format!("      {why}"),
            "      the app is broken",
            &format!("Refused: X: {why}"),
            "watch inactive",
        ]
    );

    fs::remove_file(root.join(CHECK)).unwrap();
    let unit = "[Unit]\nBefore=multi-user.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=sleep infinity\n";
    site.write(UNIT, unit);
    symlink("../hangs.service", root.join(WANT)).unwrap();
    site.release("3");
    assert_eq!(site.boot(&format!("{TELL}{UPGRADE}")), ["version 1"]);
    assert_eq!(site.boot(&wait), ["version 3"]);
    let said = site.boot(&format!("{TELL}{VERDICT}systemctl poweroff\n"));
    assert_eq!(said[0], "version 1", "{said:?}");
    assert!(said[2].ends_with("bad: no verdict within 60 s"), "{said:?}");

    fs::remove_file(root.join(WANT)).unwrap();
    site.write(
        "usr/lib/ostler/health.toml",
        "tries = 1\nunits = ['systemd-journald.service']\n",
    );
    site.release("4");
    assert_eq!(site.boot(&format!("{TELL}{UPGRADE}")), ["version 1"]);
    let said = site.boot(&format!("{TELL}{VERDICT}systemctl poweroff\n"));
    assert_eq!(said[..2], ["version 4", "* os X: good"], "{said:?}");
}
