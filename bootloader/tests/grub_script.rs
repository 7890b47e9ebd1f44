//! The script for grub-mkconfig, and whether GRUB can read what is written for it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// What the machine would say of its disks; the tests' own can't be asked.
const LIBRARY: &str = "grub_probe=/bin/false\n\
    prepare_grub_to_access_device () { echo \"search --fs-uuid $1\"; }\n\
    make_system_path_relative_to_its_root () { echo /@boot; }\n\
    grub_get_device_id () { echo id-of-$1; }\n";

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A system root, the script's folder and a program `ostler` that prints what it is told.
fn machine() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    fs::create_dir_all(dir.join("sys/ostree/repo")).unwrap();
    fs::create_dir_all(dir.join("sys/boot/loader.0")).unwrap();
    symlink("loader.0", dir.join("sys/boot/loader")).unwrap();
    fs::create_dir(dir.join("lib")).unwrap();
    fs::write(dir.join("lib/grub-mkconfig_lib"), LIBRARY).unwrap();
    program(
        &dir.join("bin/ostler"),
        "#!/bin/sh\necho \"$* $GRUB2_BOOT_DEVICE_ID:$GRUB2_PREPARE_ROOT_CACHE\"\n",
    );
    let script = include_str!("../grub.d/15_ostler");
    program(&dir.join("grub.d/15_ostler"), script);
    temp
}

fn run(dir: &Path, boot_version: Option<&str>) -> Output {
    let mut command = Command::new(dir.join("grub.d/15_ostler"));
    let path = format!("{}:/usr/bin:/bin", dir.join("bin").display());
    command
        .env_clear()
        .env("PATH", path)
        .env("OSTREE_SYSROOT", dir.join("sys"))
        .env("pkgdatadir", dir.join("lib"))
        .env("GRUB_DEVICE_BOOT", "/dev/vda1");
    if let Some(version) = boot_version {
        command.env("_OSTREE_GRUB2_BOOTVERSION", version);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn printed(dir: &Path, boot_version: Option<&str>) -> String {
    String::from_utf8(run(dir, boot_version).stdout).unwrap()
}

#[test]
fn for_a_deployment_the_script_prints_the_entries_themselves() {
    let temp = machine();
    let menu = temp.path().join("sys/boot/loader/grub-menu.cfg");
    let entries = "admin instutil grub2-generate id-of-/dev/vda1:\tsearch --fs-uuid /dev/vda1\n";
    assert_eq!(printed(temp.path(), Some("1")), entries);
    assert_eq!(printed(temp.path(), None), entries, "there is no menu yet");
    fs::write(menu, "").unwrap();
    assert_eq!(printed(temp.path(), Some("1")), entries);
}

#[test]
fn for_a_person_the_script_has_grub_read_the_menu_of_the_active_order() {
    let temp = machine();
    fs::write(temp.path().join("sys/boot/loader/grub-menu.cfg"), "").unwrap();
    let text = printed(temp.path(), None);
    assert_eq!(
        text,
        "if true; then\n\tsearch --fs-uuid /dev/vda1\n\tsource /@boot/loader/grub-menu.cfg\nfi\n"
    );
    grub_accepts(&text);
}

#[test]
fn the_script_is_silent_beside_libostrees_and_where_nothing_is_deployed() {
    let temp = machine();
    program(&temp.path().join("grub.d/15_ostree"), "#!/bin/sh\n");
    assert_eq!(printed(temp.path(), None), "");
    let temp = machine();
    fs::remove_dir(temp.path().join("sys/ostree/repo")).unwrap();
    assert_eq!(printed(temp.path(), None), "");
    let temp = machine();
    fs::remove_file(temp.path().join("bin/ostler")).unwrap();
    assert_eq!(printed(temp.path(), None), "");
}

#[test]
fn grub_accepts_the_standing_configuration() {
    grub_accepts(include_str!("golden/grub-standing.cfg"));
}

/// By GRUB's own parser, where it is installed.
fn grub_accepts(text: &str) {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("grub.cfg");
    fs::write(&file, text).unwrap();
    match Command::new("grub-script-check").arg(&file).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        result => {
            let output = result.unwrap();
            assert!(output.status.success(), "{output:?}\n{text}");
        }
    }
}
