//! Extended attributes: of files, directories and symlinks, large and many.

mod privilege;

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use ostler_fs::{Dir, xattr};

#[test]
fn attributes_of_every_type_are_read_sorted_and_a_symlink_keeps_its_own() {
    if !privilege::is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    fs::write(temp.path().join("file"), "").unwrap();
    fs::create_dir(temp.path().join("directory")).unwrap();
    symlink("file", temp.path().join("link")).unwrap();
    for name in ["file", "directory", "link"] {
        assert_eq!(dir.xattrs(name, 0).unwrap(), [], "{name}");
        dir.set_xattr(name, "trusted.b", b"two").unwrap();
        dir.set_xattr(name, "trusted.a", name.as_bytes()).unwrap();
        let expected = [
            (b"trusted.a".to_vec(), name.as_bytes().to_vec()),
            (b"trusted.b".to_vec(), b"two".to_vec()),
        ];
        assert_eq!(dir.xattrs(name, 100).unwrap(), expected);
        assert_eq!(dir.xattr(name, "trusted.b", 100).unwrap().unwrap(), b"two");
        assert_eq!(dir.xattr(name, "trusted.c", 100).unwrap(), None);
    }
    let file = File::open(temp.path().join("file")).unwrap();
    assert_eq!(xattr::all(&file, 100).unwrap().len(), 2);
    assert_eq!(
        xattr::get(&file, "trusted.a", 100).unwrap().unwrap(),
        b"file"
    );
    assert!(
        xattr::remove(&file, "trusted.a").unwrap() && !xattr::remove(&file, "trusted.a").unwrap()
    );
    assert!(
        dir.remove_xattr("link", "trusted.a").unwrap()
            && !dir.remove_xattr("link", "trusted.a").unwrap()
    );
    assert!(dir.xattrs("missing", 100).is_err());
    assert!(dir.xattrs("../etc", 100).is_err());
    let long = "n".repeat(255);
    dir.create_file(&long, 0o644).unwrap();
    dir.set_xattr(&long, "user.x", b"").unwrap();
    assert_eq!(
        dir.xattrs(&long, 100).unwrap(),
        [(b"user.x".to_vec(), vec![])],
        "an empty value is a value"
    );
}

#[test]
fn many_and_large_attributes_pass_up_to_the_cap() {
    if !privilege::is_root() {
        return;
    }
    // tmpfs holds more of them than ext4 does in its one block.
    let temp = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    dir.create_file("file", 0o644).unwrap();
    let mut total = 0;
    for number in 0..100 {
        let (name, value) = (
            format!("trusted.attribute-with-a-long-name-{number:03}"),
            vec![7; number * 20],
        );
        total += name.len() + value.len();
        dir.set_xattr("file", name, &value).unwrap();
    }
    let xattrs = dir.xattrs("file", total).unwrap();
    assert_eq!((xattrs.len(), xattrs[99].1.len()), (100, 99 * 20));
    assert!(xattrs.is_sorted());
    let error = dir.xattrs("file", total - 1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge, "{error}");
    assert!(
        dir.xattr("file", "trusted.attribute-with-a-long-name-099", 100)
            .is_err()
    );
}

#[test]
fn a_file_system_without_attributes_has_none() {
    let file = File::open("/proc/self/status").unwrap();
    assert_eq!(xattr::all(&file, 100).unwrap(), []);
    assert_eq!(xattr::get(&file, "user.x", 100).unwrap(), None);
}
