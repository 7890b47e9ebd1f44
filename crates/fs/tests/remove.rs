//! Removing trees: deep, wide, immutable, unwritable, mounted over.

mod privilege;

use std::fs;
use std::os::unix::fs::symlink;

use ostler_fs::inode_flags::{Immutable, is_immutable, set_immutable};
use ostler_fs::{Dir, mount};

fn arrange() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().expect("the temporary directory is writable");
    let dir = Dir::open_ambient(temp.path()).expect("it was just made");
    (temp, dir)
}

#[test]
fn symlinks_are_removed_and_their_targets_stay() {
    let (temp, dir) = arrange();
    fs::create_dir_all(temp.path().join("tree/a/b")).unwrap();
    fs::create_dir(temp.path().join("kept")).unwrap();
    fs::write(temp.path().join("kept/file"), "").unwrap();
    symlink("../../kept", temp.path().join("tree/a/link")).unwrap();
    symlink("kept", temp.path().join("top")).unwrap();
    assert!(dir.remove_all("tree").unwrap() && dir.remove_all("top").unwrap());
    assert!(!dir.remove_all("tree").unwrap(), "nothing there is fine");
    assert!(temp.path().join("kept/file").exists());
    dir.remove_contents().unwrap();
    assert!(dir.entries().unwrap().is_empty());
}

#[test]
fn a_tree_deeper_than_there_are_descriptors_and_than_a_path_is_long_goes_away() {
    let (_temp, dir) = arrange();
    let name = "d".repeat(20);
    let mut here = dir.create_dir_all("deep", 0o755).unwrap();
    for _ in 0..1100 {
        here.create_dir(&name, 0o755).unwrap();
        here.create_file("file", 0o644).unwrap();
        here = here.open_dir(&name).unwrap();
    }
    drop(here);
    assert!(dir.remove_all("deep").unwrap());
    assert!(!dir.exists("deep").unwrap());
}

#[test]
fn a_wide_tree_goes_away() {
    let (_temp, dir) = arrange();
    let wide = dir.create_dir_all("wide", 0o755).unwrap();
    for number in 0..1500 {
        wide.create_dir(format!("directory-with-a-long-name-{number}"), 0o755)
            .unwrap();
        wide.create_file(format!("file-with-a-long-name-{number}"), 0o644)
            .unwrap();
    }
    assert_eq!(wide.entries().unwrap().len(), 3000);
    dir.remove_all("wide").unwrap();
    assert!(!dir.exists("wide").unwrap());
}

#[test]
fn the_immutable_flag_of_the_top_stops_a_removal_unless_it_is_asked_for() {
    if !privilege::is_root() {
        return;
    }
    let (temp, dir) = arrange();
    fs::create_dir_all(temp.path().join("deployment/usr")).unwrap();
    let deployment = dir.open_dir("deployment").unwrap();
    if !set_immutable(&deployment, Immutable::Set).unwrap() {
        eprintln!("not tested: no inode flags here");
        return;
    }
    assert!(is_immutable(&deployment).unwrap() && dir.metadata("deployment").unwrap().immutable);
    assert!(dir.remove_all("deployment").is_err());
    assert!(dir.remove_all_immutable("deployment").unwrap());
    assert!(!dir.exists("deployment").unwrap());
}

#[test]
fn what_is_mounted_in_a_tree_is_not_removed() {
    if !privilege::is_root() {
        return;
    }
    // First: handles opened before it keep showing the old namespace.
    mount::enter_private_namespace().unwrap();
    let (temp, dir) = arrange();
    fs::create_dir_all(temp.path().join("tree/point")).unwrap();
    fs::create_dir(temp.path().join("mounted")).unwrap();
    fs::write(temp.path().join("mounted/precious"), "").unwrap();
    mount::bind(temp.path().join("mounted"), temp.path().join("tree/point")).unwrap();
    assert!(mount::is_mount_point(temp.path().join("tree/point")).unwrap());
    let error = dir.remove_all("tree").unwrap_err().to_string();
    assert!(
        error.ends_with("/tree/point`: something is mounted there"),
        "{error}"
    );
    assert!(temp.path().join("mounted/precious").exists());
    mount::unmount(temp.path().join("tree/point")).unwrap();
    assert!(dir.remove_all("tree").unwrap());
}
