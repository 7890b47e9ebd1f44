//! Hostile names and trees: nothing is read, made or removed outside of the directory, and nothing hangs.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use ostler_fs::{Access, Dir, Durability, FileType, HardLink, Timestamp, Trusted};

/// A directory `in` with hostile content beside a secret file.
fn arrange() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().expect("the temporary directory is writable");
    let inside = temp.path().join("in");
    let make = || -> std::io::Result<()> {
        fs::create_dir(&inside)?;
        fs::create_dir(inside.join("sub"))?;
        fs::write(inside.join("sub/file"), "inside")?;
        fs::write(temp.path().join("secret"), "secret")?;
        fs::create_dir(temp.path().join("outside"))?;
        fs::write(temp.path().join("outside/file"), "outside")?;
        symlink("../secret", inside.join("up"))?;
        symlink(temp.path().join("outside"), inside.join("absolute"))?;
        symlink("sub", inside.join("sibling"))?;
        symlink("/sub/file", inside.join("rooted"))?;
        symlink("/../../../../sub/file", inside.join("sub/climbing"))?;
        symlink("loop", inside.join("loop"))
    };
    make().expect("the test's own files can be made");
    let dir = Dir::open_ambient(&inside).expect("it was just made");
    (temp, dir)
}

#[test]
fn names_of_more_than_one_component_are_refused_before_the_kernel_sees_them() {
    let (_temp, dir) = arrange();
    for name in [
        "",
        ".",
        "..",
        "sub/file",
        "/etc/passwd",
        "../secret",
        "sub/",
        "a\0b",
    ] {
        let error = dir.metadata(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
        assert!(dir.open_file(name, Access::Read).is_err());
        assert!(dir.create_file(name, 0o644).is_err());
        assert!(dir.create_dir(name, 0o755).is_err());
        assert!(dir.unlink(name).is_err());
        assert!(dir.remove_all(name).is_err());
        assert!(dir.rename("sub", &dir, name).is_err());
        assert!(dir.rename(name, &dir, "new").is_err());
        assert!(dir.hard_link_optional(name, &dir, "new").is_err());
        assert!(
            dir.write_atomic(name, "x", 0o644, Durability::Cached)
                .is_err()
        );
        assert!(dir.symlink("x", name).is_err());
    }
    let error = dir.unlink("../secret").unwrap_err().to_string();
    assert!(
        error.ends_with("/in/../secret`: not a plain file name"),
        "{error}"
    );
    assert!(dir.metadata(Trusted("../secret")).is_err() && dir.metadata(Trusted("/etc")).is_err());
    assert_eq!(dir.metadata(Trusted("sub/file")).unwrap().size, 6);
}

#[test]
fn a_symlink_in_the_place_of_an_entry_is_never_followed() {
    let (temp, dir) = arrange();
    assert_eq!(dir.metadata("up").unwrap().file_type, FileType::Symlink);
    let error = dir.open_file("up", Access::Read).unwrap_err();
    assert!(
        error.to_string().ends_with("/in/up`: it is a symlink"),
        "{error}"
    );
    assert!(dir.open_dir("absolute").is_err() && dir.read("up", 100).is_err());
    assert_eq!(
        dir.create_file("up", 0o644).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert!(dir.open_or_create_file("up", 0o644).is_err());
    assert!(
        dir.ensure_dir("absolute", 0o755).is_err(),
        "a symlink to a directory is no directory"
    );
    assert!(dir.create_dir_all("absolute/new", 0o755).is_err());
    assert!(dir.set_mode("up", 0o777).is_err());
    dir.set_times(
        "up",
        Timestamp {
            seconds: 1,
            nanoseconds: 5,
        },
    )
    .unwrap();
    dir.write_atomic("up", "new", 0o600, Durability::Synced)
        .unwrap();
    assert_eq!(dir.metadata("up").unwrap().file_type, FileType::Regular);
    assert_eq!(
        fs::read_to_string(temp.path().join("secret")).unwrap(),
        "secret"
    );
    assert!(!temp.path().join("outside/new").exists());
    dir.replace_symlink("elsewhere", "absolute").unwrap();
    assert_eq!(dir.read_link("absolute").unwrap(), b"elsewhere");
    assert_eq!(dir.read_link_optional("sub").unwrap(), None);
}

#[test]
fn paths_beneath_pass_no_symlink_and_do_not_climb() {
    let (_temp, dir) = arrange();
    assert!(dir.open_file_beneath("sub/file").is_ok());
    for path in [
        "sibling/file",
        "absolute/file",
        "up",
        "../secret",
        "/etc/passwd",
        "sub/../../secret",
        "loop",
    ] {
        assert!(dir.open_file_beneath(path).is_err(), "{path}");
        assert!(dir.open_dir_beneath(path).is_err(), "{path}");
    }
    let error = dir
        .open_file_beneath("sub/../../secret")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("the path leads out of the directory"),
        "{error}"
    );
    assert!(
        dir.open_dir_beneath_optional("not/there")
            .unwrap()
            .is_none()
    );
    assert!(dir.create_dir_all("sub/../../new", 0o755).is_err());
    let deep = dir.create_dir_all("a/./b//c", 0o755).unwrap();
    assert_eq!(
        deep.self_metadata().unwrap().dev_ino(),
        dir.metadata(Trusted("a/b/c")).unwrap().dev_ino()
    );
}

#[test]
fn paths_in_root_resolve_as_in_a_chroot() {
    let (_temp, dir) = arrange();
    for path in [
        "rooted",
        "sibling/file",
        "/sub/file",
        "sub/climbing",
        "../../sub/file",
    ] {
        let mut text = String::new();
        dir.open_in_root(path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "inside", "{path}");
    }
    assert!(
        dir.open_in_root_optional("up").unwrap().is_none(),
        "`../secret` is `/secret` there"
    );
    assert!(dir.open_in_root("absolute/file").is_err() && dir.open_in_root("loop").is_err());
    assert_eq!(
        dir.read_in_root_optional("rooted", 6).unwrap().unwrap(),
        b"inside"
    );
    assert!(dir.read_in_root_optional("rooted", 5).is_err());
}

#[test]
fn a_fifo_neither_hangs_nor_passes_for_a_file() {
    let (_temp, dir) = arrange();
    dir.make_node("fifo", 0o010_644, 0).unwrap();
    assert_eq!(dir.metadata("fifo").unwrap().file_type, FileType::Fifo);
    let error = dir.read("fifo", 100).unwrap_err().to_string();
    assert!(
        error.ends_with("it is a fifo, not a regular file"),
        "{error}"
    );
    assert!(dir.open_in_root("fifo").is_err());
    assert!(dir.read("sub", 100).is_err());
}

#[test]
fn reads_stop_at_the_cap_even_if_the_size_lies() {
    let (_temp, dir) = arrange();
    let error = dir.read(Trusted("sub/file"), 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    let error = error.to_string();
    assert!(
        error.ends_with("it has 6 bytes, more than the limit of 5"),
        "{error}"
    );
    assert_eq!(dir.read(Trusted("sub/file"), 6).unwrap(), b"inside");
    let proc = Dir::open_ambient("/proc").unwrap();
    assert_eq!(proc.metadata("cpuinfo").unwrap().size, 0);
    assert!(proc.read("cpuinfo", 10).is_err() && proc.read("cpuinfo", 1 << 20).unwrap().len() > 10);
    assert_eq!(dir.read_optional("missing", 1).unwrap(), None);
}

#[test]
fn names_of_any_bytes_and_of_the_greatest_length_work() {
    let (_temp, dir) = arrange();
    let long = "x".repeat(255);
    dir.write_atomic(&long, "1", 0o644, Durability::Cached)
        .unwrap();
    assert_eq!(dir.read(&long, 1).unwrap(), b"1");
    let error = dir.metadata("x".repeat(256)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(36), "ENAMETOOLONG: {error}");
    assert!(dir.metadata("x".repeat(70_000)).is_err());
    let odd: &[u8] = b"\xff\n\\ \x01";
    dir.create_file(odd, 0o600).unwrap();
    dir.rename(odd, &dir, OsStr::from_bytes(b"\xfe")).unwrap();
    let entries = dir.entries().unwrap();
    let names: Vec<&[u8]> = entries.iter().map(|entry| entry.name()).collect();
    assert!(
        names.is_sorted() && names.last() == Some(&&b"\xfe"[..]),
        "{names:?}"
    );
    assert_eq!(entries.iter().last().unwrap().str_name(), None);
}

#[test]
fn hard_links_report_what_a_caller_can_work_around() {
    let (_temp, dir) = arrange();
    let sub = dir.open_dir("sub").unwrap();
    assert_eq!(
        sub.hard_link_optional("file", &dir, "twin").unwrap(),
        HardLink::Linked
    );
    assert_eq!(
        sub.hard_link_optional("file", &dir, "twin").unwrap(),
        HardLink::AlreadyExists
    );
    assert_eq!(dir.metadata("twin").unwrap().nlink, 2);
    assert_eq!(
        dir.hard_link_optional("up", &sub, "up").unwrap(),
        HardLink::Linked,
        "the symlink itself"
    );
    assert_eq!(sub.metadata("up").unwrap().file_type, FileType::Symlink);
    let shm = Dir::open_ambient("/dev/shm").unwrap();
    assert_eq!(
        sub.hard_link_optional("file", &shm, "ostler-no").unwrap(),
        HardLink::CrossDevice
    );
    let error = sub
        .hard_link("missing", &dir, "new")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/in/sub/missing` to `") && error.ends_with("no such file or directory"),
        "{error}"
    );
    assert_eq!(
        sub.hard_link_optional("file", &dir, "up").unwrap(),
        HardLink::AlreadyExists
    );
    assert!(!dir.rename_noreplace("twin", &sub, "file").unwrap());
    dir.exchange("twin", &dir, "up").unwrap();
    assert_eq!(dir.metadata("twin").unwrap().file_type, FileType::Symlink);
}

#[test]
fn an_owner_of_all_ones_is_refused_not_ignored() {
    let (_temp, dir) = arrange();
    assert!(
        dir.set_owner("sub", u32::MAX, 0).is_err() && dir.set_owner("sub", 0, u32::MAX).is_err()
    );
    let file = dir.open_file_beneath("sub/file").unwrap();
    assert!(ostler_fs::file::set_owner(&file, u32::MAX, 0).is_err());
}

#[test]
fn modes_are_exact_where_they_are_set_and_on_any_type() {
    let (_temp, dir) = arrange();
    dir.set_mode("sub", 0o7751).unwrap();
    assert_eq!(dir.metadata("sub").unwrap().mode, 0o047_751);
    dir.make_node("fifo", 0o010_644, 0).unwrap();
    dir.set_mode("fifo", 0o622).unwrap();
    assert_eq!(dir.metadata("fifo").unwrap().permissions(), 0o622);
    dir.write_atomic("open", "", 0o666, Durability::Cached)
        .unwrap();
    assert_eq!(
        dir.metadata("open").unwrap().permissions(),
        0o666,
        "whatever the umask"
    );
}
