//! What a person changed in `/etc` is found, and put back.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use common::Fixture;
use ostler_deploy::etc_merge::{ChangeKind, Survey, config_diff, survey};
use ostler_deploy::etc_restore::{
    Directories, RestoreError, RestoreStep, Yours, path_in_etc, restore,
};
use ostler_fs::Dir;

/// A deployment with defaults of each kind, and the path of its root.
fn deployed() -> (Fixture, PathBuf) {
    let fixture = Fixture::new();
    for name in ["dir/x", "dir/y", "dir/sub/z"] {
        fixture.write(&format!("usr/etc/{name}"), &format!("default {name}"));
    }
    symlink("a", fixture.path.join("tree/usr/etc/link")).unwrap();
    let private = fs::Permissions::from_mode(0o640);
    fs::set_permissions(fixture.path.join("tree/usr/etc/b"), private).unwrap();
    fixture.commit("2");
    fixture.pull();
    fixture.real_deploy(&[]);
    let root = {
        let sysroot = fixture.open();
        sysroot.deployment_path(&sysroot.deployments[0].id)
    };
    (fixture, root)
}

fn surveyed(root: &Path) -> Survey {
    let open = |name: &str| Dir::open_ambient(root.join(name)).unwrap();
    survey(&open("usr/etc"), &open("etc")).unwrap()
}

fn put_back(
    fixture: &Fixture,
    paths: &[&str],
    directories: Directories,
    yours: Yours,
) -> Result<Vec<RestoreStep>, RestoreError> {
    let lock = fixture.lock();
    let id = lock.deployments[0].id.clone();
    let paths: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| path_in_etc(path).unwrap())
        .collect();
    restore(&lock, &id, &paths, directories, yours)
}

fn change_much(root: &Path) {
    let etc = root.join("etc");
    fs::write(etc.join("a"), "mine").unwrap();
    fs::set_permissions(etc.join("b"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(etc.join("link")).unwrap();
    symlink("elsewhere", etc.join("link")).unwrap();
    fs::remove_dir_all(etc.join("dir/sub")).unwrap();
    fs::write(etc.join("dir/x"), "mine").unwrap();
    fs::write(etc.join("dir/own"), "mine").unwrap();
}

#[test]
fn a_survey_finds_what_the_comparison_of_a_merge_finds() {
    let (_fixture, root) = deployed();
    assert_eq!(surveyed(&root).changes, []);
    change_much(&root);
    let found = surveyed(&root);
    let shown: Vec<(ChangeKind, String)> = found
        .changes
        .iter()
        .map(|change| (change.kind, change.shown_path()))
        .collect();
    let expected = [
        (ChangeKind::Modified, "a"),
        (ChangeKind::Modified, "b"),
        (ChangeKind::Added, "dir/own"),
        (ChangeKind::Removed, "dir/sub"),
        (ChangeKind::Modified, "dir/x"),
        (ChangeKind::Modified, "link"),
    ];
    assert_eq!(shown, expected.map(|(kind, path)| (kind, path.to_owned())));
    let open = |name: &str| Dir::open_ambient(root.join(name)).unwrap();
    let merge = config_diff(&open("usr/etc"), &open("etc")).unwrap();
    let of = |wanted| {
        let changes = found.changes.iter().filter(move |it| it.kind == wanted);
        changes.map(|it| it.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(ChangeKind::Modified), merge.modified);
    assert_eq!(of(ChangeKind::Removed), merge.removed);
    assert_eq!(of(ChangeKind::Added), merge.added);
    assert!(found.changes[2].is_beneath(b"dir") && !found.changes[2].is_beneath(b"di"));
}

#[test]
fn defaults_come_back_with_mode_and_links_and_what_was_added_stays() {
    let (fixture, root) = deployed();
    change_much(&root);
    put_back(
        &fixture,
        &["/etc"],
        Directories::WithContents,
        Yours::Replace,
    )
    .unwrap();
    let left = surveyed(&root);
    let left: Vec<String> = left.changes.iter().map(|it| it.shown_path()).collect();
    assert_eq!(left, ["dir/own"], "only what has no default differs");
    let etc = root.join("etc");
    assert_eq!(fs::read_to_string(etc.join("a")).unwrap(), "default a");
    assert_eq!(fs::read_link(etc.join("link")).unwrap(), Path::new("a"));
    let mode = fs::metadata(etc.join("b")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    fs::write(etc.join("a"), "mine again").unwrap();
    let default = fs::read_to_string(root.join("usr/etc/a")).unwrap();
    assert_eq!(default, "default a", "an edit must not reach the default");
    let again = put_back(
        &fixture,
        &["dir"],
        Directories::WithContents,
        Yours::Replace,
    );
    assert_eq!(again.unwrap(), [], "nothing is left to put back");
}

#[test]
fn yours_is_kept_where_that_is_asked_for_and_an_earlier_copy_is_not_lost() {
    let (fixture, root) = deployed();
    change_much(&root);
    let etc = root.join("etc");
    let steps = put_back(&fixture, &["a", "dir/x"], Directories::Refuse, Yours::Keep).unwrap();
    assert_eq!(steps[1].shown_copy().as_deref(), Some("dir/x.old"));
    assert_eq!(fs::read_to_string(etc.join("a.old")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(etc.join("dir/x.old")).unwrap(), "mine");
    fs::write(etc.join("a"), "mine, later").unwrap();
    let refused = put_back(&fixture, &["b", "a"], Directories::Refuse, Yours::Keep);
    assert!(matches!(refused, Err(RestoreError::CopyExists { path }) if path == "a.old"));
    assert!(
        !etc.join("b.old").exists(),
        "nothing is changed if something is refused"
    );
}

#[test]
fn what_cannot_be_put_back_is_refused_by_its_name() {
    let (fixture, root) = deployed();
    let etc = root.join("etc");
    fs::write(etc.join("own"), "mine").unwrap();
    fs::remove_file(etc.join("b")).unwrap();
    fs::create_dir(etc.join("b")).unwrap();
    fs::remove_dir_all(etc.join("dir")).unwrap();
    let elsewhere = fixture.path.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, etc.join("dir")).unwrap();
    let refused = |path: &str, directories| {
        put_back(&fixture, &["a", path], directories, Yours::Replace).unwrap_err()
    };
    let with = Directories::WithContents;
    assert!(matches!(refused("own", with), RestoreError::NoDefault { path } if path == "own"));
    assert!(matches!(refused("b", with), RestoreError::InTheWay { path } if path == "b"));
    assert!(matches!(refused("dir/x", with), RestoreError::InTheWay { path } if path == "dir"));
    assert!(matches!(
        refused("/etc", Directories::Refuse),
        RestoreError::IsDirectory { .. }
    ));
    for outside in ["/usr/etc/a", "../a", "/etc/../a", "/etcetera"] {
        assert!(path_in_etc(outside).is_err(), "{outside}");
    }
    assert!(!elsewhere.join("x").exists(), "a link leads nowhere");
}
