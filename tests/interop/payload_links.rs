//! Files of equal content that share their blocks (`core.payload-link-threshold`), on a file system that can.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::{Program, Scratch};

/// An XFS in a file, mounted until it is dropped.
struct Xfs {
    at: PathBuf,
    _scratch: Scratch,
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {said} (this test needs root, loop devices and xfsprogs)"
    );
    String::from_utf8(output.stdout).unwrap()
}

impl Xfs {
    fn new() -> Self {
        let scratch = Scratch::new();
        let (image, at) = (scratch.join("image"), scratch.join("at"));
        fs::File::create(&image)
            .unwrap()
            .set_len(400 << 20)
            .unwrap();
        fs::create_dir(&at).unwrap();
        run(Command::new("/sbin/mkfs.xfs").arg("-q").arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&at));
        Self {
            at,
            _scratch: scratch,
        }
    }
}

impl Drop for Xfs {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(&self.at).status().unwrap();
        assert!(status.success() || std::thread::panicking());
    }
}

fn payload_links(repo: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(repo.join("objects")).into_iter();
    let paths = all.map(|entry| entry.unwrap().into_path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "payload-link"))
        .collect()
}

/// Checks that all objects of a size share their blocks with another file.
fn assert_shared(repo: &Path, size: usize) {
    let all = walkdir::WalkDir::new(repo.join("objects")).into_iter();
    let files = all.map(Result::unwrap).filter(|entry| {
        entry.file_type().is_file() && entry.metadata().unwrap().len() == size as u64
    });
    let mut count = 0;
    for file in files {
        let extents = run(Command::new("/usr/sbin/filefrag")
            .args(["-s", "-v"])
            .arg(file.path()));
        let lines = extents.lines().filter(|line| line.contains(".."));
        let (shared, alone): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("shared"));
        assert!(!shared.is_empty() && alone.is_empty(), "{extents}");
        count += 1;
    }
    assert_eq!(count, 2, "one object for each mode of the file");
}

#[test]
fn files_of_equal_content_share_their_blocks_and_links_go_with_their_files() {
    let xfs = Xfs::new();
    for (mode, threshold) in [("bare-user", "0"), ("bare", "1000000")] {
        let tree = xfs.at.join("tree");
        fs::create_dir_all(&tree).unwrap();
        // Content that nothing compresses; a small one that only the lower threshold takes.
        let content: Vec<u8> = (0..1_u32 << 19)
            .flat_map(|n| (n ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1).to_le_bytes())
            .collect();
        let permissions = |mode| {
            for (name, content) in [("large", &content[..]), ("small", b"small")] {
                let path = tree.join(name);
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        let repo = Program::ostler().init_quick(&xfs.at.join(mode), mode);
        repo.run("config", ["set", "core.payload-link-threshold", threshold]);
        permissions(0o644);
        repo.commit("first", &tree, &[]);
        let expected = if threshold == "0" { 2 } else { 1 };
        assert_eq!(payload_links(repo.path()).len(), expected, "{mode}");
        permissions(0o755);
        repo.commit("second", &tree, &[]);
        assert_shared(repo.path(), content.len());
        assert_eq!(payload_links(repo.path()).len(), expected, "{mode}");
        repo.fsck();
        repo.with(&Program::ostree()).fsck();
        // The links lead to the files of the first commit.
        repo.run("refs", ["--delete", "first"]);
        repo.run("prune", ["--refs-only"]);
        assert_eq!(payload_links(repo.path()), Vec::<PathBuf>::new(), "{mode}");
        repo.fsck();
        // A link that lies costs nothing but itself.
        permissions(0o700);
        repo.commit("third", &tree, &[]);
        let link = payload_links(repo.path()).remove(0);
        let other = fs::read_link(&link).unwrap();
        let object = link.parent().unwrap().join(other);
        let mut bytes = fs::read(&object).unwrap();
        bytes[0] ^= 1;
        fs::write(&object, bytes).unwrap();
        permissions(0o711);
        let id = repo.commit("fourth", &tree, &[]);
        let checkout = xfs.at.join("checkout");
        repo.run("checkout", ["-U", &id, checkout.to_str().unwrap()]);
        assert!(
            fs::read(checkout.join("large")).unwrap() == content,
            "{mode}"
        );
        assert_eq!(fs::read(checkout.join("small")).unwrap(), b"small");
        fs::remove_dir_all(&checkout).unwrap();
    }
}
