//! Package databases in commits and directories, of dpkg and of rpm, honest and hostile.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};

use ostler_format::CommitId;
use ostler_format::variant::Value;
use ostler_fs::Dir;
use ostler_packages::changes::{ChangeKind, PackageChanges, between};
use ostler_packages::database::{DatabaseError, installed, installed_in_commit};
use ostler_packages::tree::Tree;
use ostler_packages::{World, changelogs, pkglist};
use ostler_store::commit::{CommitRequest, Source, commit};
use ostler_store::progress::Silent;
use ostler_store::{Repo, RepoMode};

/// A repository and a tree that is committed to it.
struct Ground {
    _dir: tempfile::TempDir,
    repo: Repo,
    tree: PathBuf,
}

impl Ground {
    fn new(mode: RepoMode) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("ostler-packages-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let repo = Repo::create(dir.path().join("repo"), mode, None).unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        Self {
            _dir: dir,
            repo,
            tree,
        }
    }

    fn commit(&self) -> CommitId {
        let request = CommitRequest {
            sources: vec![Source::Dir(self.tree.clone())],
            ..CommitRequest::default()
        };
        commit(&self.repo, request, &Silent).unwrap().id
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What the tree has, as a commit and as a directory: both must say the same.
    fn names(&self) -> Option<(World, Vec<String>)> {
        let shown = |found: Option<ostler_packages::database::Installed>| {
            found.map(|found| {
                let names = found
                    .packages
                    .iter()
                    .map(|package| found.database.full_name(package));
                (found.database, names.collect::<Vec<_>>())
            })
        };
        let id = self.commit();
        let committed = shown(installed_in_commit(&self.repo, id).unwrap());
        let dir = Dir::open_ambient(&self.tree).unwrap();
        assert_eq!(shown(installed(&Tree::Directory(&dir)).unwrap()), committed);
        committed
    }
}

/// Commits what `first` writes, then what `second` makes of it, and compares.
fn compare(
    first: impl Fn(&Ground),
    second: impl Fn(&Ground),
) -> Result<Option<PackageChanges>, DatabaseError> {
    let ground = Ground::new(RepoMode::Archive);
    first(&ground);
    let before = ground.commit();
    second(&ground);
    let after = ground.commit();
    between(&ground.repo, before, after)
}

fn paragraph(name: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
    )
}

fn status(packages: &[(&str, &str)]) -> String {
    packages
        .iter()
        .map(|(name, version)| paragraph(name, version))
        .collect()
}

/// An rpm header of a package without an epoch, changed last by `change`.
fn header(name: &str, version: &str) -> Vec<u8> {
    let change = format!("- to {version}");
    let fields = [
        (1000_u32, 6, name),
        (1001, 6, version),
        (1002, 6, "1"),
        (1022, 6, "noarch"),
        (1081, 8, "Somebody"),
        (1082, 8, change.as_str()),
    ];
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let mut entry = |tag: u32, kind: u32, offset: usize| {
        for number in [tag, kind, u32::try_from(offset).unwrap(), 1] {
            index.extend(number.to_be_bytes());
        }
    };
    for (tag, kind, text) in fields {
        entry(tag, kind, data.len());
        data.extend(text.bytes());
        data.push(0);
    }
    entry(1080, 4, data.len());
    data.extend(1_700_000_000_u32.to_be_bytes());
    let lengths = [7, u32::try_from(data.len()).unwrap()];
    [&lengths.map(u32::to_be_bytes).concat(), &index, &data]
        .map(|part| part.as_slice())
        .concat()
}

const RPMDB: &str = "usr/share/rpm/rpmdb.sqlite";

fn write_rpmdb(ground: &Ground, path: &str, headers: &[Vec<u8>]) {
    let path = ground.tree.join(path);
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

fn files_in(path: &Path) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

#[test]
fn packages_of_dpkg_are_compared() {
    let path = "var/lib/dpkg/status";
    let packages = compare(
        |ground| {
            ground.write(
                path,
                status(&[("bash", "5.1-2"), ("gone", "1"), ("same", "3")]),
            )
        },
        |ground| {
            ground.write(
                path,
                status(&[("bash", "5.1-3"), ("new", "2"), ("same", "3")]),
            )
        },
    );
    let packages = packages.unwrap().unwrap();
    assert_eq!(packages.database, "dpkg");
    let kinds: Vec<_> = packages
        .changes
        .iter()
        .map(|c| (c.name.as_str(), c.kind))
        .collect();
    let expected = [
        ("bash", ChangeKind::Upgraded),
        ("gone", ChangeKind::Removed),
        ("new", ChangeKind::Added),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(packages.changes[0].after, ["5.1-3"]);
}

#[test]
fn packages_of_rpm_are_compared_and_nothing_is_left_in_the_repository() {
    let ground = Ground::new(RepoMode::BareUser);
    write_rpmdb(
        &ground,
        RPMDB,
        &[header("kernel", "5"), header("kernel", "6")],
    );
    let before = ground.commit();
    write_rpmdb(
        &ground,
        RPMDB,
        &[header("kernel", "6"), header("kernel", "7")],
    );
    let after = ground.commit();
    let left = files_in(&ground.repo.path().join("tmp"));
    let packages = between(&ground.repo, before, after).unwrap().unwrap();
    assert_eq!((packages.database.as_str(), packages.after), ("rpm", 2));
    assert_eq!(packages.changes.len(), 1);
    assert_eq!(packages.changes[0].before, ["5-1"]);
    assert_eq!(packages.changes[0].after, ["7-1"]);
    assert_eq!(files_in(&ground.repo.path().join("tmp")), left);
}

#[test]
fn a_database_is_found_in_each_of_its_places_and_behind_symlinks() {
    for place in ["var/lib", "usr/lib/sysimage", "usr/lib", "usr/share"] {
        let ground = Ground::new(RepoMode::Archive);
        ground.write(&format!("{place}/dpkg/status"), paragraph("a", "1"));
        let expected = (World::Dpkg, vec!["a_1_amd64".to_owned()]);
        assert_eq!(ground.names(), Some(expected), "{place}");
    }
    let rpm = (World::Rpm, vec!["x-1-1.noarch".to_owned()]);
    for place in ["usr/share", "usr/lib/sysimage", "var/lib"] {
        let ground = Ground::new(RepoMode::Archive);
        write_rpmdb(
            &ground,
            &format!("{place}/rpm/rpmdb.sqlite"),
            &[header("x", "1")],
        );
        assert_eq!(ground.names(), Some(rpm.clone()), "{place}");
    }
    let ground = Ground::new(RepoMode::BareUser);
    write_rpmdb(&ground, "usr/db/real", &[header("x", "1")]);
    fs::create_dir_all(ground.tree.join("var/lib")).unwrap();
    std::os::unix::fs::symlink("/../usr/./db", ground.tree.join("var/lib/rpm")).unwrap();
    std::os::unix::fs::symlink("../db/real", ground.tree.join("usr/db/rpmdb.sqlite")).unwrap();
    assert_eq!(ground.names(), Some(rpm));
}

#[test]
fn a_directory_with_a_file_a_package_is_a_database() {
    let ground = Ground::new(RepoMode::Archive);
    // As builders of images write them: without a status, sums beside them.
    ground.write(
        "var/lib/dpkg/status.d/base",
        "Package: base-files\nVersion: 12.4\n",
    );
    ground.write("var/lib/dpkg/status.d/base.md5sums", "0123  usr/x\n");
    ground.write(
        "var/lib/dpkg/status.d/tz",
        "Package: tzdata\nArchitecture: all\nVersion: 2024a-0\n",
    );
    ground.write("var/lib/dpkg/status", paragraph("bash", "5"));
    let expected = ["base-files_12.4", "bash_5_amd64", "tzdata_2024a-0_all"].map(str::to_owned);
    assert_eq!(ground.names(), Some((World::Dpkg, expected.to_vec())));
}

#[test]
fn the_database_that_has_packages_counts_where_tools_of_both_worlds_are() {
    let ground = Ground::new(RepoMode::Archive);
    ground.write("var/lib/dpkg/status", "");
    assert_eq!(ground.names(), Some((World::Dpkg, vec![])));
    write_rpmdb(&ground, RPMDB, &[header("x", "1")]);
    assert_eq!(
        ground.names(),
        Some((World::Rpm, vec!["x-1-1.noarch".to_owned()]))
    );
    ground.write("var/lib/dpkg/status", paragraph("a", "1"));
    assert_eq!(
        ground.names(),
        Some((World::Dpkg, vec!["a_1_amd64".to_owned()]))
    );
    assert_eq!(Ground::new(RepoMode::Archive).names(), None);
}

#[test]
fn keys_that_rpm_keeps_as_packages_are_none() {
    let ground = Ground::new(RepoMode::Archive);
    write_rpmdb(
        &ground,
        RPMDB,
        &[header("gpg-pubkey", "a15b79cc"), header("x", "1")],
    );
    assert_eq!(
        ground.names(),
        Some((World::Rpm, vec!["x-1-1.noarch".to_owned()]))
    );
}

#[test]
fn a_database_that_cannot_be_read_is_named() {
    let mut cut = header("x", "1");
    cut.truncate(40);
    type Writer<'w> = &'w dyn Fn(&Ground);
    let cases: [(Writer<'_>, &str, &str); 7] = [
        (
            &|ground| ground.write(RPMDB, "no database"),
            RPMDB,
            "not a database",
        ),
        (&|ground| ground.write(RPMDB, ""), RPMDB, "no such table"),
        (
            &|ground| write_rpmdb(ground, RPMDB, std::slice::from_ref(&cut)),
            RPMDB,
            "index",
        ),
        (
            &|ground| write_rpmdb(ground, RPMDB, &[vec![0; 8]]),
            RPMDB,
            "no version",
        ),
        (
            &|ground| ground.write("var/lib/dpkg/status", "nonsense"),
            "var/lib/dpkg/status",
            "colon",
        ),
        (
            &|ground| ground.write("usr/share/rpm/Packages.db", "x"),
            "usr/share/rpm/Packages.db",
            "ndb",
        ),
        (
            &|ground| ground.write("var/lib/rpm/Packages", "x"),
            "var/lib/rpm/Packages",
            "Berkeley DB",
        ),
    ];
    for (second, path, word) in cases {
        let found = compare(|ground| ground.write("a", "b"), second);
        let problem = found.unwrap_err().to_string();
        assert!(
            problem.contains(word) && problem.contains(path),
            "{problem}"
        );
    }
}

#[test]
fn symlinks_in_circles_and_out_of_the_tree_lead_nowhere() {
    let ground = Ground::new(RepoMode::Archive);
    fs::create_dir_all(ground.tree.join("var/lib")).unwrap();
    std::os::unix::fs::symlink("dpkg", ground.tree.join("var/lib/dpkg")).unwrap();
    std::os::unix::fs::symlink(
        "../../../../../../../../var/lib/rpm",
        ground.tree.join("var/lib/rpm"),
    )
    .unwrap();
    let id = ground.commit();
    assert_eq!(installed_in_commit(&ground.repo, id).unwrap(), None);
}

#[test]
fn what_the_metadata_list_counts_where_the_tree_is_not_here() {
    let ground = Ground::new(RepoMode::Archive);
    ground.write("var/lib/dpkg/status", paragraph("a", "1"));
    let list = ["bash", "0", "5.2", "1", "x86_64"].map(|field| Value::Str(field.to_owned()));
    let list = Value::Tuple(list.to_vec());
    for listed in [true, false] {
        let mut request = CommitRequest {
            sources: vec![Source::Dir(ground.tree.clone())],
            ..CommitRequest::default()
        };
        if listed {
            let value = Value::Array(list.ty(), vec![list.clone()]);
            request.metadata.push(pkglist::RPM_KEY, value);
        }
        let id = commit(&ground.repo, request, &Silent).unwrap().id;
        let elsewhere = Ground::new(RepoMode::Archive);
        let loose = format!("{}/{}.commit", &id.to_string()[..2], &id.to_string()[2..]);
        let target = elsewhere.repo.path().join("objects").join(&loose);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(ground.repo.path().join("objects").join(&loose), target).unwrap();
        let found = installed_in_commit(&elsewhere.repo, id);
        match listed {
            true => assert_eq!(found.unwrap().unwrap().packages[0].version, "5.2-1"),
            false => {
                assert!(matches!(found, Err(DatabaseError::NotHere { commit }) if commit == id))
            }
        }
        // Here the tree is the authority.
        let here = installed_in_commit(&ground.repo, id).unwrap().unwrap();
        assert_eq!(here.packages[0].name, "a");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn debian_entry(source: &str, version: &str, text: &str) -> String {
    format!(
        "{source} ({version}) stable; urgency=low\n\n  * {text}\n\n -- A <a@b>  Mon, 01 Jan 2024 00:00:00 +0000\n\n"
    )
}

#[test]
fn changelogs_of_debian_are_read_from_the_documentation() {
    let ground = Ground::new(RepoMode::Archive);
    let version = |version: &str, source: &str| {
        let status = ["tool", "tool-data", "bare"].map(|name| paragraph(name, version));
        status
            .join("")
            .replace("Version", &format!("Source: src ({source})\nVersion"))
    };
    ground.write("var/lib/dpkg/status", version("3-1", "1-1"));
    let before = ground.commit();
    ground.write("var/lib/dpkg/status", version("3-2+b1", "1-2"));
    let log = debian_entry("src", "1-2", "two") + &debian_entry("src", "1-1", "one");
    ground.write("usr/share/doc/tool/changelog.Debian.gz", gzip(&log));
    ground.write(
        "usr/share/doc/tool/changelog.Debian.amd64.gz",
        gzip(&debian_entry("src", "1-2+b1", "rebuilt")),
    );
    std::os::unix::fs::symlink("tool", ground.tree.join("usr/share/doc/tool-data")).unwrap();
    let after = ground.commit();
    let changes = between(&ground.repo, before, after).unwrap().unwrap();
    let tree = |id| Tree::of_commit(&ground.repo, id).unwrap();
    let logs = changelogs::between(&tree(before), &tree(after), &changes).unwrap();
    let names: Vec<_> = logs
        .iter()
        .map(|log| (log.name.as_str(), log.entries.len()))
        .collect();
    assert_eq!(names, [("bare", 0), ("tool", 2), ("tool-data", 2)]);
    assert!(logs[1].entries[0].text.contains("rebuilt") && logs[1].entries[1].text.contains("two"));
}

#[test]
fn changelogs_of_rpm_are_read_from_the_headers() {
    let ground = Ground::new(RepoMode::Archive);
    write_rpmdb(&ground, RPMDB, &[header("x", "1"), header("same", "1")]);
    let before = ground.commit();
    write_rpmdb(&ground, RPMDB, &[header("x", "2"), header("same", "1")]);
    let after = ground.commit();
    let changes = between(&ground.repo, before, after).unwrap().unwrap();
    let tree = |id| Tree::of_commit(&ground.repo, id).unwrap();
    let logs = changelogs::between(&tree(before), &tree(after), &changes).unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].entries[0].text, "- to 2");
    assert_eq!(logs[0].entries[0].time, Some(1_700_000_000));
}
