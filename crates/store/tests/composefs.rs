//! Images of commits, against those that libostree 2026.4 makes of the same tree (`ostree commit --generate-composefs-metadata`,
//! `ostree checkout --composefs`), and as the kernel mounts them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use ostler_fs::Dir;
use ostler_store::commit::{self, CommitRequest, Source};
use ostler_store::composefs::{self, ComposefsError, Verity};
use ostler_store::progress::Silent;
use ostler_store::tree::{Modifier, TreeOptions};
use ostler_store::{Repo, RepoMode};
use tempfile::TempDir;

/// The tree of which the golden values are.
fn write_tree(root: &Path) {
    for dir in ["usr/etc", "usr/lib/deep/er", "boot"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let zeros = |path: &str, length: usize| fs::write(root.join(path), vec![0; length]).unwrap();
    fs::write(root.join("usr/etc/conf"), "x\n").unwrap();
    fs::write(root.join("usr/lib/small"), "small\n").unwrap();
    for (path, length) in [
        ("usr/lib/empty", 0),
        ("usr/lib/s100", 100),
        ("usr/lib/s63", 63),
        ("usr/lib/s64", 64),
        ("usr/lib/s65", 65),
        ("usr/lib/deep/dup", 100),
        ("usr/lib/big", 5_000_000),
        ("usr/lib/.ostree-wh.gone", 0),
    ] {
        zeros(path, length);
    }
    symlink("../target", root.join("usr/lib/link")).unwrap();
    fs::hard_link(root.join("usr/lib/s100"), root.join("usr/lib/hard")).unwrap();
    let dir = Dir::open_ambient(root.join("usr/lib")).unwrap();
    dir.set_xattr("small", b"user.foo", b"bar").unwrap();
    dir.set_xattr("deep", b"user.foo", b"bar").unwrap();
    for number in 1..=300 {
        let name = format!("a-rather-long-name-for-a-file-so-that-blocks-fill-up-{number}");
        zeros(&format!("usr/lib/deep/er/{name}"), 0);
    }
    // Whatever the umask of the tests is.
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() {
            0o755
        } else {
            0o644
        };
        if !entry.path_is_symlink() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn scratch() -> TempDir {
    // User xattrs are needed, which a memory file system may not have.
    tempfile::tempdir_in("/var/tmp").unwrap()
}

fn commit_tree(
    scratch: &Path,
    mode: RepoMode,
    change: impl FnOnce(&mut CommitRequest),
) -> (Repo, ostler_format::CommitId) {
    let root = scratch.join("tree");
    if !root.exists() {
        fs::create_dir(&root).unwrap();
        write_tree(&root);
    }
    let repo = Repo::create(scratch.join(mode.as_config()), mode, None).unwrap();
    let mut request = CommitRequest {
        branch: Some(
            "m".parse::<ostler_format::RefName>()
                .map(ostler_store::RefKey::Head)
                .unwrap(),
        ),
        subject: "x".into(),
        timestamp: 86400,
        sources: vec![Source::Dir(root)],
        tree: TreeOptions {
            modifier: Modifier {
                owner_uid: Some(0),
                owner_gid: Some(0),
                ..Modifier::default()
            },
            ..TreeOptions::default()
        },
        composefs: true,
        ..CommitRequest::default()
    };
    change(&mut request);
    let id = commit::commit(&repo, request, &Silent).unwrap().id;
    (repo, id)
}

#[test]
fn a_commit_and_its_images_are_those_of_libostree_in_every_mode() {
    let scratch = scratch();
    for mode in [RepoMode::Archive, RepoMode::Bare, RepoMode::BareUser] {
        let (repo, id) = commit_tree(scratch.path(), mode, |_| {});
        assert_eq!(
            id.to_string(),
            "173b6db645024ac9f7535c5cb938f2d7d750985d2d3b5ac99a2adca79c1897a1",
            "{mode:?}"
        );
        for (verity, expected) in [
            (
                Verity::Digests,
                "74739274fcc8c3e02e37739de5d7eb150a080d306fe049dd3666151b086a353b",
            ),
            (
                Verity::Unchecked,
                "9ffe730441b9c8575948d7d68ffd35a588565cc34508ca881bca579fcfcf33ef",
            ),
        ] {
            let image = composefs::of_commit(&repo, id, verity, &Silent).unwrap();
            assert_eq!(composefs::digest(&image).to_hex(), expected, "{mode:?}");
        }
    }
}

#[test]
fn an_image_that_is_not_the_one_that_the_commit_records_is_refused() {
    let scratch = scratch();
    let (repo, id) = commit_tree(scratch.path(), RepoMode::Archive, |request| {
        request.composefs = false;
        request.metadata.push(composefs::DIGEST_KEY, vec![7; 32]);
    });
    let found = composefs::of_commit(&repo, id, Verity::Digests, &Silent);
    let Err(error @ ComposefsError::Mismatch { .. }) = found else {
        panic!("{found:?}");
    };
    assert!(
        error
            .to_string()
            .contains("doesn't match expected digest 0707"),
        "{error}"
    );
    composefs::of_commit(&repo, id, Verity::Unchecked, &Silent).unwrap();
}

/// Mounts an image until it is dropped.
struct Mounted<'p>(&'p Path);

impl<'p> Mounted<'p> {
    fn new(image: &Path, at: &'p Path) -> Self {
        let mount = Command::new("mount")
            .args(["-t", "erofs", "-o", "loop,ro"])
            .arg(image)
            .arg(at)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "this test needs root, loop devices and a kernel with EROFS: {said}"
        );
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0).status().unwrap();
        assert!(status.success() || std::thread::panicking());
    }
}

#[test]
fn the_kernel_mounts_an_image_and_finds_the_tree_in_it() {
    let scratch = scratch();
    let (repo, id) = commit_tree(scratch.path(), RepoMode::Archive, |_| {});
    let image = composefs::of_commit(&repo, id, Verity::Digests, &Silent).unwrap();
    let path = scratch.path().join("image");
    fs::write(&path, image).unwrap();
    let at = scratch.path().join("at");
    fs::create_dir(&at).unwrap();
    let mounted = Mounted::new(&path, &at);
    let tree = scratch.path().join("tree");
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&tree).min_depth(1) {
        let entry = entry.unwrap();
        let there = at.join(entry.path().strip_prefix(&tree).unwrap());
        let (a, b) = (
            entry.metadata().unwrap(),
            fs::symlink_metadata(&there).unwrap(),
        );
        assert_eq!(
            (a.mode(), a.file_type(), 0),
            (b.mode(), b.file_type(), b.mtime()),
            "{there:?}"
        );
        if a.is_symlink() {
            assert_eq!(
                fs::read_link(entry.path()).unwrap(),
                fs::read_link(&there).unwrap()
            );
        } else if a.is_file() {
            assert_eq!(a.len(), b.len());
        }
        seen += 1;
    }
    assert!(seen > 300);
    let lib = Dir::open_ambient(at.join("usr/lib")).unwrap();
    let xattr = |name: &str, key: &[u8]| lib.xattr(name, key, 4096).unwrap();
    assert_eq!(xattr("deep", b"user.foo").unwrap(), b"bar");
    let redirect = xattr("s100", b"trusted.overlay.redirect").unwrap();
    let redirect = String::from_utf8(redirect).unwrap();
    let object = scratch
        .path()
        .join(RepoMode::Archive.as_config())
        .join("objects")
        .join(format!("{}z", &redirect[1..]));
    File::open(&object).unwrap();
    assert_eq!(
        xattr("s100", b"trusted.overlay.metacopy").unwrap().len(),
        36
    );
    drop(lib);
    drop(mounted);
}
