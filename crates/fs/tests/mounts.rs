//! What needs a file system of one's own: a full disk, a read-only mount, a frozen one.

mod privilege;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ostler_fs::mount::{self, MountTable, Writable};
use ostler_fs::{Dir, Durability, FileSystemKind, LinkPolicy, TempFile, copy};

/// A tmpfs seen by this test's thread alone; it goes away with the thread.
fn tmpfs(options: &str) -> (tempfile::TempDir, Dir) {
    mount::enter_private_namespace().expect("the tests run as root");
    let temp = tempfile::tempdir().expect("the temporary directory is writable");
    mount::mount("tmpfs", "none", temp.path(), options).expect("tmpfs can be mounted");
    let dir = Dir::open_ambient(temp.path()).expect("it was just mounted");
    (temp, dir)
}

/// Returns whether so many bytes are free within seconds: a child that another test starts may hold a file of ours from its
/// fork to its exec.
fn is_free_soon(dir: &Dir, bytes: u64) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if dir
            .space()
            .is_ok_and(|space| space.available_bytes >= bytes)
        {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_file_system_is_an_error_of_its_own_kind_and_leaves_the_old_file() {
    if !privilege::is_root() {
        return;
    }
    let (_temp, dir) = tmpfs("size=64k");
    assert_eq!(dir.file_system_kind().unwrap(), FileSystemKind::Tmpfs);
    assert_eq!(dir.space().unwrap().total_bytes, 64 << 10);
    dir.write_atomic("file", "old", 0o644, Durability::Synced)
        .unwrap();
    let error = dir
        .write_atomic("file", vec![1; 100 << 10], 0o644, Durability::Synced)
        .unwrap_err();
    assert!(error.is_out_of_space(), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("/file`: no space left on device"),
        "{error}"
    );
    assert_eq!(dir.read("file", 100).unwrap(), b"old");
    assert_eq!(dir.entries().unwrap().len(), 1);
    assert!(
        is_free_soon(&dir, 56 << 10),
        "what was written of it is not free again"
    );
    let file = TempFile::new(&dir, 0o644).unwrap();
    assert!(
        ostler_fs::file::reserve(file.file(), 100 << 10)
            .unwrap_err()
            .is_out_of_space()
    );
}

#[test]
fn a_mount_is_made_read_only_and_writable_again_and_keeps_its_options() {
    if !privilege::is_root() {
        return;
    }
    let (temp, dir) = tmpfs("size=64k");
    let options = |path: &Path| {
        let table = MountTable::read().unwrap();
        let mount = table.on(path).unwrap();
        (mount.options.clone(), mount.is_read_only())
    };
    assert_eq!(
        MountTable::read()
            .unwrap()
            .by_id(dir.mount_id().unwrap())
            .unwrap()
            .fs_type,
        "tmpfs"
    );
    Command::new("mount")
        .args(["-o", "remount,bind,nosuid,nodev"])
        .arg(temp.path())
        .status()
        .unwrap();
    mount::remount(temp.path(), Writable::No).unwrap();
    assert!(dir.is_read_only().unwrap());
    let (text, read_only) = options(temp.path());
    assert!(
        read_only && text.contains("nosuid") && text.contains("nodev"),
        "{text}"
    );
    assert_eq!(
        dir.create_file("x", 0o644).unwrap_err().kind(),
        ErrorKind::ReadOnlyFilesystem
    );
    mount::remount(temp.path(), Writable::Yes).unwrap();
    let (text, read_only) = options(temp.path());
    assert!(
        !read_only && text.contains("nosuid") && text.contains("nodev"),
        "{text}"
    );
    dir.create_file("x", 0o644).unwrap();
    // The file system itself, as a root that the kernel mounted with `ro`.
    Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(temp.path())
        .status()
        .unwrap();
    assert!(dir.is_read_only().unwrap());
    mount::remount(temp.path(), Writable::Yes).unwrap();
    dir.create_file("y", 0o644).unwrap();
    assert_eq!(MountTable::read().unwrap().below(temp.path()).len(), 1);
}

#[test]
fn contents_are_copied_across_file_systems_and_from_files_that_say_they_are_empty() {
    if !privilege::is_root() {
        return;
    }
    let (_temp, dir) = tmpfs("size=4m");
    let disk = tempfile::tempdir().unwrap();
    let disk = Dir::open_ambient(disk.path()).unwrap();
    let content: Vec<u8> = (0..1_000_003_u32)
        .map(|number| (number * 7) as u8)
        .collect();
    disk.write_atomic("source", &content, 0o644, Durability::Cached)
        .unwrap();
    for to in [&dir, &disk] {
        let copied = TempFile::new(to, 0o644).unwrap();
        copy::copy_contents(&disk.open_regular("source").unwrap().0, copied.file()).unwrap();
        copied.link_into(to, "copy", LinkPolicy::Fail).unwrap();
        assert_eq!(to.read("copy", 2 << 20).unwrap(), content);
    }
    let part = TempFile::new(&dir, 0o644).unwrap();
    assert_eq!(
        copy::copy_range(&disk.open_regular("source").unwrap().0, part.file(), 1000).unwrap(),
        1000
    );
    let proc = Dir::open_ambient("/proc").unwrap();
    let from_proc = TempFile::new(&dir, 0o644).unwrap();
    copy::copy_contents(&proc.open_regular("cpuinfo").unwrap().0, from_proc.file()).unwrap();
    from_proc
        .link_into(&dir, "cpuinfo", LinkPolicy::Fail)
        .unwrap();
    assert!(dir.metadata("cpuinfo").unwrap().size > 10);
}

/// An ext4 in a file, mounted; `None` where that can't be had.
fn ext4() -> Option<(tempfile::TempDir, Dir)> {
    mount::enter_private_namespace().ok()?;
    let temp = tempfile::tempdir().ok()?;
    let (image, point) = (temp.path().join("image"), temp.path().join("point"));
    std::fs::File::create(&image)
        .and_then(|file| file.set_len(16 << 20))
        .ok()?;
    std::fs::create_dir(&point).ok()?;
    let quiet =
        |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let made =
        quiet(Command::new("mkfs.ext4").arg("-q").arg(&image)).is_ok_and(|status| status.success());
    let mounted = made
        && quiet(
            Command::new("mount")
                .args(["-o", "loop"])
                .args([&image, &point]),
        )
        .is_ok_and(|s| s.success());
    if !mounted {
        eprintln!("not tested: no ext4 in a file on this machine");
        return None;
    }
    Some((temp, Dir::open_ambient(&point).ok()?))
}

#[test]
fn a_frozen_file_system_is_thawed_even_if_its_freezer_is_killed() {
    if !privilege::is_root() {
        return;
    }
    let Some((temp, dir)) = ext4() else { return };
    assert!(dir.freeze_and_thaw().unwrap());
    dir.write_atomic("after", "x", 0o644, Durability::Synced)
        .unwrap();
    let proc = Dir::open_ambient("/proc").unwrap();
    assert!(!proc.freeze_and_thaw().unwrap(), "proc can't be frozen");

    // strace kills the freezer before its second ioctl on the mount point, FITHAW. The watchdog's is its first.
    let me = std::env::current_exe().unwrap();
    let (point, log) = (temp.path().join("point"), temp.path().join("log"));
    let status = Command::new("strace")
        .args([
            "-qq",
            "-f",
            "-e",
            "trace=ioctl",
            "-e",
            "inject=ioctl:signal=KILL:when=2",
        ])
        .args([
            "-o".as_ref(),
            log.as_os_str(),
            "-P".as_ref(),
            point.as_os_str(),
        ])
        .arg(me)
        .args(["--ignored", "--exact", "freezer_for_the_kill_test"])
        .env("OSTLER_FREEZE", &point)
        .stdout(Stdio::null())
        .status();
    let Ok(status) = status else {
        eprintln!("not tested: no strace on this machine");
        return;
    };
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        !status.success() && log.contains("FIFREEZE") && log.contains("killed by SIGKILL"),
        "{log}"
    );
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let written = dir.write_atomic("thawed", "x", 0o644, Durability::Synced);
        sender.send(written.is_ok()).expect("the test waits for it");
    });
    let written = receiver.recv_timeout(std::time::Duration::from_secs(20));
    if written.is_err() {
        // Or the machine would keep a mount that nothing can be done with.
        Command::new("fsfreeze")
            .arg("-u")
            .arg(temp.path().join("point"))
            .status()
            .unwrap();
    }
    assert_eq!(written, Ok(true), "the watchdog thawed it");
}

#[test]
#[ignore = "the child process of the test above"]
fn freezer_for_the_kill_test() {
    if let Some(path) = std::env::var_os("OSTLER_FREEZE") {
        Dir::open_ambient(path).unwrap().freeze_and_thaw().unwrap();
        std::io::stdout().flush().unwrap();
    }
}
