//! Claims on whole merges in temporary directories.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;

mod rules;

/// `path` to content, `->target`, `/` for a directory, `|` for a fifo, `=` for a socket; with `@755` at the end, a mode.
type Tree<'a> = &'a [(&'a str, &'a str)];

fn build(root: &Path, tree: Tree<'_>) {
    for (path, what) in tree {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let (what, mode) = match what.split_once('@') {
            Some((what, mode)) => (what, u32::from_str_radix(mode, 8).ok()),
            None => (*what, None),
        };
        match what {
            "/" => fs::create_dir_all(&path).unwrap(),
            "|" => {
                let status = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(status.unwrap().success());
            }
            "=" => drop(UnixListener::bind(&path).unwrap()),
            _ => match what.strip_prefix("->") {
                Some(target) => symlink(target, &path).unwrap(),
                None => fs::write(&path, what).unwrap(),
            },
        }
        if let Some(mode) = mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn listing(root: &Path) -> Vec<(String, String)> {
    fn visit(root: &Path, below: &str, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(root.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{below}{name}");
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let what = if metadata.is_symlink() {
                format!("->{}", fs::read_link(entry.path()).unwrap().display())
            } else if metadata.is_dir() {
                visit(root, &format!("{path}/"), out);
                match mode {
                    0o755 => "/".to_owned(),
                    mode => format!("/@{mode:o}"),
                }
            } else if metadata.file_type().is_fifo() {
                "|".to_owned()
            } else {
                let content = fs::read_to_string(entry.path()).unwrap();
                match mode {
                    0o644 => content,
                    mode => format!("{content}@{mode:o}"),
                }
            };
            out.push((path, what));
        }
    }
    let mut out = Vec::new();
    visit(root, "", &mut out);
    out.sort();
    out
}

struct Three {
    temp: tempfile::TempDir,
}

impl Three {
    fn new(old: Tree<'_>, person: Tree<'_>, new: Tree<'_>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for (name, tree) in [("old", old), ("person", person), ("new", new), ("etc", &[])] {
            fs::create_dir(temp.path().join(name)).unwrap();
            build(&temp.path().join(name), tree);
        }
        Self { temp }
    }

    fn dir(&self, name: &str) -> Dir {
        Dir::open_ambient(self.temp.path().join(name)).unwrap()
    }

    fn merge(&self) -> (Vec<(String, String)>, MergeReport) {
        let (old, person, new) = (self.dir("old"), self.dir("person"), self.dir("new"));
        let sides = Sides {
            old_default: &old,
            person: &person,
            new_default: &new,
        };
        let report = merge(sides, &self.dir("etc"), FileAgainstDirectory::Keep).unwrap();
        (listing(&self.temp.path().join("etc")), report)
    }
}

/// Merges and compares with a tree; returns conflicts as `kind path`, and odd files as `kind outcome path`.
#[track_caller]
fn merged(old: Tree<'_>, person: Tree<'_>, new: Tree<'_>, expected: Tree<'_>) -> Vec<String> {
    let (found, report) = Three::new(old, person, new).merge();
    let wanted = Three::new(&[], expected, &[]);
    assert_eq!(found, listing(&wanted.temp.path().join("person")));
    let conflicts = report
        .conflicts
        .iter()
        .map(|conflict| format!("{:?} {}", conflict.kind, conflict.path));
    let odd = report
        .odd
        .iter()
        .map(|odd| format!("{:?} {:?} {}", odd.kind, odd.outcome, odd.path));
    conflicts.chain(odd).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn changes_of_one_side_come_through_without_a_word() {
    let told = merged(
        &[
            ("both", "1"),
            ("edited", "1"),
            ("gone", "1"),
            ("d/gone", "1"),
            ("d/new", "1"),
            ("l", "->a"),
        ],
        &[
            ("both", "1"),
            ("edited", "2"),
            ("d/new", "1"),
            ("l", "->b"),
            ("mine/x", "m@600"),
            ("mine", "/@711"),
        ],
        &[
            ("both", "9"),
            ("edited", "1"),
            ("gone", "1"),
            ("d/gone", "1"),
            ("d/new", "9"),
            ("l", "->a"),
            ("theirs/y", "9"),
        ],
        &[
            ("both", "9"),
            ("edited", "2"),
            ("d/new", "9"),
            ("l", "->b"),
            ("mine/x", "m@600"),
            ("mine", "/@711"),
            ("theirs/y", "9"),
        ],
    );
    assert_eq!(told, NONE);
}

#[test]
fn what_both_changed_is_the_persons_and_told() {
    let told = merged(
        &[
            ("c", "1"),
            ("link", "->a"),
            ("mode", "1"),
            ("removed", "1"),
            ("dropped", "1"),
            ("tree/x", "1"),
        ],
        &[
            ("added", "2"),
            ("c", "2"),
            ("dropped", "2"),
            ("link", "file"),
            ("mode", "1@600"),
        ],
        &[
            ("added", "3"),
            ("c", "3"),
            ("link", "->c"),
            ("mode", "3"),
            ("removed", "3"),
            ("tree/x", "1"),
            ("tree/y", "3"),
        ],
        &[
            ("added", "2"),
            ("c", "2"),
            ("dropped", "2"),
            ("link", "file"),
            ("mode", "1@600"),
        ],
    );
    assert_eq!(
        told,
        [
            "PersonRemoved removed",
            "PersonRemoved tree",
            "BothAdded added",
            "BothChanged c",
            "DefaultRemoved dropped",
            "BothChanged link",
            "BothChanged mode",
        ]
    );
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict() {
    let told = merged(
        &[("a", "1"), ("b", "1"), ("d", "/")],
        &[("a", "2"), ("d", "/@700"), ("n/x", "5")],
        &[("a", "2"), ("d", "/@700"), ("n/x", "5")],
        &[("a", "2"), ("d", "/@700"), ("n/x", "5")],
    );
    assert_eq!(told, NONE);
}

#[test]
fn a_file_against_a_directory_is_a_conflict_and_not_the_end() {
    let told = merged(
        &[
            ("a", "1"),
            ("was-dir/x", "1"),
            ("became-file/x", "1"),
            ("became-file/y", "1"),
            ("same/x", "1"),
        ],
        &[
            ("a", "2"),
            ("was-dir", "file"),
            ("became-file/x", "2"),
            ("became-file/y", "1"),
            ("new", "file"),
            ("same", "file"),
        ],
        &[
            ("a", "1"),
            ("was-dir/x", "9"),
            ("became-file", "9"),
            ("new/sub/z", "9"),
            ("same/x", "1"),
        ],
        &[
            ("a", "2"),
            ("was-dir", "file"),
            ("became-file/x", "2"),
            ("new", "file"),
            ("same", "file"),
        ],
    );
    assert_eq!(
        told,
        [
            "DirectoryAgainstFile became-file",
            "DefaultRemoved became-file/x",
            "FileAgainstDirectory new",
            "FileAgainstDirectory was-dir"
        ]
    );
}

#[test]
fn a_link_in_the_new_default_never_leads_a_change_out_of_the_tree() {
    let outside = tempfile::tempdir().unwrap();
    let link = format!("->{}", outside.path().display());
    let told = merged(
        &[("d/x", "1"), ("e/x", "1")],
        &[("d/x", "2"), ("e/x", "1"), ("e/y", "2"), ("n/x", "2")],
        &[("d", &link), ("e", &link), ("n", &link)],
        &[("d/x", "2"), ("e/y", "2"), ("n/x", "2")],
    );
    assert_eq!(
        told,
        [
            "DirectoryAgainstFile d",
            "DefaultRemoved d/x",
            "DirectoryAgainstFile e",
            "DirectoryAgainstFile n"
        ]
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_persons_directory_in_place_of_a_default_file_comes_with_all_in_it() {
    let told = merged(
        &[("f", "1")],
        &[("f/a/b", "2"), ("f/l", "->x"), ("f", "/@700")],
        &[("f", "1"), ("g", "9")],
        &[("f/a/b", "2"), ("f/l", "->x"), ("f", "/@700"), ("g", "9")],
    );
    assert_eq!(told, NONE);
}

#[test]
fn directories_are_merged_like_files() {
    let told = merged(
        &[
            ("mine", "/"),
            ("theirs/x", "1"),
            ("both", "/"),
            ("deep/er/x", "1"),
            ("gone/x", "1"),
        ],
        &[
            ("mine", "/@700"),
            ("theirs/x", "2"),
            ("both", "/@700"),
            ("deep/er/x", "1"),
            ("deep", "/@710"),
            ("gone/x", "1"),
            ("gone", "/@700"),
        ],
        &[
            ("mine", "/"),
            ("theirs/x", "1"),
            ("theirs", "/@711"),
            ("both", "/@711"),
            ("deep/er/x", "1"),
        ],
        &[
            ("mine", "/@700"),
            ("theirs/x", "2"),
            ("theirs", "/@711"),
            ("both", "/@700"),
            ("deep/er/x", "1"),
            ("deep", "/@710"),
            ("gone", "/@700"),
        ],
    );
    assert_eq!(told, ["BothChangedDirectory both", "DefaultRemoved gone"]);
}

#[test]
fn a_file_added_in_a_directory_that_the_default_dropped_brings_it_back() {
    let told = merged(
        &[("d/e/x", "1"), ("d", "/@750")],
        &[("d/e/x", "1"), ("d/e/mine", "2"), ("d", "/@750")],
        &[("other", "9")],
        &[("d/e/mine", "2"), ("d", "/@750"), ("other", "9")],
    );
    assert_eq!(told, NONE);
}

#[test]
fn odd_files_are_told_one_by_one_and_the_rest_is_merged() {
    let told = merged(
        &[("f", "1"), ("s", "1"), ("z", "1")],
        &[
            ("f", "|"),
            ("dir/fifo", "|"),
            ("dir/file", "2"),
            ("new", "|"),
            ("s", "="),
            ("theirs", "|"),
            ("z", "2"),
        ],
        &[("f", "1"), ("s", "9"), ("theirs", "9"), ("z", "1")],
        &[("dir/file", "2"), ("theirs", "9"), ("z", "2")],
    );
    assert_eq!(
        told,
        [
            "PersonRemoved s",
            "Fifo NotCarriedOver dir/fifo",
            "Fifo DefaultRemoved f",
            "Fifo NotCarriedOver new",
            "Socket DefaultRemoved s",
            "Fifo DefaultKept theirs",
        ]
    );
}

#[test]
fn files_that_vanish_after_the_plan_leave_the_default() {
    let three = Three::new(
        &[("a", "1"), ("b", "1")],
        &[
            ("a", "2"),
            ("b", "2"),
            ("c", "2"),
            ("d/e/f", "2"),
            ("g", "2"),
        ],
        &[("a", "1"), ("b", "1")],
    );
    let (old, person, new) = (three.dir("old"), three.dir("person"), three.dir("new"));
    let sides = Sides {
        old_default: &old,
        person: &person,
        new_default: &new,
    };
    let plan = plan(sides, FileAgainstDirectory::Keep).unwrap();
    let path = three.temp.path().join("person");
    fs::remove_file(path.join("a")).unwrap();
    fs::remove_file(path.join("c")).unwrap();
    symlink("/etc/passwd", path.join("c")).unwrap();
    fs::remove_dir_all(path.join("d")).unwrap();
    symlink("/etc", path.join("d")).unwrap();
    fs::remove_file(path.join("g")).unwrap();
    build(&path, &[("g", "|")]);
    let etc = three.dir("etc");
    copy_default(&new, &etc).unwrap();
    let report = apply(&plan, &person, &etc).unwrap();
    let found = listing(&three.temp.path().join("etc"));
    let expected = [("a", "1"), ("b", "2"), ("c", "->/etc/passwd")];
    assert_eq!(
        found,
        expected.map(|(path, what)| (path.to_owned(), what.to_owned()))
    );
    let odd: Vec<String> = report.odd.iter().map(ToString::to_string).collect();
    assert_eq!(
        odd,
        [
            "`/etc/a` was removed or replaced meanwhile; the new default is in its place",
            "`/etc/d` was removed or replaced meanwhile; it was not carried over",
            "`/etc/d/e` was removed or replaced meanwhile; it was not carried over",
            "`/etc/d/e/f` was removed or replaced meanwhile; it was not carried over",
            "`/etc/g` was removed or replaced meanwhile; it was not carried over",
        ]
    );
}

#[test]
fn config_diff_prints_what_ostree_prints() {
    let three = Three::new(
        &[
            ("f", "1"),
            ("g", "1"),
            ("zz/b", "1"),
            ("zz/a", "1"),
            ("aa", "/"),
            ("gone/x", "1"),
            ("kind/x", "1"),
        ],
        &[
            ("g", "1@600"),
            ("zz/b", "2"),
            ("aa/n", ""),
            ("aa", "/@700"),
            ("new/sub/y", ""),
            ("kind", "file"),
        ],
        &[],
    );
    let changes = config_diff(&three.dir("old"), &three.dir("person")).unwrap();
    assert_eq!(
        changes.to_string(),
        "M    aa\nM    g\nM    kind\nM    zz/b\nD    f\nD    gone\nD    zz/a\nA    aa/n\nA    new\nA    new/sub\nA    new/sub/y\n"
    );
}

#[test]
fn a_report_survives_being_written_and_says_where_the_default_is() {
    let (_, report) = Three::new(&[("c", "1")], &[("c", "2"), ("p", "|")], &[("c", "3")]).merge();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(
        text,
        r#"{"modified":1,"removed":0,"added":1,"conflicts":[{"path":"c","kind":"both-changed","decision":"person-kept","new-default":"usr/etc/c"}],"odd":[{"path":"p","kind":"fifo","outcome":"not-carried-over"}]}"#
    );
    assert_eq!(serde_json::from_str::<MergeReport>(&text).unwrap(), report);
    assert_eq!(
        report.conflicts[0].to_string(),
        "`/etc/c`: you and the new version changed it; yours was kept, the new default is `usr/etc/c`"
    );
}

#[test]
fn names_that_are_no_text_are_merged_and_shown_escaped() {
    use std::os::unix::ffi::OsStrExt;
    let three = Three::new(&[], &[], &[]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9\n");
    fs::write(three.temp.path().join("person").join(name), "2").unwrap();
    fs::write(three.temp.path().join("new").join(name), "3").unwrap();
    let (old, person, new) = (three.dir("old"), three.dir("person"), three.dir("new"));
    let sides = Sides {
        old_default: &old,
        person: &person,
        new_default: &new,
    };
    let report = merge(sides, &three.dir("etc"), FileAgainstDirectory::Keep).unwrap();
    assert_eq!(report.conflicts[0].path, "caf\\xe9\\n");
    assert_eq!(
        fs::read(three.temp.path().join("etc").join(name)).unwrap(),
        b"2"
    );
}

#[test]
fn a_file_against_a_directory_ends_the_merge_where_that_is_asked_for() {
    for (person, new, refused) in [
        (
            &[("a", "1"), ("new", "9")][..],
            &[("a", "1"), ("new/x", "1")][..],
            true,
        ),
        (&[("a/x", "9")], &[("a", "2")], false),
        (&[("a", "9")], &[("a", "2")], false),
    ] {
        let three = Three::new(&[("a", "1")], person, new);
        let (old, person, new) = (three.dir("old"), three.dir("person"), three.dir("new"));
        let sides = Sides {
            old_default: &old,
            person: &person,
            new_default: &new,
        };
        let found = merge(sides, &three.dir("etc"), FileAgainstDirectory::Refuse);
        match found {
            Err(EtcMergeError::FileAgainstDirectory { path }) => {
                assert!(refused);
                assert_eq!(path, "new");
                assert_eq!(
                    listing(&three.temp.path().join("etc")),
                    [],
                    "nothing was written"
                );
            }
            other => assert!(!refused, "{other:?}"),
        }
    }
}
