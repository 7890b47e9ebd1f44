//! Commits of directories: what the index of unchanged files recognises and what it must not, consumed sources, overlays.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ostler_format::CommitId;
use ostler_store::commit::{self, CommitError, CommitRequest, Committed, Source};
use ostler_store::progress::{Event, Silent, Sink};
use ostler_store::tree::{
    IndexUse, Modifier, SkipList, Sources, StatOverrides, TreeError, TreeOptions,
};
use ostler_store::{RefKey, Repo, RepoMode};

/// On the file system of the build, which is a real one: the index does not trust tmpfs.
fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ostler-commit-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

struct World {
    root: tempfile::TempDir,
    repo: Repo,
}

impl World {
    fn new(mode: RepoMode) -> Self {
        let root = scratch();
        let repo = Repo::create(root.path().join("repo"), mode, None).unwrap();
        fs::create_dir_all(root.path().join("tree/usr/bin")).unwrap();
        fs::create_dir_all(root.path().join("tree/usr/share/empty")).unwrap();
        let world = Self { root, repo };
        for (name, text) in [
            ("usr/bin/tool", "tool"),
            ("usr/bin/other", "other"),
            ("usr/share/text", "text"),
            ("large", &"large ".repeat(400_000)),
        ] {
            fs::write(world.path(name), text).unwrap();
        }
        symlink("usr/bin/tool", world.path("link")).unwrap();
        fs::hard_link(world.path("usr/bin/tool"), world.path("usr/bin/hard")).unwrap();
        world
    }

    fn tree(&self) -> PathBuf {
        self.root.path().join("tree")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree().join(name)
    }

    fn request(&self, tree: TreeOptions) -> CommitRequest {
        CommitRequest {
            branch: Some(RefKey::parse("os/test").unwrap()),
            sources: vec![Source::Dir(self.tree())],
            tree,
            ..CommitRequest::default()
        }
    }

    fn try_commit(&self, tree: TreeOptions) -> Result<Committed, CommitError> {
        commit::commit(&self.repo, self.request(tree), &Silent)
    }

    /// The root listing's id, which is the tree's, and how many files were recognised instead of read.
    fn commit(&self, index: IndexUse) -> (String, CommitId) {
        let committed = self
            .try_commit(TreeOptions {
                index,
                ..TreeOptions::default()
            })
            .unwrap();
        let commit = self.repo.read_commit(committed.id).unwrap();
        (format!("{} {}", commit.tree, commit.meta), committed.id)
    }

    /// Commits with the index and without it; both must see the same tree.
    fn commit_both(&self, after: &str) -> String {
        let (with, id) = self.commit(IndexUse::WhereSafe);
        let (without, _) = self.commit(IndexUse::Never);
        assert_eq!(with, without, "after {after}");
        self.fsck(id);
        with
    }

    fn fsck(&self, _: CommitId) {
        let output = Command::new("ostree")
            .arg(format!("--repo={}", self.repo.path().display()))
            .arg("fsck")
            .output()
            .expect("this test needs Debian's package `ostree`");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Makes every file old enough for the index.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(2100));
    }

    /// The files of all objects.
    fn object_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for prefix in fs::read_dir(self.root.path().join("repo/objects")).unwrap() {
            for object in fs::read_dir(prefix.unwrap().path()).unwrap() {
                found.push(object.unwrap().path());
            }
        }
        found
    }
}

fn set_times_of(path: &Path, like: &fs::Metadata) {
    let times = fs::FileTimes::new()
        .set_accessed(like.accessed().unwrap())
        .set_modified(like.modified().unwrap());
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

#[test]
fn every_change_that_a_person_can_make_is_seen_by_a_recommit() {
    let world = World::new(RepoMode::Archive);
    world.settle();
    let mut before = world.commit_both("nothing");
    assert_eq!(world.commit_both("still nothing"), before);

    let same_size_and_mtime = || {
        let stat = fs::metadata(world.path("usr/share/text")).unwrap();
        fs::write(world.path("usr/share/text"), "TEXT").unwrap();
        set_times_of(&world.path("usr/share/text"), &stat);
        let after = fs::metadata(world.path("usr/share/text")).unwrap();
        assert_eq!(
            (stat.mtime_nsec(), stat.len(), stat.ino()),
            (after.mtime_nsec(), after.len(), after.ino())
        );
    };
    let mode = || {
        fs::set_permissions(
            world.path("usr/bin/other"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
    };
    let xattr = || {
        let status = Command::new("setfattr")
            .args(["-n", "user.seen", "-v", "yes"])
            .arg(world.path("usr/bin/other"))
            .status();
        assert!(status.unwrap().success(), "this test needs `setfattr`");
    };
    let swapped_names = || {
        fs::rename(world.path("usr/bin/other"), world.path("aside")).unwrap();
        fs::rename(world.path("usr/share/text"), world.path("usr/bin/other")).unwrap();
        fs::rename(world.path("aside"), world.path("usr/share/text")).unwrap();
    };
    let another_link = || {
        fs::remove_file(world.path("link")).unwrap();
        symlink("usr/bin/hard", world.path("link")).unwrap();
    };
    let through_a_hardlink = || fs::write(world.path("usr/bin/hard"), "loot").unwrap();
    let gone = || fs::remove_file(world.path("usr/bin/other")).unwrap();
    let directory_mode = || {
        fs::set_permissions(
            world.path("usr/share/empty"),
            fs::Permissions::from_mode(0o700),
        )
        .unwrap();
    };
    let changes: [(&str, &dyn Fn()); 8] = [
        (
            "a change with size and mtime put back",
            &same_size_and_mtime,
        ),
        ("a change of mode", &mode),
        ("a new xattr", &xattr),
        ("two names swapped", &swapped_names),
        ("another symlink", &another_link),
        ("a change through a hardlink", &through_a_hardlink),
        ("a file removed", &gone),
        ("a directory's mode", &directory_mode),
    ];
    for (name, change) in changes {
        change();
        let after = world.commit_both(name);
        assert_ne!(after, before, "{name} changes the tree");
        before = after;
    }
    world.settle();
    assert_eq!(world.commit_both("a while"), before);
    assert_eq!(world.commit_both("a second look"), before);
}

#[test]
fn an_object_that_has_vanished_is_written_again() {
    let world = World::new(RepoMode::Archive);
    world.settle();
    let before = world.commit_both("nothing");
    for object in world.object_files() {
        if object.extension().is_some_and(|e| e == "filez") {
            fs::remove_file(object).unwrap();
        }
    }
    assert_eq!(world.commit_both("the loss of all content"), before);
}

#[test]
fn what_the_modifiers_make_of_a_file_is_part_of_its_state() {
    let world = World::new(RepoMode::Archive);
    world.settle();
    let options = |change: fn(&mut Modifier)| {
        let mut options = TreeOptions::default();
        change(&mut options.modifier);
        options
    };
    let kinds: [fn(&mut Modifier); 5] = [
        |_| {},
        |m| m.owner_uid = Some(7),
        |m| m.owner_gid = Some(7),
        |m| m.stat_overrides = StatOverrides::parse("+8 /usr/bin/tool\n").unwrap(),
        |m| m.skip_list = SkipList::parse("/usr/share\n/usr/bin/hard\n"),
    ];
    let mut seen = Vec::new();
    for round in 0..3 {
        for (number, kind) in kinds.iter().enumerate() {
            let id = world.try_commit(options(*kind)).unwrap().id;
            let tree = world.repo.read_commit(id).unwrap().tree;
            if round == 0 {
                assert!(!seen.contains(&tree), "kind {number}");
                seen.push(tree);
            }
            assert_eq!(seen[number], tree, "kind {number} in round {round}");
        }
    }
}

#[test]
fn a_consumed_source_stays_whole_if_the_commit_fails() {
    let world = World::new(RepoMode::Bare);
    let fifo = world.path("usr/zz-fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let inodes = || -> Vec<u64> {
        ["usr/bin/tool", "usr/bin/other", "large"]
            .map(|name| fs::metadata(world.path(name)).unwrap().ino())
            .to_vec()
    };
    let before = inodes();
    let consume = || TreeOptions {
        sources: Sources::Consume,
        ..TreeOptions::default()
    };
    let error = world.try_commit(consume()).unwrap_err();
    assert!(
        matches!(&error, CommitError::Tree(TreeError::NotAFile { path, .. }) if path == "usr/zz-fifo"),
        "{error}"
    );
    assert_eq!(inodes(), before);
    // What the failed commit staged must not be trusted: its other name is still there to be written through.
    fs::write(world.path("usr/bin/other"), "changed in place").unwrap();
    fs::remove_file(fifo).unwrap();
    let committed = world.try_commit(consume()).unwrap();
    assert!(!world.tree().exists());
    world.fsck(committed.id);
    let large = fs::metadata(
        world
            .object_files()
            .into_iter()
            .find(|path| fs::metadata(path).is_ok_and(|stat| stat.len() == 2_400_000))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(large.ino(), before[2], "the file itself became the object");
    assert_eq!(large.nlink(), 1);
}

#[test]
fn a_file_that_others_could_still_write_is_copied_when_it_is_consumed() {
    use std::io::Write;
    let world = World::new(RepoMode::Bare);
    let mut writer = fs::File::options()
        .append(true)
        .open(world.path("usr/bin/other"))
        .unwrap();
    let committed = world
        .try_commit(TreeOptions {
            sources: Sources::Consume,
            ..TreeOptions::default()
        })
        .unwrap();
    writer.write_all(b" and more").unwrap();
    world.fsck(committed.id);
    assert!(!world.tree().exists());
}

#[test]
fn a_consumed_file_with_another_name_becomes_the_object() {
    let world = World::new(RepoMode::Bare);
    let outside = world.root.path().join("outside");
    fs::hard_link(world.path("large"), &outside).unwrap();
    let committed = world
        .try_commit(TreeOptions {
            sources: Sources::Consume,
            ..TreeOptions::default()
        })
        .unwrap();
    world.fsck(committed.id);
    assert!(!world.tree().exists());
    let inode = fs::metadata(outside).unwrap().ino();
    let is_object = |path: &PathBuf| fs::symlink_metadata(path).unwrap().ino() == inode;
    assert!(world.object_files().iter().any(is_object));
}

#[test]
fn what_appears_in_a_consumed_source_meanwhile_is_not_removed() {
    struct Intruder(PathBuf);
    impl Sink for Intruder {
        fn event(&self, event: Event) {
            if let Event::Total { .. } = event {
                fs::write(self.0.join("usr/new"), "new").unwrap();
                fs::write(self.0.join("usr/share/text"), "changed after it was listed").unwrap();
            }
        }
    }
    let world = World::new(RepoMode::Archive);
    let request = world.request(TreeOptions {
        sources: Sources::Consume,
        ..TreeOptions::default()
    });
    let committed = commit::commit(&world.repo, request, &Intruder(world.tree())).unwrap();
    assert_eq!(committed.sources_kept, 1);
    assert_eq!(fs::read(world.path("usr/new")).unwrap(), b"new");
    assert!(world.path("usr/share/text").exists());
    assert!(!world.path("large").exists() && !world.path("usr/bin").exists());
}

#[test]
fn an_overlay_reads_only_the_directories_that_it_touches() {
    let world = World::new(RepoMode::Archive);
    let base = world.try_commit(TreeOptions::default()).unwrap().id;
    // Whoever reads the listing of usr/bin meets this.
    let root = world.repo.read_commit(base).unwrap().tree;
    let usr = world.repo.read_dirtree(root).unwrap().dirs[0].tree;
    let bin = world.repo.read_dirtree(usr).unwrap().dirs[0].tree;
    let path = world
        .object_files()
        .into_iter()
        .find(|path| {
            let hex = bin.to_string();
            path.to_string_lossy().contains(&hex[2..])
        })
        .unwrap();
    fs::remove_file(path).unwrap();
    let extra = world.root.path().join("extra/usr/share");
    fs::create_dir_all(&extra).unwrap();
    fs::write(extra.join("more"), "more").unwrap();
    let request = CommitRequest {
        base: Some(base),
        sources: vec![Source::Dir(world.root.path().join("extra"))],
        ..CommitRequest::default()
    };
    let id = commit::commit(&world.repo, request, &Silent).unwrap().id;
    let root = world.repo.read_commit(id).unwrap().tree;
    let usr = world.repo.read_dirtree(root).unwrap().dirs[0].tree;
    let dirs = world.repo.read_dirtree(usr).unwrap().dirs;
    assert_eq!(dirs[0].tree, bin, "usr/bin is taken over by its id");
    let share = world.repo.read_dirtree(dirs[1].tree).unwrap();
    let names: Vec<_> = share.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["more", "text"]);
}

#[test]
fn overlayfs_whiteouts_are_quoted() {
    let world = World::new(RepoMode::Archive);
    let status = Command::new("mknod")
        .arg(world.path("usr/share/gone"))
        .args(["c", "0", "0"])
        .status()
        .unwrap();
    if !status.success() {
        eprintln!("skipped: only root makes device nodes");
        return;
    }
    let id = world.try_commit(TreeOptions::default()).unwrap().id;
    let listing = Command::new("ostree")
        .arg(format!("--repo={}", world.repo.path().display()))
        .args(["ls", &id.to_string(), "/usr/share/.ostree-wh.gone"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(
        text.starts_with("-00644 0 0      0 /usr/share/.ostree-wh.gone"),
        "{text}"
    );
}

#[test]
fn kinds_that_have_no_object_are_named_with_their_path() {
    let world = World::new(RepoMode::Archive);
    let socket = world.path("usr/share/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = world.try_commit(TreeOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a regular file or symlink: `usr/share/socket` is a socket"
    );
    fs::remove_file(socket).unwrap();
    let mut bad = world
        .path("usr/share")
        .into_os_string()
        .into_encoded_bytes();
    bad.extend_from_slice(b"/bad\xff");
    use std::os::unix::ffi::OsStringExt;
    fs::write(std::ffi::OsString::from_vec(bad), "x").unwrap();
    let error = world.try_commit(TreeOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("`bad\u{fffd}`, in `/usr/share`"),
        "{error}"
    );
}
