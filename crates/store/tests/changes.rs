//! What changes between two commits: by size and by package, of dpkg and of rpm, honest and hostile.

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
        assert!(found.packages.is_none() && found.package_problem.is_none());
    }
}

fn status(packages: &[(&str, &str)]) -> String {
    let paragraph = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    packages.iter().map(paragraph).collect()
}

#[test]
fn packages_of_dpkg_are_compared() {
    let path = "var/lib/dpkg/status";
    let found = compare(
        RepoMode::Archive,
        |tree| {
            write(
                tree,
                path,
                status(&[("bash", "5.1-2"), ("gone", "1"), ("same", "3")]),
            )
        },
        |tree| {
            write(
                tree,
                path,
                status(&[("bash", "5.1-3"), ("new", "2"), ("same", "3")]),
            )
        },
    );
    let packages = found.packages.unwrap();
    assert_eq!(packages.database, "dpkg");
    let names: Vec<_> = packages.changes.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["bash", "gone", "new"]);
    assert_eq!(packages.changes[0].after, ["5.1-3"]);
}

/// An rpm header of a package without an epoch.
fn header(name: &str, version: &str) -> Vec<u8> {
    let fields = [
        (1000_u32, name),
        (1001, version),
        (1002, "1"),
        (1022, "noarch"),
    ];
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in fields {
        let offset = u32::try_from(data.len()).unwrap();
        for number in [tag, 6, offset, 1] {
            index.extend(number.to_be_bytes());
        }
        data.extend(text.bytes());
        data.push(0);
    }
    let lengths = [4, u32::try_from(data.len()).unwrap()];
    [&lengths.map(u32::to_be_bytes).concat(), &index, &data]
        .map(|part| part.as_slice())
        .concat()
}

fn write_rpmdb(tree: &Path, headers: &[Vec<u8>]) {
    let path = tree.join("usr/share/rpm/rpmdb.sqlite");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&path);
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        .unwrap();
    for header in headers {
        database
            .execute("INSERT INTO Packages (blob) VALUES (?1)", [header])
            .unwrap();
    }
}

#[test]
fn packages_of_rpm_are_compared_and_nothing_is_left_in_the_repository() {
    let found = compare(
        RepoMode::Archive,
        |tree| write_rpmdb(tree, &[header("kernel", "5"), header("kernel", "6")]),
        |tree| write_rpmdb(tree, &[header("kernel", "6"), header("kernel", "7")]),
    );
    let packages = found.packages.unwrap();
    assert_eq!((packages.database.as_str(), packages.after), ("rpm", 2));
    assert_eq!(packages.changes.len(), 1);
    assert_eq!(packages.changes[0].before, ["5-1"]);
    assert_eq!(packages.changes[0].after, ["7-1"]);
}

#[test]
fn a_database_that_cannot_be_read_is_told_and_the_rest_is_compared() {
    let path = "usr/share/rpm/rpmdb.sqlite";
    let mut cut = header("x", "1");
    cut.truncate(40);
    let rpmdb = move |tree: &Path| write_rpmdb(tree, std::slice::from_ref(&cut));
    type Writer<'w> = &'w dyn Fn(&Path);
    let cases: [(Writer<'_>, &str); 4] = [
        (&|tree| write(tree, path, "no database"), "not a database"),
        (&|tree| write(tree, path, ""), "no such table"),
        (&rpmdb, "index"),
        (
            &|tree| write(tree, "var/lib/dpkg/status", "nonsense"),
            "colon",
        ),
    ];
    for (second, word) in cases {
        let found = compare(RepoMode::Archive, |tree| write(tree, "a", "b"), second);
        let problem = found.package_problem.unwrap();
        assert!(problem.contains(word), "{problem}");
        assert_eq!(found.added.files, 1);
    }
}
