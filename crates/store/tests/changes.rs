//! What changes between two commits, by size.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use ostler_format::CommitId;
use ostler_store::changes::{Changes, changes};
use ostler_store::commit::{CommitRequest, Source, commit};
use ostler_store::progress::Silent;
use ostler_store::{Repo, RepoMode};

fn commit_tree(repo: &Repo, tree: &Path) -> CommitId {
    let request = CommitRequest {
        sources: vec![Source::Dir(tree.to_owned())],
        ..CommitRequest::default()
    };
    commit(repo, request, &Silent).unwrap().id
}

/// Commits what `first` writes, then what `second` makes of it, and compares.
fn compare(mode: RepoMode, first: impl Fn(&Path), second: impl Fn(&Path)) -> Changes {
    let dir = tempfile::Builder::new()
        .prefix("ostler-changes-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let repo = Repo::create(dir.path().join("repo"), mode, None).unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    first(&tree);
    let before = commit_tree(&repo, &tree);
    second(&tree);
    let after = commit_tree(&repo, &tree);
    changes(&repo, before, after).unwrap()
}

fn write(tree: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn files_are_counted_with_their_sizes_and_moved_ones_need_not_be_fetched() {
    for mode in [RepoMode::Archive, RepoMode::BareUser] {
        let found = compare(
            mode,
            |tree| {
                write(tree, "same/deep/a", "same");
                write(tree, "moved", vec![1; 5000]);
                write(tree, "gone/x", "four");
                write(tree, "grows", "1");
                write(tree, "becomes-a-directory", "12");
            },
            |tree| {
                fs::create_dir(tree.join("new")).unwrap();
                fs::rename(tree.join("moved"), tree.join("new/moved")).unwrap();
                fs::remove_dir_all(tree.join("gone")).unwrap();
                write(tree, "grows", vec![2; 1001]);
                fs::remove_file(tree.join("becomes-a-directory")).unwrap();
                write(tree, "becomes-a-directory/y", "123");
            },
        );
        assert_eq!((found.added.files, found.added.bytes), (2, 5003));
        assert_eq!((found.removed.files, found.removed.bytes), (3, 5006));
        assert_eq!((found.changed.files, found.changed.bytes), (1, 1001));
        assert_eq!((found.directories_added, found.directories_removed), (2, 1));
        assert_eq!(found.growth_bytes, 997);
        assert_eq!((found.fetch.objects, found.fetch.bytes), (2, 1004));
        assert_eq!(
            found.fetch.compressed_bytes.is_some(),
            mode == RepoMode::Archive
        );
        assert_eq!(found.largest[0].path, "/moved");
    }
}
