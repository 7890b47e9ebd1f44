//! `ostree-prepare-root`: what of the root can be written to, and where it goes.

use std::fs;

use crate::initramfs::Kernel;
use crate::machine::Machine;
use crate::tiny::{Config, Tiny};

/// Says which places can be written to, what is mounted, and what the program knows of it.
const LOOK: &str = r#"
for dir in / /usr /etc /var /boot /sysroot; do
  if touch ${dir%/}/probe 2>/dev/null; then echo ":: $dir writable"; else echo ":: $dir read-only"; fi
done
[ -e /sysroot/ostree/deploy/os/var/probe ] && echo ":: var is the stateroot's"
[ -d /boot/loader/entries ] && echo ":: boot is there"
ostler status --booted --json | tr -d ' ' | grep '"booted":true' | sed 's/^/:: /'
"#;

fn look(config: &Config<'_>) -> (Tiny, Vec<String>) {
    let tiny = Tiny::new(config);
    let said = Machine::boot(&tiny.disk, LOOK).said();
    (tiny, said)
}

const ALWAYS: [&str; 3] = [
    "var is the stateroot's",
    "boot is there",
    "\"booted\":true,",
];

/// The places that can be written to, of those that [`LOOK`] tries; a deployment's top directory is immutable.
#[track_caller]
fn assert_writable(said: &[String], places: &[&str]) {
    let tried = ["/", "/usr", "/etc", "/var", "/boot", "/sysroot"];
    let state = |place: &&str| match places.contains(place) {
        true => format!("{place} writable"),
        false => format!("{place} read-only"),
    };
    let mut expected: Vec<String> = tried.iter().map(state).collect();
    expected.extend(ALWAYS.map(str::to_owned));
    assert_eq!(said, expected);
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_deployment_is_the_root_and_its_usr_is_read_only() {
    let (tiny, said) = look(&Config::default());
    assert_writable(&said, &["/etc", "/var", "/boot", "/sysroot"]);
    let mounted = tiny.disk.mount();
    Tiny::file(&mounted, "etc/probe").expect("/etc is the deployment's own");
    fs::metadata(mounted.path().join("ostree/deploy/os/var/probe")).unwrap();
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn the_physical_root_is_read_only_and_etc_is_forgotten_where_that_is_configured() {
    let (tiny, said) = look(&Config {
        prepare_root: "[sysroot]\nreadonly=true\n[etc]\ntransient=true\n",
        ..Config::default()
    });
    assert_writable(&said, &["/etc", "/var", "/boot"]);
    let mounted = tiny.disk.mount();
    assert_eq!(
        Tiny::file(&mounted, "etc/probe"),
        None,
        "/etc was in memory"
    );
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn without_an_initramfs_the_program_is_the_first_one_and_starts_the_system() {
    let (_tiny, said) = look(&Config {
        first_program: true,
        ..Config::default()
    });
    assert_writable(&said, &["/etc", "/var", "/boot", "/sysroot"]);
}

/// Seals what is written from now on, adds a file to the tree, and deploys it.
const ADD_SEALED: &str = r"
mount -o remount,rw /sysroot
repo=--repo=/sysroot/ostree/repo
ostler config $repo set ex-integrity.fsverity yes
mkdir -p /run/more/usr/share
echo precious >/run/more/usr/share/precious
ostler commit $repo -b tiny --tree=ref=tiny --tree=dir=/run/more --generate-composefs-metadata --owner-uid=0 --owner-gid=0 >/run/said 2>&1 &&
  ostler admin deploy --os=os tiny >>/run/said 2>&1 && echo ':: deployed' || sed 's/^/:: /' /run/said
";

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_composefs_image_is_the_root_and_a_bit_that_flipped_in_usr_is_not_read() {
    let config = Config {
        prepare_root: "[composefs]\nenabled=yes\n",
        ..Config::default()
    };
    let tiny = Tiny::new(&config);
    let script = format!(
        "{LOOK}\n\
         grep -q ' / / .* composefs ' /proc/self/mountinfo && echo ':: root is composefs'\n\
         cat /usr/share/plain | sed 's/^/:: /'\n\
         {ADD_SEALED}"
    );
    let said = Machine::boot(&tiny.disk, &script).said();
    let (looked, rest) = said.split_at(9);
    assert_writable(looked, &["/etc", "/var", "/boot"]);
    assert_eq!(rest, ["root is composefs", "plain", "deployed"]);

    let read = "cat /usr/share/plain /usr/share/precious 2>&1 | sed 's/^/:: /'\n";
    assert_eq!(
        Machine::boot(&tiny.disk, read).said(),
        ["plain", "precious"]
    );
    tiny.flip_a_bit("usr/share/precious");
    let said = Machine::boot(&tiny.disk, read).said();
    assert_eq!(said, ["plain", "cat: read error: Input/output error"]);
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_transient_root_is_written_to_and_forgotten() {
    let (tiny, said) = look(&Config {
        prepare_root: "[composefs]\nenabled=yes\n[root]\ntransient=true\n",
        ..Config::default()
    });
    assert_writable(&said, &["/", "/usr", "/etc", "/var", "/boot"]);
    let mounted = tiny.disk.mount();
    assert_eq!(Tiny::file(&mounted, "usr/probe"), None);
}

const SECRET: &str =
    "bD2LAS36XSLMOAgNDsQCCNO/1WtdSzWmDMiETDnws97e4qZ6lA7hXMeFg1szj1pW2OBKV9E+Oe7VaAAQYZY4MQ==";
const PUBLIC: &str = "3uKmepQO4VzHhYNbM49aVtjgSlfRPjnu1WgAEGGWODE=\n";
const OTHER_PUBLIC: &str = "rW+xLlBbWadITBCl1y+g/tsQKKY6lTSfCoIVFp93MSM=\n";

const SIGNED: &str = "[composefs]\nenabled=signed\n";

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_commit_that_no_known_key_signed_is_not_booted() {
    let (_tiny, said) = look(&Config {
        prepare_root: SIGNED,
        keys: Some(OTHER_PUBLIC),
        signed_by: Some(SECRET),
        ..Config::default()
    });
    let is_refused = said.len() == 1 && said[0].contains("no signature of commit");
    assert!(is_refused, "{said:?}");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn an_image_must_be_the_signed_one_and_a_kernel_that_cannot_check_files_is_named() {
    let tiny = Tiny::new(&Config {
        prepare_root: SIGNED,
        keys: Some(PUBLIC),
        signed_by: Some(SECRET),
        kargs: &["ostree.prepare-root.composefs=no"],
        ..Config::default()
    });
    // Made here, the image could not be sealed: this kernel may have no fs-verity.
    let again = "ostler admin deploy --os=os --karg-delete=ostree.prepare-root.composefs=no tiny >/run/said 2>&1\n\
         sed 's/^/:: /' /run/said\n";
    Machine::boot(&tiny.disk, again).said();
    let said = Machine::boot(&tiny.disk, LOOK).said();
    // Debian 12 has Linux 6.1. That comes last: signature, digest and image are good.
    let is_refused = said.len() == 1 && said[0].contains("Linux 6.6 or newer");
    assert!(is_refused, "{said:?}");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree and a newer one"]
fn a_signed_image_is_the_root_and_a_bit_that_flipped_in_any_of_its_files_is_not_read() {
    let tiny = Tiny::new(&Config {
        prepare_root: SIGNED,
        keys: Some(PUBLIC),
        signed_by: Some(SECRET),
        kargs: &["ostree.prepare-root.composefs=no"],
        kernel: Kernel::Recent,
        ..Config::default()
    });
    // Files are sealed on the machine: the kernel under which the disk was made may have no fs-verity.
    let seal = "mount -o remount,rw /sysroot\n\
         ostler config --repo=/sysroot/ostree/repo set ex-integrity.fsverity yes >/run/said 2>&1 &&\n\
         ostler admin post-copy >>/run/said 2>&1 &&\n\
         ostler admin deploy --os=os --karg-delete=ostree.prepare-root.composefs=no tiny >>/run/said 2>&1 &&\n\
         echo ':: sealed' || sed 's/^/:: /' /run/said\n";
    assert_eq!(Machine::boot(&tiny.disk, seal).said(), ["sealed"]);

    let script = format!(
        "{LOOK}\n\
         grep ' / / .* composefs ' /proc/self/mountinfo | grep -o verity=require | sed 's/^/:: /'\n\
         cat /usr/share/plain | sed 's/^/:: /'\n"
    );
    let said = Machine::boot(&tiny.disk, &script).said();
    let (looked, rest) = said.split_at(9);
    assert_writable(looked, &["/etc", "/var", "/boot"]);
    assert_eq!(rest, ["verity=require", "plain"]);

    tiny.flip_a_bit("usr/share/plain");
    let read = "cat /usr/share/plain 2>&1 | sed 's/^/:: /'\n";
    let said = Machine::boot(&tiny.disk, read).said();
    assert_eq!(said, ["cat: read error: Input/output error"]);
}
