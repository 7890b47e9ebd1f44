//! Claims on records, seals and the database file.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_format::{Checksum, FileId};
use ostler_fs::{Dir, Metadata, Timestamp};

use super::super::modifier::Attributes;
use super::*;
use crate::mode::RepoMode;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn stat(path: &Path) -> Metadata {
    let dir = Dir::open_ambient(path.parent().unwrap()).unwrap();
    dir.metadata(path.file_name().unwrap()).unwrap()
}

fn id(text: &str) -> FileId {
    Checksum::of(text.as_bytes()).into()
}

const COMMITTED: Attributes = Attributes {
    uid: 1,
    gid: 2,
    mode: 0o100_644,
};

/// Metadata of `count` files that differ in their inodes alone.
fn files(count: u64) -> Vec<Metadata> {
    let root = scratch();
    let path = root.path().join("file");
    fs::write(&path, "x").unwrap();
    let one = stat(&path);
    (0..count)
        .map(|n| Metadata {
            ino: n * 3 + 5,
            ..one
        })
        .collect()
}

fn records(files: &[Metadata]) -> Records {
    Records::from_files(
        files
            .iter()
            .map(|stat| FileRecord::new(stat, COMMITTED, id(&stat.ino.to_string())))
            .collect(),
    )
}

#[test]
fn a_file_is_found_only_in_the_very_state_that_was_recorded() {
    let files = files(50);
    let records = records(&files);
    assert_eq!(records.len(), 50);
    for file in &files {
        assert_eq!(
            records.find(file, COMMITTED),
            Some(id(&file.ino.to_string()))
        );
    }
    let file = files[20];
    let later = |time: Timestamp| Timestamp {
        nanoseconds: time.nanoseconds ^ 1,
        ..time
    };
    for changed in [
        Metadata {
            ino: file.ino + 1,
            ..file
        },
        Metadata {
            size: file.size + 1,
            ..file
        },
        Metadata {
            mtime: later(file.mtime),
            ..file
        },
        Metadata {
            ctime: later(file.ctime),
            ..file
        },
        Metadata {
            mode: file.mode ^ 0o4000,
            ..file
        },
        Metadata {
            uid: file.uid + 1,
            ..file
        },
        Metadata {
            gid: file.gid + 1,
            ..file
        },
    ] {
        assert_eq!(records.find(&changed, COMMITTED), None, "{changed:?}");
    }
    for other in [
        Attributes {
            uid: 9,
            ..COMMITTED
        },
        Attributes {
            gid: 9,
            ..COMMITTED
        },
        Attributes {
            mode: 0o100_600,
            ..COMMITTED
        },
    ] {
        assert_eq!(records.find(&file, other), None, "committed as {other:?}");
    }
}

#[test]
fn a_file_is_settled_once_a_change_must_get_a_later_time() {
    let now = UNIX_EPOCH + Duration::new(1_000_000, 500);
    let at = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds,
    };
    assert!(is_settled(at(999_997, 1), now));
    assert!(is_settled(at(999_998, 499), now));
    assert!(!is_settled(at(999_998, 501), now), "within the margin");
    assert!(!is_settled(at(1_000_000, 400), now));
    assert!(!is_settled(at(2_000_000, 1), now), "a clock was set back");
    assert!(!is_settled(at(999_000, 0), now), "perhaps whole seconds");
    assert!(!is_settled(at(-5, 1), now));
}

struct World {
    root: tempfile::TempDir,
    repo: Repo,
}

impl World {
    fn new() -> Self {
        let root = scratch();
        let repo = Repo::create(root.path().join("repo"), RepoMode::Archive, None).unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        Self { root, repo }
    }

    fn file(&self) -> std::path::PathBuf {
        self.root
            .path()
            .join("repo/extensions/ostler/commit-index.sqlite")
    }

    fn database(&self, identity: &str) -> Database {
        Database::open(&self.repo, identity.as_bytes()).unwrap()
    }
}

fn place(ino: u64) -> Place {
    Place {
        file_system: 11,
        dev: 22,
        ino,
    }
}

#[test]
fn rows_come_back_for_the_same_tree_and_place_only() {
    let world = World::new();
    let (a, b) = (records(&files(3)), records(&files(7)));
    world.database("tree").write(
        &[(place(1), a.clone()), (place(2), b.clone())],
        &[place(1), place(2)],
    );
    let mut database = world.database("tree");
    assert_eq!(database.read(place(1)), Some(a.clone()));
    assert_eq!(database.read(place(2)), Some(b));
    assert_eq!(database.read(place(3)), None);
    let elsewhere = Place {
        file_system: 12,
        ..place(1)
    };
    assert_eq!(
        database.read(elsewhere),
        None,
        "another disk with the same device number"
    );
    assert_eq!(world.database("other tree").read(place(1)), None);
}

#[test]
fn rows_of_directories_that_are_gone_are_dropped_and_others_stay() {
    let world = World::new();
    let some = records(&files(3));
    let write = |identity: &str, added: &[u64], seen: &[u64]| {
        let added: Vec<_> = added.iter().map(|n| (place(*n), some.clone())).collect();
        let seen: Vec<_> = seen.iter().map(|n| place(*n)).collect();
        world.database(identity).write(&added, &seen);
    };
    write("a", &[1, 2, 3], &[1, 2, 3]);
    write("b", &[1], &[1]);
    write("a", &[4], &[2, 4]);
    let mut a = world.database("a");
    let found: Vec<_> = (1..=4).map(|n| a.read(place(n)).is_some()).collect();
    assert_eq!(found, [false, true, false, true]);
    assert!(world.database("b").read(place(1)).is_some());
    write("a", &[], &[]);
    assert!(
        world.database("a").read(place(2)).is_some(),
        "nothing new, nothing written"
    );
}

#[test]
fn a_flipped_bit_anywhere_gives_no_wrong_record() {
    let world = World::new();
    let some = records(&files(40));
    world
        .database("tree")
        .write(&[(place(1), some.clone())], &[place(1)]);
    let whole = fs::read(world.file()).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(13) {
        let mut broken = whole.clone();
        broken[at] ^= 1 << (at % 8);
        fs::write(world.file(), broken).unwrap();
        let found = Database::open(&world.repo, b"tree").and_then(|mut db| db.read(place(1)));
        match found {
            None => refused += 1,
            Some(found) => assert!(found == some, "bit {at} gave another record"),
        }
    }
    assert!(refused > 200, "{refused} refused");
}

#[test]
fn a_damaged_file_is_replaced_and_a_directory_in_its_place_is_left_alone() {
    let world = World::new();
    let some = records(&files(3));
    fs::create_dir_all(world.file().parent().unwrap()).unwrap();
    for damage in [
        &b""[..],
        b"not a database at all, but long enough to be read as one",
        &[0; 8192],
    ] {
        fs::write(world.file(), damage).unwrap();
        let mut database = world.database("tree");
        assert_eq!(database.read(place(1)), None);
        database.write(&[(place(1), some.clone())], &[place(1)]);
        assert_eq!(
            world.database("tree").read(place(1)),
            Some(some.clone()),
            "after {} bytes of damage",
            damage.len()
        );
    }
    fs::remove_file(world.file()).unwrap();
    fs::create_dir(world.file()).unwrap();
    world
        .database("tree")
        .write(&[(place(1), some.clone())], &[place(1)]);
    assert_eq!(world.database("tree").read(place(1)), None);
}

#[test]
fn a_database_of_another_version_is_made_anew() {
    let world = World::new();
    let some = records(&files(3));
    world
        .database("tree")
        .write(&[(place(1), some.clone())], &[place(1)]);
    let connection = rusqlite::Connection::open(world.file()).unwrap();
    connection
        .execute_batch("PRAGMA user_version = 77")
        .unwrap();
    drop(connection);
    let mut database = world.database("tree");
    assert_eq!(database.read(place(1)), None);
    database.write(&[(place(2), some.clone())], &[place(2)]);
    let mut database = world.database("tree");
    assert_eq!(database.read(place(2)), Some(some));
    assert_eq!(database.read(place(1)), None);
}

#[test]
fn who_holds_the_lock_is_not_waited_for() {
    let world = World::new();
    let some = records(&files(3));
    world
        .database("tree")
        .write(&[(place(1), some.clone())], &[place(1)]);
    let other = rusqlite::Connection::open(world.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = SystemTime::now();
    let mut database = world.database("tree");
    assert_eq!(database.read(place(1)), None);
    database.write(&[(place(2), some.clone())], &[place(1), place(2)]);
    assert!(began.elapsed().unwrap() < Duration::from_secs(2));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(world.database("tree").read(place(1)), Some(some));
}
