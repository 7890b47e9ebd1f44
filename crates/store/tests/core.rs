//! The repository core against the real `ostree`: what one writes, the other checks.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_format::{
    Commit, CommitId, DirMeta, DirTree, FileHeader, Metadata, ObjectKind, ObjectName, S_IFDIR,
    S_IFLNK, S_IFREG, Xattrs,
};
use ostler_store::{RefKey, Repo, RepoMode, StoreError, Transaction, TransactionOptions};

const MODES: [RepoMode; 4] = [
    RepoMode::Bare,
    RepoMode::BareUser,
    RepoMode::BareUserOnly,
    RepoMode::Archive,
];

/// A file system with user xattrs, which /tmp may lack.
fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ostler-core-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

fn ostree(repo: &Path, arguments: &[&str]) -> String {
    let output = Command::new("ostree")
        .arg(format!("--repo={}", repo.display()))
        .args(arguments)
        .output()
        .expect("this test needs Debian's package `ostree`");
    assert!(
        output.status.success(),
        "ostree {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn regular(mode: u32) -> FileHeader {
    FileHeader {
        uid: 0,
        gid: 0,
        mode: S_IFREG | mode,
        symlink_target: String::new(),
        xattrs: Xattrs::new(),
    }
}

fn symlink(target: &str) -> FileHeader {
    FileHeader {
        mode: S_IFLNK | 0o777,
        symlink_target: target.into(),
        ..regular(0)
    }
}

/// Writes one tree with small, empty and large files and a symlink, and returns its commit.
fn write_tree(transaction: &Transaction<'_>, large: &[u8]) -> CommitId {
    let meta = DirMeta {
        uid: 0,
        gid: 0,
        mode: S_IFDIR | 0o755,
        xattrs: Xattrs::new(),
    };
    let meta_bytes = meta.to_bytes().unwrap();
    let mut tree = DirTree::default();
    let (large_id, size) = transaction
        .write_content(&regular(0o755), &mut &large[..], large.len() as u64)
        .unwrap();
    assert_eq!(size, large.len() as u64);
    tree.files = vec![
        (
            "empty".into(),
            transaction
                .write_content_bytes(&regular(0o644), b"")
                .unwrap(),
        ),
        ("large".into(), large_id),
        (
            "link".into(),
            transaction.write_symlink(&symlink("small")).unwrap(),
        ),
        (
            "small".into(),
            transaction
                .write_content_bytes(&regular(0o600), b"hello\n")
                .unwrap(),
        ),
    ];
    let commit = Commit {
        metadata: Metadata::new(),
        parent: None,
        related: Vec::new(),
        subject: "core".into(),
        body: String::new(),
        timestamp: 1_700_000_000,
        tree: transaction
            .write_metadata(ObjectKind::DirTree, &tree.to_bytes().unwrap())
            .unwrap()
            .into(),
        meta: transaction
            .write_metadata(ObjectKind::DirMeta, &meta_bytes)
            .unwrap()
            .into(),
    };
    transaction.write_commit(&commit).unwrap()
}

fn large_content() -> Vec<u8> {
    (0..3_000_000_u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect()
}

fn new_repo(root: &Path, mode: RepoMode) -> (PathBuf, Repo) {
    let path = root.join(format!("{mode}"));
    let repo = Repo::create(&path, mode, None).unwrap();
    (path, repo)
}

#[test]
fn the_real_ostree_accepts_what_a_transaction_writes_in_every_mode() {
    let root = scratch();
    let large = large_content();
    let mut ids = Vec::new();
    for mode in MODES {
        let (path, repo) = new_repo(root.path(), mode);
        let transaction = repo.begin(TransactionOptions::default()).unwrap();
        let id = write_tree(&transaction, &large);
        transaction.set_ref(RefKey::parse("os/test").unwrap(), Some(id));
        let stats = transaction.commit().unwrap();
        assert_eq!(
            (stats.content_objects_total, stats.content_objects_written),
            (4, 4),
            "{mode}"
        );
        ostree(&path, &["fsck"]);
        assert_eq!(
            ostree(&path, &["rev-parse", "os/test"]).trim(),
            id.to_string()
        );
        assert!(
            std::fs::read_dir(path.join("tmp"))
                .unwrap()
                .all(|e| e.unwrap().file_name() == "cache"),
            "{mode}"
        );
        ids.push(id);
    }
    assert!(
        ids.windows(2).all(|pair| pair[0] == pair[1]),
        "the commit id depends on the mode: {ids:?}"
    );
}

#[test]
fn objects_of_the_real_ostree_read_back_the_same_in_every_mode() {
    let root = scratch();
    let tree = root.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("large"), large_content()).unwrap();
    std::os::unix::fs::symlink("large", tree.join("link")).unwrap();
    for mode in MODES {
        let path = root.path().join(format!("{mode}"));
        std::fs::create_dir(&path).unwrap();
        ostree(&path, &["init", &format!("--mode={mode}")]);
        ostree(
            &path,
            &[
                "commit",
                "-b",
                "os/test",
                "--canonical-permissions",
                &format!("--tree=dir={}", tree.display()),
            ],
        );
        let repo = Repo::open(&path).unwrap();
        let commit = repo.read_commit(repo.resolve("os/test").unwrap()).unwrap();
        let listing = repo.read_dirtree(commit.tree).unwrap();
        for (name, id) in &listing.files {
            let mut object = repo.open_file_object(*id).unwrap();
            let mut hasher = object.header.hasher().unwrap();
            let copied = std::io::copy(&mut object, &mut hasher).unwrap();
            assert_eq!(copied, object.size, "{mode} {name}");
            assert_eq!(hasher.finish(), id.checksum(), "{mode} {name}");
        }
        assert_eq!(
            repo.open_file_object(listing.files[1].1)
                .unwrap()
                .header
                .symlink_target,
            "large"
        );
    }
}

#[test]
fn a_dropped_transaction_publishes_nothing_and_the_next_one_takes_its_files_but_not_its_commit() {
    let root = scratch();
    let (path, repo) = new_repo(root.path(), RepoMode::Archive);
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let id = write_tree(&transaction, b"short");
    drop(transaction);
    assert!(!repo.has_object(&id.into()).unwrap());
    let again = repo.begin(TransactionOptions::default()).unwrap();
    assert!(
        !again.has(&id.into()).unwrap(),
        "a commit would say that all it needs is here"
    );
    assert_eq!(write_tree(&again, b"short"), id);
    let stats = again.commit().unwrap();
    assert_eq!(stats.content_objects_written, 0);
    assert!(repo.has_object(&id.into()).unwrap());
    ostree(&path, &["fsck"]);
}

#[test]
fn a_damaged_stream_is_an_error_and_never_short_content() {
    let root = scratch();
    let (path, repo) = new_repo(root.path(), RepoMode::Archive);
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let id = transaction
        .write_content_bytes(&regular(0o644), &[7; 100_000])
        .unwrap();
    transaction.commit().unwrap();
    let file = path
        .join("objects")
        .join(ObjectName::from(id).loose_path(ostler_format::StorageForm::Archive));
    let whole = std::fs::read(&file).unwrap();
    for cut in [whole.len() - 1, whole.len() / 2, 20, 0] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let read = repo
            .open_file_object(id)
            .map_err(|e| e.to_string())
            .and_then(|mut object| {
                object
                    .read_to_end(&mut Vec::new())
                    .map_err(|e| e.to_string())
            });
        assert!(
            read.is_err(),
            "{cut} of {} bytes were taken as the whole",
            whole.len()
        );
    }
}

#[test]
fn content_beyond_min_free_space_is_refused_and_nothing_is_left() {
    let root = scratch();
    let (_, mut repo) = new_repo(root.path(), RepoMode::Archive);
    let mut config = repo.config().file().clone();
    config
        .set_string("core", "min-free-space-size", "9999999TB")
        .unwrap();
    repo.write_config(config).unwrap();
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let error = transaction
        .write_content_bytes(&regular(0o644), b"x")
        .unwrap_err();
    assert!(matches!(error, StoreError::MinFreeSpace { .. }), "{error}");
    assert!(error.to_string().contains("min-free-space-size"), "{error}");
}

#[test]
fn bare_user_only_refuses_modes_that_it_cannot_keep() {
    let root = scratch();
    let (_, repo) = new_repo(root.path(), RepoMode::BareUserOnly);
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let error = transaction
        .write_content_bytes(&regular(0o4755), b"x")
        .unwrap_err();
    assert!(
        matches!(error, StoreError::ModeNotCanonical { .. }),
        "{error}"
    );
}

#[test]
fn refs_and_aliases_are_those_of_the_real_ostree() {
    let root = scratch();
    let (path, repo) = new_repo(root.path(), RepoMode::BareUser);
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let id = write_tree(&transaction, b"short");
    for name in ["os/a", "os/deep/b", "origin:os/a"] {
        transaction.set_ref(RefKey::parse(name).unwrap(), Some(id));
    }
    transaction.commit().unwrap();
    let name = |text: &str| ostler_format::RefName::new(text).unwrap();
    repo.set_alias(&name("alias/deep"), &name("os/deep/b"))
        .unwrap();
    let listed: Vec<String> = repo
        .list_refs(None)
        .unwrap()
        .keys()
        .map(ToString::to_string)
        .collect();
    let mut theirs: Vec<String> = ostree(&path, &["refs"])
        .lines()
        .map(str::to_owned)
        .collect();
    theirs.sort();
    let mut ours = listed.clone();
    ours.sort();
    assert_eq!(ours, theirs);
    assert_eq!(repo.resolve("alias/deep").unwrap(), id);
    assert_eq!(
        ostree(&path, &["rev-parse", "alias/deep"]).trim(),
        id.to_string()
    );
    assert_eq!(repo.resolve(&id.to_string()[..9]).unwrap(), id);
    assert!(matches!(
        repo.resolve("os/a^").unwrap_err(),
        StoreError::NoParent { .. }
    ));
    assert!(matches!(
        repo.resolve("nothing").unwrap_err(),
        StoreError::RefNotFound { .. }
    ));
    assert!(matches!(
        repo.set_ref(&RefKey::parse("os").unwrap(), Some(id))
            .unwrap_err(),
        StoreError::RefConflict { .. }
    ));
    repo.set_ref(&RefKey::parse("os/deep/b").unwrap(), None)
        .unwrap();
    repo.set_ref(&RefKey::parse("os/deep").unwrap(), Some(id))
        .unwrap();
    assert_eq!(
        ostree(&path, &["rev-parse", "os/deep"]).trim(),
        id.to_string()
    );
}

#[test]
fn the_real_ostree_reads_our_summary() {
    let root = scratch();
    let (path, repo) = new_repo(root.path(), RepoMode::Archive);
    let transaction = repo.begin(TransactionOptions::default()).unwrap();
    let id = write_tree(&transaction, b"short");
    transaction.set_ref(RefKey::parse("os/a").unwrap(), Some(id));
    transaction.commit().unwrap();
    ostler_store::summary::regenerate(&repo, &Metadata::new()).unwrap();
    let text = ostree(&path, &["summary", "-v"]);
    assert!(
        text.contains("os/a") && text.contains(&id.to_string()) && text.contains("archive-z2"),
        "{text}"
    );
    assert!(
        text.contains("2023-11-14T22:13:20"),
        "the commit's timestamp is not shown: {text}"
    );
}
