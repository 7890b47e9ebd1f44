//! The walk: complete, in order, and safe on hostile trees.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ostler_fs::{Dir, FsError, MAX_DEPTH, Next, Step, walk};

#[test]
fn the_walk_visits_in_byte_order_and_leaves_each_directory_after_its_content() {
    let temp = tempfile::tempdir().unwrap();
    for path in ["a/z", "a-b", "a.d/y", "b"] {
        fs::create_dir_all(temp.path().join(path)).unwrap();
    }
    fs::write(temp.path().join("a/file"), "12345").unwrap();
    symlink("/", temp.path().join("a/link")).unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let mut seen = Vec::new();
    walk(&dir, |step| {
        let (mark, entry) = match step {
            Step::Enter(entry) => ('+', entry),
            Step::Leave(entry) => ('-', entry),
            Step::Entry(entry) => (' ', entry),
        };
        assert_eq!(
            entry.path().file_name().unwrap().as_encoded_bytes(),
            entry.name()
        );
        assert_eq!(entry.depth, entry.path().components().count() - 1);
        assert_eq!(
            entry.parent().metadata(entry.c_name()).unwrap().ino,
            entry.metadata.ino
        );
        assert_eq!(entry.dir().is_some(), mark != ' ');
        seen.push(format!("{mark}{}", entry.path().display()));
        let skip = entry.name() == b"a.d";
        Ok::<_, FsError>(if skip { Next::Skip } else { Next::Continue })
    })
    .unwrap();
    assert_eq!(
        seen,
        [
            "+a", " a/file", " a/link", "+a/z", "-a/z", "-a", "+a-b", "-a-b", "+a.d", "+b", "-b"
        ]
    );
}

#[test]
fn the_walk_sees_what_another_walker_sees() {
    let mut theirs = BTreeSet::new();
    let mut stack = vec![PathBuf::from("/usr/share/doc")];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                stack.push(entry.path());
            }
            theirs.insert(entry.path());
        }
    }
    let mut ours = BTreeSet::new();
    walk(&Dir::open_ambient("/usr/share/doc").unwrap(), |step| {
        if let Step::Enter(entry) | Step::Entry(entry) = step {
            ours.insert(PathBuf::from("/usr/share/doc").join(entry.path()));
        }
        Ok::<_, FsError>(Next::Continue)
    })
    .unwrap();
    assert_eq!(ours, theirs);
}

#[test]
fn a_tree_without_end_is_refused_and_stop_stops() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let mut here = dir.try_clone().unwrap();
    for _ in 0..=MAX_DEPTH {
        here.create_dir("d", 0o755).unwrap();
        here = here.open_dir("d").unwrap();
    }
    let error = walk(&dir, |_| Ok::<_, FsError>(Next::Continue)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the tree is more than 256 levels deep"),
        "{error}"
    );
    let mut steps = 0;
    walk(&dir, |_| {
        steps += 1;
        Ok::<_, FsError>(if steps == 3 {
            Next::Stop
        } else {
            Next::Continue
        })
    })
    .unwrap();
    assert_eq!(steps, 3);
}

#[test]
fn entries_that_vanish_meanwhile_are_left_out() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(temp.path().join(name), "").unwrap();
    }
    fs::create_dir(temp.path().join("d")).unwrap();
    fs::create_dir(temp.path().join("e")).unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let mut seen = Vec::new();
    walk(&dir, |step| {
        if let Step::Entry(entry) | Step::Enter(entry) = step {
            seen.push(entry.name().to_vec());
        }
        if seen.len() == 1 {
            dir.unlink_optional("b")?;
            dir.remove_all("d")?;
            // A directory that became a symlink is an entry, not a way out.
            dir.remove_all("e")?;
            dir.symlink("/", "e")?;
        }
        Ok::<_, FsError>(Next::Continue)
    })
    .unwrap();
    assert_eq!(seen, [b"a".to_vec(), b"c".to_vec(), b"e".to_vec()]);
}
