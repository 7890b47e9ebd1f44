//! Deployments on trial: what comes back by itself, how often, and what is told of it.

use crate::machine::{Hardware, Loader, Machine};
use crate::tiny::{Config, Tiny};

/// Deploys version 2, with two tries and what `BREAK` makes of it.
const DEPLOY: &str = r#"
for at in /sysroot /var /boot; do mount -o remount,rw $at; done 2>/dev/null
repo=--repo=/sysroot/ostree/repo
modules=$(cd /usr/lib/modules && echo *)
more=/run/more/usr
mkdir -p $more/share $more/bin $more/lib/systemd/system $more/lib/ostler/health/required.d $more/lib/modules/$modules
echo 2 >$more/share/version
: >$more/lib/systemd/system/ostler-health.service
echo 'tries = 2' >$more/lib/ostler/health.toml
: >$more/lib/modules/$modules/of-version-2
# Zeros at its end mean nothing to the kernel, but it is another file.
{ cat /usr/lib/modules/$modules/initramfs.img; head -c 4 /dev/zero; } >$more/lib/modules/$modules/initramfs.img
BREAK
{ ostler commit $repo -b tiny --tree=ref=tiny --tree=dir=/run/more --owner-uid=0 --owner-gid=0 &&
  ostler admin deploy --os=os tiny; } >/run/said 2>&1 && echo ':: deployed' || sed 's/^/:: /' /run/said
"#;

/// What the units of a system do in a boot, and what is told then.
const LIVE: &str = r#"
for at in /sysroot /var /boot; do mount -o remount,rw $at; done 2>/dev/null
echo ":: version $(cat /usr/share/version 2>/dev/null || echo 1)"
ls /usr/lib/modules/*/of-version-2 >/dev/null 2>&1 && echo ":: modules of version 2"
{ ostler health boot-check && ostler health boot-good; } >/run/said 2>&1 || grep '^warning: unhealthy' /run/said | sed 's/^/:: /'
grep '^Rolled back' /run/said | sed 's/ from.*//; s/^/:: /'
ostler health status | sed 's/[0-9a-f]\{64\}\.[01]/X/; s/[0-9a-f]\{64\} since.*0000/X/; s/^/:: /'
"#;

/// A machine with version 1 that has deployed version 2.
fn site(breaks: &str, kargs: &[&str]) -> Tiny {
    let tiny = Tiny::new(&Config {
        kargs,
        ..Config::default()
    });
    let script = DEPLOY.replace("BREAK", breaks);
    assert_eq!(Machine::boot(&tiny.disk, &script).said(), ["deployed"]);
    tiny
}

/// Boots and says what was said; nothing, if the first program is broken.
fn live(tiny: &Tiny) -> Vec<String> {
    Machine::boot(&tiny.disk, LIVE).ended()
}

const OLD_AGAIN: [&str; 2] = ["version 1", "* os X: good"];

/// Version 1 is the default again, and stays.
#[track_caller]
fn assert_back(tiny: &Tiny, why: &str) {
    for _ in 0..2 {
        let said = live(tiny);
        assert_eq!(said[..2], OLD_AGAIN, "{said:?}");
        assert_eq!(said[2], format!("  os X: bad: {why}"), "{said:?}");
        let last = said.last().unwrap();
        assert_eq!(*last, format!("Refused: X: {why}"), "{said:?}");
    }
    let upgrade = "for at in /sysroot /var /boot; do mount -o remount,rw $at; done 2>/dev/null\n\
        ostler upgrade 2>&1 | grep -E '^error|^hint' | sed 's/commit [0-9a-f]*/X/; s/on 2[0-9-]*/on DATE/; s/^/:: /'\n\
        ostler status | grep Refused | sed 's/: .* failed/ X failed/; s/on 2.*0000/on DATE/; s/^/:: /'\n";
    let said = Machine::boot(&tiny.disk, upgrade).said();
    let error = format!("error: refused: X failed its trial on DATE because {why}");
    let hint = "hint: take it all the same with `ostler upgrade --retry-bad`";
    let status = format!("Refused X failed its trial on DATE: {why}");
    assert_eq!(said, [error.as_str(), hint, &status]);
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_version_whose_first_program_panics_is_given_up_by_the_first_root() {
    let tiny = site(
        "printf '#!/usr/bin/sh\\nexit 1\\n' >$more/bin/init; chmod +x $more/bin/init",
        &[],
    );
    // The kernel is not told to restart: the first root does that, in a trial.
    let hardware = Hardware {
        restarts_after_panic: false,
        ..Hardware::default()
    };
    for _ in 0..2 {
        let said = Machine::boot_on(hardware, &tiny.disk, LIVE).ended();
        assert_eq!(said, Vec::<String>::new());
    }
    // Version 1, under the kernel of version 2, makes the rollback and reboots.
    let said = live(&tiny);
    assert_eq!(said, ["version 1", "modules of version 2"]);
    assert_back(
        &tiny,
        "2 boots came to no verdict: it hung, panicked or lost its power",
    );
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_version_whose_check_fails_is_tried_twice_and_rolled_back_once() {
    let check = "printf '#!/usr/bin/sh\\necho no app\\nexit 1\\n' >$more/lib/ostler/health/required.d/app; chmod +x $more/lib/ostler/health/required.d/app";
    // The first root finds the disk mounted for reading only, as most do.
    let tiny = site(check, &["ro"]);
    for _ in 0..2 {
        assert_eq!(live(&tiny), ["version 2", "modules of version 2"]);
    }
    assert_back(&tiny, "/usr/lib/ostler/health/required.d/app: exit code 1");
    let said = live(&tiny);
    assert!(said.contains(&"      no app".to_owned()), "{said:?}");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_version_that_hangs_is_ended_by_its_deadline_and_by_the_power_switch() {
    let hangs = "echo 'deadline-seconds = 1' >>$more/lib/ostler/health.toml\n\
        printf '#!/usr/bin/sh\\nexport PATH=/usr/bin\\nmount -t proc proc /proc\\nmount -o remount,rw /sysroot\\necho :: hangs >/dev/console\\n[ -e /var/watched ] && sleep 10000\\n: >/var/watched\\nostler health boot-watch\\nsleep 10000\\n' >$more/bin/init; chmod +x $more/bin/init";
    let tiny = site(hangs, &[]);
    assert_eq!(live(&tiny), ["hangs"], "it was rebooted");
    let mut machine = Machine::boot(&tiny.disk, LIVE);
    assert!(machine.wait_for("hangs"));
    assert_eq!(machine.cut(), ["hangs"]);
    assert_eq!(live(&tiny), ["version 1", "modules of version 2"]);
    assert_back(&tiny, "no verdict within 1 s");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_version_that_works_is_good_and_stays_whatever_fails_later() {
    let check = "printf '#!/usr/bin/sh\\n! test -e /var/broken\\n' >$more/lib/ostler/health/required.d/app; chmod +x $more/lib/ostler/health/required.d/app";
    let tiny = site(check, &[]);
    let good = ["version 2", "modules of version 2", "* os X: good"];
    assert_eq!(live(&tiny)[..3], good);
    let breaks = format!("touch /var/broken\n{LIVE}");
    for _ in 0..4 {
        let said = Machine::boot(&tiny.disk, &breaks).said();
        let why = "warning: unhealthy: /usr/lib/ostler/health/required.d/app: exit code 1";
        assert_eq!(said[..4], [good[0], good[1], why, good[2]], "{said:?}");
        assert!(!said.iter().any(|line| line.starts_with("Refused")));
    }
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_kernel_that_cannot_mount_its_root_is_given_up_by_a_loader_that_counts() {
    let breaks = "ostler config $repo set sysroot.boot-counting-tries 2\n\
        head -c 100000 /dev/zero >$more/lib/modules/$modules/initramfs.img";
    let tiny = site(breaks, &[]);
    let hardware = Hardware {
        loader: Loader::Counts,
        ..Hardware::default()
    };
    for _ in 0..2 {
        let said = Machine::boot_on(hardware, &tiny.disk, LIVE).ended();
        assert_eq!(said, Vec::<String>::new(), "it panics");
    }
    // The loader boots version 1, with its own kernel; that puts the order right.
    assert_eq!(
        Machine::boot_on(hardware, &tiny.disk, LIVE).said(),
        ["version 1"]
    );
    assert_back(&tiny, "the boot loader gave it up");
}
