//! Merges of random trees against what the real `ostree` makes of the same trees.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use common::Fixture;
use ostler_deploy::etc_merge::{ConflictKind, FileAgainstDirectory, Sides, config_diff, merge};
use ostler_fs::Dir;

/// When the person wrote their files, in seconds since 1970.
const PERSONS_TIME: i64 = 1_100_000_000;

/// A repeatable source of choices.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

#[derive(Clone, PartialEq, Debug)]
enum What {
    File(usize),
    Link(usize),
    Directory,
}

#[derive(Clone, PartialEq, Debug)]
struct Node {
    what: What,
    mode: u32,
    uid: u32,
}

impl Node {
    fn random(random: &mut Random) -> Self {
        let what = match random.below(6) {
            0 => What::Link(random.below(3)),
            1 | 2 => What::Directory,
            _ => What::File(random.below(4)),
        };
        let mode = match what {
            What::File(_) => [0o644, 0o600, 0o4755][random.below(3)],
            What::Link(_) => 0o777,
            What::Directory => [0o755, 0o700][random.below(2)],
        };
        Self {
            what,
            mode,
            uid: u32::from(random.one_in(5)),
        }
    }

    fn is_dir(&self) -> bool {
        self.what == What::Directory
    }

    fn attributes(&self) -> (u32, u32) {
        (self.mode, self.uid)
    }
}

type Tree = BTreeMap<String, Node>;

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Drops paths whose parents are no directories.
fn whole(tree: &Tree) -> Tree {
    let is_dir = |path: &str| tree.get(path).is_some_and(Node::is_dir);
    tree.iter()
        .filter(|(path, _)| parents(path).all(is_dir))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect()
}

fn random_path(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    let parts: Vec<&str> = (0..depth)
        .map(|_| ["a", "b", "c"][random.below(3)])
        .collect();
    parts.join("/")
}

fn random_tree(random: &mut Random) -> Tree {
    let mut tree = Tree::new();
    for _ in 0..random.below(9) {
        tree.insert(random_path(random), Node::random(random));
    }
    for path in ["a", "b"] {
        tree.entry(path.to_owned()).or_insert(Node {
            what: What::Directory,
            mode: 0o755,
            uid: 0,
        });
    }
    whole(&tree)
}

fn changed(tree: &Tree, random: &mut Random) -> Tree {
    let mut next = Tree::new();
    for (path, node) in tree {
        let mut node = node.clone();
        match random.below(12) {
            0 => continue,
            1 => node = Node::random(random),
            2 if node.is_dir() => node.mode = 0o711,
            2 => node.mode = 0o640,
            3 | 4 if matches!(node.what, What::File(_)) => node.what = What::File(random.below(8)),
            _ => (),
        }
        if matches!(node.what, What::Link(_)) {
            node.mode = 0o777;
        }
        next.insert(path.clone(), node);
    }
    for _ in 0..random.below(3) {
        let path = random_path(random);
        next.entry(path).or_insert_with(|| Node::random(random));
    }
    whole(&next)
}

/// Says whether libostree ends an upgrade with an error here, or loses or brings back what it should not: where a file of one side
/// is against a directory of the other, and where the default dropped a directory of which the person changed the mode.
fn beyond_ostree(old: &Tree, person: &Tree, new: &Tree) -> bool {
    let is_dir = |tree: &Tree, path: &str| tree.get(path).is_some_and(Node::is_dir);
    let is_file = |tree: &Tree, path: &str| tree.get(path).is_some_and(|node| !node.is_dir());
    let all = old.keys().chain(person.keys());
    all.filter(|path| old.get(*path) != person.get(*path))
        .any(|path| {
            let into_file = parents(path).any(|parent| is_file(new, parent) && is_dir(old, parent));
            let over_directory = is_file(person, path) && is_dir(new, path);
            let into_directory = is_dir(person, path) && is_file(old, path) && is_dir(new, path);
            let dropped = is_dir(person, path) && is_dir(old, path) && !is_dir(new, path);
            into_file || over_directory || into_directory || dropped
        })
}

fn build(root: &Path, tree: &Tree) {
    for (path, node) in tree {
        let path = root.join(path);
        match &node.what {
            What::Directory => fs::create_dir(&path).unwrap(),
            What::File(content) => fs::write(&path, format!("{content}\n")).unwrap(),
            What::Link(target) => symlink(format!("target-{target}"), &path).unwrap(),
        }
        lchown(&path, Some(node.uid), Some(0)).unwrap();
        if !matches!(node.what, What::Link(_)) {
            fs::set_permissions(&path, fs::Permissions::from_mode(node.mode)).unwrap();
        }
    }
}

/// Everything that a merge must bring about; a directory has no time.
fn listing(root: &Path, below: &str, out: &mut BTreeMap<String, String>) {
    let dir = Dir::open_ambient(root.join(below)).unwrap();
    for entry in dir.entries().unwrap().iter() {
        let name = entry.str_name().unwrap();
        let path = format!("{below}{name}");
        let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
        let content = if metadata.is_dir() {
            listing(root, &format!("{path}/"), out);
            String::from("directory")
        } else if metadata.is_symlink() {
            format!("-> {}", fs::read_link(root.join(&path)).unwrap().display())
        } else {
            // A default has the time of its copy.
            let time = match metadata.mtime() {
                PERSONS_TIME => "the person's time",
                _ => "another time",
            };
            format!(
                "{} at {time}",
                fs::read_to_string(root.join(&path)).unwrap().trim()
            )
        };
        let xattrs = dir.xattrs(name, 1 << 16).unwrap();
        let line = format!(
            "{:o} {}:{} {xattrs:?} {content}",
            metadata.mode(),
            metadata.uid(),
            metadata.gid()
        );
        out.insert(path, line);
    }
}

fn listed(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    listing(root, "", &mut out);
    out
}

struct Case {
    old: Tree,
    person: Tree,
    new: Tree,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        loop {
            let old = random_tree(random);
            let (person, new) = (changed(&old, random), changed(&old, random));
            if !beyond_ostree(&old, &person, &new) {
                return Self { old, person, new };
            }
        }
    }

    /// Owner and mode that the merged directory has: a person's change, else the new default.
    fn directory(&self, path: &str) -> (u32, u32) {
        let dir = |tree: &Tree| {
            tree.get(path)
                .filter(|node| node.is_dir())
                .map(Node::attributes)
        };
        match (dir(&self.old), dir(&self.person), dir(&self.new)) {
            (_, None, Some(new)) => new,
            (Some(old), Some(person), Some(new)) if old == person => new,
            (_, Some(person), _) => person,
            (_, None, None) => panic!("`{path}` is a directory of neither side"),
        }
    }

    /// Says whether libostree knows the same rule for this directory as [`Case::directory`].
    fn agreed(&self, path: &str) -> bool {
        let dir = |tree: &Tree| tree.get(path).is_some_and(Node::is_dir);
        !(dir(&self.person) && dir(&self.new))
    }
}

/// Puts each case below a directory of its own.
fn fill(root: &Path, cases: &[Case], side: fn(&Case) -> &Tree) {
    for (index, case) in cases.iter().enumerate() {
        let dir = root.join(format!("case{index:02}"));
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir(&dir).unwrap();
        build(&dir, side(case));
    }
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient(path).unwrap()
}

fn compare(seed: u64) {
    let mut random = Random(seed);
    let cases: Vec<Case> = (0..50).map(|_| Case::random(&mut random)).collect();
    let fixture = Fixture::new();
    let default = fixture.path.join("tree/usr/etc");
    fill(&default, &cases, |case| &case.old);
    fixture.commit("old");
    fixture.pull();
    fixture.real_deploy(&["--no-merge"]);
    let old = fixture.path.join(fixture.admin(&["--print-current-dir"]));
    fill(&old.join("etc"), &cases, |case| &case.person);
    for (index, case) in cases.iter().enumerate() {
        // Attributes of a file go with it and are no change of their own.
        for path in case
            .person
            .keys()
            .filter(|path| !case.person[*path].is_dir())
        {
            let path = old.join(format!("etc/case{index:02}/{path}"));
            if path.is_symlink() {
                continue;
            }
            let file = fs::File::open(&path).unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(PERSONS_TIME.unsigned_abs());
            file.set_modified(time).unwrap();
            if random.one_in(4) {
                let dir = open(path.parent().unwrap());
                dir.set_xattr(path.file_name().unwrap(), "user.by", b"person")
                    .unwrap();
            }
        }
    }
    let theirs = fixture.admin(&["config-diff", "--os=os"]);
    let ours = config_diff(&open(&old.join("usr/etc")), &open(&old.join("etc"))).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        sorted(&ours.to_string()),
        sorted(&theirs),
        "config-diff of seed {seed}"
    );

    fill(&default, &cases, |case| &case.new);
    fixture.commit("new");
    fixture.pull();
    let said = fixture.real_deploy(&[]);
    let new = fixture.path.join(fixture.admin(&["--print-current-dir"]));
    assert_ne!(old, new);
    let merged = fixture.path.join("merged");
    fs::create_dir(&merged).unwrap();
    let (old_default, person, new_default) = (
        open(&old.join("usr/etc")),
        open(&old.join("etc")),
        open(&new.join("usr/etc")),
    );
    let sides = Sides {
        old_default: &old_default,
        person: &person,
        new_default: &new_default,
    };
    let report = merge(sides, &open(&merged), FileAgainstDirectory::Keep).unwrap();
    let counts = format!(
        "Copying /etc changes: {} modified, {} removed, {} added",
        report.modified, report.removed, report.added
    );
    assert!(said.contains(&counts), "{said} but {counts}");
    assert!(report.odd.is_empty());
    let against = [ConflictKind::FileAgainstDirectory];
    assert!(
        report
            .conflicts
            .iter()
            .all(|conflict| !against.contains(&conflict.kind))
    );
    check(&cases, &listed(&merged), &listed(&new.join("etc")), seed);
}

fn check(
    cases: &[Case],
    ours: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
    seed: u64,
) {
    let paths = |tree: &BTreeMap<String, String>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(ours), paths(theirs), "paths of seed {seed}");
    for (path, line) in ours {
        let Some((case, below)) = path.split_once('/') else {
            continue;
        };
        let case = &cases[case["case".len()..].parse::<usize>().unwrap()];
        let is_dir = line.ends_with(" directory");
        if is_dir {
            let (mode, uid) = case.directory(below);
            assert_eq!(
                *line,
                format!("{:o} {uid}:0 [] directory", 0o40000 | mode),
                "{path} of seed {seed}"
            );
        }
        if !is_dir || case.agreed(below) {
            assert_eq!(
                *line, theirs[path],
                "{path} of seed {seed}: {:?} {:?} {:?}",
                case.old, case.person, case.new
            );
        }
    }
}

#[test]
fn random_merges_have_the_result_that_ostree_has() {
    for seed in 1..=3 {
        compare(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
    }
}
