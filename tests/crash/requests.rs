//! Verbs that ask for something of each deployment: kernel arguments, files of the initramfs. Killed everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::Scratch;
use ostler_tests::boot_order;

use crate::case::{Case, Seen};
use crate::host::{
    Change, assert_clean, commits, one_deployment, ostler_on, sound, two_deployments,
};
use crate::ostler;

#[test]
fn a_change_of_arguments_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first) = one_deployment();
    Change {
        name: "kargs",
        host: &host,
        words: &["kargs", "--os=testos", "--append-if-missing=extra=1"],
        again: Some(&["admin", "cleanup"]),
        old: &[&first],
        new: &[&first, &first],
        twice: &[&first, &first],
    }
    .run();
}

#[test]
fn rollback_killed_anywhere_boots_the_old_order_or_the_new() {
    let (host, first, second) = two_deployments();
    Change {
        name: "rollback",
        host: &host,
        words: &["rollback"],
        again: Some(&["admin", "cleanup"]),
        old: &[&second, &first],
        new: &[&first, &second],
        twice: &[&first, &second],
    }
    .run();
}

const TRACK: &[&str] = &["initramfs-etc", "--os=testos", "--track=/etc/edited"];
const RESET: &[&str] = &["reset-layers", "--os=testos"];

#[test]
fn a_tracked_file_is_in_the_next_boot_or_not_wherever_its_verb_is_killed() {
    let (host, first) = one_deployment();
    Change {
        name: "initramfs-etc",
        host: &host,
        words: TRACK,
        again: Some(&["admin", "cleanup"]),
        old: &[&first],
        new: &[&first, &first],
        twice: &[&first, &first],
    }
    .run();
}

/// Whether the next boot loads tracked files: its origin and its entry say the same.
fn tracks(work: &Path) -> bool {
    let sysroot = work.join("sysroot");
    let order = boot_order::read(&sysroot);
    let mut origin = order[0].root.clone().into_os_string();
    origin.push(".origin");
    let asked = fs::read_to_string(PathBuf::from(origin))
        .unwrap()
        .contains("/etc/edited");
    let entries = fs::read_dir(sysroot.join("boot/loader/entries")).unwrap();
    let texts = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let next = texts.max_by_key(|text| {
        let version = text.lines().find_map(|line| line.strip_prefix("version "));
        version.unwrap().parse::<u32>().unwrap()
    });
    let loaded = next
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("initrd "))
        .count()
        == 2;
    assert_eq!(asked, loaded, "the entry is not what the origin asks for");
    asked
}

#[test]
fn what_was_asked_for_is_loaded_or_dropped_wherever_a_reset_is_killed() {
    let (host, first) = one_deployment();
    let output = ostler_on(&host.template(), TRACK).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(tracks(&host.template()));
    let both = [first.clone(), first];
    Case {
        name: "reset-layers",
        template: &host.template(),
        command: &|work| ostler_on(work, RESET),
        again: Some(&|work| match tracks(work) {
            true => ostler_on(work, RESET),
            false => ostler_on(work, &["admin", "cleanup"]),
        }),
        after_kill: &|work| {
            assert_eq!(commits(&sound(work)), both);
            match tracks(work) {
                true => Seen::Old,
                false => Seen::New,
            }
        },
        after_run: &|work| {
            assert!(!tracks(work), "it is dropped");
            assert_clean(work, &sound(work));
        },
    }
    .run();
}

#[test]
fn a_root_that_was_half_made_is_made_by_the_next_run() {
    let scratch = Scratch::in_memory();
    let template = scratch.join("template");
    fs::create_dir_all(template.join("sysroot")).unwrap();
    let whole = |work: &Path| {
        let sysroot = work.join("sysroot");
        let config = sysroot.join("ostree/repo/config");
        config.exists() && sysroot.join("boot").is_dir()
    };
    Case {
        name: "init-fs",
        template: &template,
        command: &|work| init_fs(&work.join("sysroot")),
        again: None,
        after_kill: &|work| match whole(work) {
            true => Seen::New,
            false => Seen::Old,
        },
        after_run: &|work| {
            assert!(whole(work));
            ostler().repo(&work.join("sysroot/ostree/repo")).fsck();
            let status = ostler_on(work, &["admin", "status"]).output().unwrap();
            assert!(status.status.success(), "{status:?}");
        },
    }
    .run();
}

fn init_fs(sysroot: &Path) -> Command {
    ostler().command(["admin", "init-fs", "--modern", sysroot.to_str().unwrap()])
}
