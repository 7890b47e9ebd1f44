//! The power goes while a staged deployment is finished.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::tiny::{Config, Tiny};

const CUTS: u32 = 8;

/// Says what runs and takes it for good, stages version `ROUND` with a kernel of its own, and finishes it.
const FINISH: &str = r#"
mount -o remount,rw /sysroot
repo=--repo=/sysroot/ostree/repo
echo ":: version $(cat /usr/share/version 2>/dev/null || echo 0) mark $(cat /etc/mark 2>/dev/null || echo 0)"
ostler admin status >/run/said 2>&1 || sed 's/^/:: status: /' /run/said
{ ostler health boot-check && ostler health boot-good && ostler health status; } >/run/said 2>&1 || sed 's/^/:: health: /' /run/said
ostler fsck $repo --quiet >/run/said 2>&1 || sed 's/^/:: fsck: /' /run/said
modules=$(cd /usr/lib/modules && echo *)
mkdir -p /run/more/usr/share /run/more/usr/lib/systemd/system /run/more/usr/lib/modules/$modules
# With it, what is finished is on trial.
: >/run/more/usr/lib/systemd/system/ostler-health.service
echo ROUND >/run/more/usr/share/version
# Zeros at its end mean nothing to the kernel, but it is another file.
{ cat /usr/lib/modules/$modules/initramfs.img; head -c 4 /dev/zero; } >/run/more/usr/lib/modules/$modules/initramfs.img
echo ROUND >/etc/mark
{ ostler commit $repo -b tiny --tree=ref=tiny --tree=dir=/run/more --owner-uid=0 --owner-gid=0 &&
  ostler admin deploy --os=os --stage tiny; } >/run/said 2>&1 || sed 's/^/:: stage: /' /run/said
sync
echo ":: finishing"
ostler admin finalize-staged >/run/said 2>&1 || sed 's/^/:: finish: /' /run/said
sync
echo ":: finished"
"#;

/// What a boot says first: the version that runs, and the mark that the round before left in its `/etc`.
fn running(said: &[String]) -> (u32, u32) {
    let words: Vec<&str> = said[0].split(' ').collect();
    assert_eq!((words[0], words[2]), ("version", "mark"), "{said:?}");
    (words[1].parse().unwrap(), words[3].parse().unwrap())
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_power_cut_while_a_deployment_is_finished_boots_the_old_one_or_the_new_one() {
    let tiny = Tiny::new(&Config::default());
    let script = |round: u32| FINISH.replace("ROUND", &round.to_string());
    let mut machine = Machine::boot(&tiny.disk, &script(1));
    assert!(machine.wait_for("finishing"));
    let started = Instant::now();
    assert!(machine.wait_for("finished"));
    let whole = started.elapsed();
    assert_eq!(
        machine.said(),
        ["version 0 mark 0", "finishing", "finished"]
    );

    let mut version = 1;
    let mut seen = Vec::new();
    for cut in 1..=CUTS {
        let round = cut + 1;
        let mut machine = Machine::boot(&tiny.disk, &script(round));
        assert!(machine.wait_for("finishing"));
        sleep(whole * (cut - 1) / CUTS + Duration::from_millis(u64::from(cut)));
        let said = machine.cut();
        let (now, mark) = running(&said);
        let is_new = now == round - 1;
        assert!(now == version || is_new, "{said:?} after version {version}");
        // The old version has the mark of the round that was cut off, if that reached the disk; the new one has it for sure.
        assert!(!is_new || mark == now, "{said:?}");
        let others = said[1..]
            .iter()
            .filter(|line| *line != "finishing" && *line != "finished");
        assert_eq!(others.count(), 0, "{said:?}");
        version = now;
        seen.push(is_new);
    }
    let said = Machine::boot(&tiny.disk, &script(CUTS + 2)).said();
    let (now, _) = running(&said);
    assert!(
        now == version || now == CUTS + 1,
        "{said:?} after version {version}"
    );
    // Otherwise the cuts were all too early, or too late.
    println!("the new version ran after these cuts: {seen:?}");
}
