//! That unchanged files are not read again, by the kernel's count of what this process read. Alone in its process: the count
//! is the whole process's.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::time::Duration;

use ostler_store::commit::{self, CommitRequest, Source};
use ostler_store::progress::Silent;
use ostler_store::tree::{IndexUse, TreeOptions};
use ostler_store::{Repo, RepoMode};

fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    count.unwrap().parse().unwrap()
}

#[test]
fn an_unchanged_tree_is_not_read_again_in_any_mode() {
    // On the file system of the build, which is a real one: the index does not trust tmpfs.
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tree = root.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(tree.join(name), name.repeat(900_000)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(2100));
    for mode in [
        RepoMode::Bare,
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
        RepoMode::Archive,
    ] {
        if mode == RepoMode::Bare && ostler_fs::effective_user() != 0 {
            continue;
        }
        let repo = Repo::create(root.path().join(mode.as_config()), mode, None).unwrap();
        let read_by_commit = |index| {
            let request = CommitRequest {
                sources: vec![Source::Dir(tree.clone())],
                tree: TreeOptions {
                    index,
                    ..TreeOptions::default()
                },
                ..CommitRequest::default()
            };
            let before = bytes_read();
            commit::commit(&repo, request, &Silent).unwrap();
            bytes_read() - before
        };
        let first = read_by_commit(IndexUse::WhereSafe);
        let second = read_by_commit(IndexUse::WhereSafe);
        let without = read_by_commit(IndexUse::Never);
        assert!(
            first > 2_700_000 && without > 2_700_000,
            "{mode}: {first}, {without}"
        );
        assert!(second < 100_000, "{mode}: {second} bytes read");
    }
}
