//! A system that was booted from a deployment, as far as a mount namespace and a changed root can pretend: both programs finish what
//! Ostler staged there.

use std::process::Command;

use ostler_tests::{Program, Scratch};

use crate::both_ways;

/// Deploys one version with the units of a shutdown, publishes another, and shows the first as the running root.
///
/// `$OSTLER` and `$OTHER` are the programs, `$STEPS` is what is done inside; `ostler` and `other` are their names there.
const BOOT: &str = r#"
exec 3>&1 1>&2
mkdir -p tree/usr/bin tree/usr/etc tree/usr/lib/modules/6.1 tree/usr/lib/systemd/system
mkdir tree/sysroot tree/var tree/run tree/proc tree/tmp tree/boot tree/dev tree/lib tree/lib64
ln -s sysroot/ostree tree/ostree
echo kernel > tree/usr/lib/modules/6.1/vmlinuz
echo initramfs > tree/usr/lib/modules/6.1/initramfs.img
printf 'ID=test\nPRETTY_NAME="Test"\n' > tree/usr/etc/os-release
touch tree/usr/lib/systemd/system/ostler-finalize-staged.path
$OSTLER init --repo=repo --mode=archive
$OSTLER commit --repo=repo -b os --tree=dir=tree
mkdir -p sysroot/boot
mount -t tmpfs tmpfs sysroot/boot
$OSTLER admin init-fs --modern sysroot
$OSTLER admin stateroot-init --sysroot=sysroot os
$OSTLER remote add --repo=sysroot/ostree/repo --no-gpg-verify o file:///var/repo
$OSTLER pull-local --repo=sysroot/ostree/repo --remote=o repo os
export OSTREE_SYSROOT_DEBUG=mutable-deployments OSTREE_SYSROOT_OPTS=skip-sync
$OSTLER admin deploy --sysroot=sysroot --os=os o:os
echo new > tree/usr/bin/new
$OSTLER commit --repo=repo -b os --tree=dir=tree
root=$(echo $PWD/sysroot/ostree/deploy/os/deploy/*.0)
mount --bind $root $root
mount --rbind /lib $root/lib
mount --rbind /lib64 $root/lib64
mount --rbind sysroot $root/sysroot
mount --rbind sysroot/boot $root/boot
mount --rbind /proc $root/proc
mount --rbind /dev $root/dev
for directory in run tmp var; do mount -t tmpfs tmpfs $root/$directory; done
touch $root/run/ostree-booted
mkdir $root/var/tmp $root/var/repo
mount --bind repo $root/var/repo
cp $OSTLER $root/tmp/ostler
cp $OTHER $root/tmp/other
ostler() { chroot $root /tmp/ostler "$@"; }
other() { chroot $root /tmp/other "$@"; }
"#;

/// Mounts of its own, and a first process of its own, whose mounts the real `ostree` asks for.
const NAMESPACES: [&str; 4] = ["--mount", "--pid", "--fork", "--mount-proc"];

/// Runs `steps` in a system that was booted from a deployment, and returns what they print to descriptor 3; `None` without privilege.
pub(crate) fn booted(other: &Program, steps: &str) -> Option<String> {
    let allowed = Command::new("unshare")
        .args(NAMESPACES)
        .arg("true")
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return None;
    }
    let scratch = Scratch::new();
    let output = Command::new("unshare")
        .args(NAMESPACES)
        .args(["bash", "-euc", &format!("{BOOT}{steps}")])
        .current_dir(scratch.path())
        .env("OSTLER", Program::ostler().path())
        .env("OTHER", other.path())
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_upgrade_stages_either_program_finishes_unless_it_is_locked() {
    for (other, _) in both_ways() {
        let steps = r"
            ostler upgrade
            ostler admin lock-finalization
            other admin finalize-staged || true
            other admin status >&3
            ostler admin lock-finalization --unlock
            echo late > $root/etc/late
            other admin finalize-staged
            ostler admin status >&3
            cat sysroot/ostree/deploy/os/deploy/*.0/usr/bin/new sysroot/ostree/deploy/os/deploy/*.0/etc/late >&3";
        let Some(said) = booted(&other, steps) else {
            return;
        };
        let name = other.name();
        let states: Vec<&str> = said.lines().filter(|line| line.contains(" os ")).collect();
        let [waits, runs, next, old] = states[..] else {
            panic!("{name}: {said}");
        };
        assert!(waits.contains("(staged)"), "{name}: locked: {said}");
        assert!(runs.starts_with('*'), "{name}: {said}");
        assert!(next.ends_with("(pending)"), "{name}: finished: {said}");
        assert!(old.starts_with('*'), "{name}: {said}");
        assert!(said.contains("\nnew\nlate\n"), "{name}: {said}");
    }
}

#[test]
fn an_unlocked_usr_is_written_to_and_the_real_ostree_tells_of_it() {
    let steps = r"
        ostler usroverlay
        echo mine > $root/usr/mine
        other admin status >&3
        ls sysroot/ostree/deploy/os/deploy/*.0/usr >&3
        umount $root/usr";
    let Some(said) = booted(&Program::ostree(), steps) else {
        return;
    };
    assert!(said.contains("Unlocked: development"), "{said}");
}
