//! `fsck --repair`: damage of every kind, and sources that lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::tree::os::{self, Os};
use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Server};

/// A repository in `mode` with one commit on `main`, and a whole copy of it in `copy_mode`.
struct Ground {
    scratch: Scratch,
    repo: Repo,
    copy: Repo,
    commit: String,
}

fn ground(mode: &str, copy_mode: &str) -> Ground {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let tree = scratch.join("tree");
    random::write(&tree, 7, 40, Kinds::ALL);
    let repo = ostler.init_quick(&scratch.join("repo"), mode);
    let commit = repo.commit("main", &tree, &[]);
    let copy = ostler.init_quick(&scratch.join("copy"), copy_mode);
    copy.run("pull-local", [repo.path().to_str().unwrap(), "main"]);
    Ground {
        scratch,
        repo,
        copy,
        commit,
    }
}

impl Ground {
    /// Paths of all objects of a kind, by suffix.
    fn objects(&self, suffix: &str) -> Vec<PathBuf> {
        let names = self.repo.objects();
        let of_kind = names.into_iter().filter(|name| name.ends_with(suffix));
        of_kind
            .map(|name| self.repo.path().join("objects").join(name))
            .collect()
    }

    /// A content object that is a regular file with content.
    fn file(&self) -> PathBuf {
        let of_kind = |path: &PathBuf| {
            let stat = fs::symlink_metadata(path).unwrap();
            stat.is_file() && stat.len() > 8
        };
        let mut files = self.objects(".file");
        files.extend(self.objects(".filez"));
        files.into_iter().find(of_kind).unwrap()
    }

    fn repair(&self, from: &str) -> String {
        self.repo.run("fsck", [&format!("--repair-from={from}")])
    }
}

fn copy_path(ground: &Ground) -> String {
    ground.copy.path().to_str().unwrap().to_owned()
}

/// Flips a bit of the file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let mode = fs::metadata(path).unwrap().permissions();
    // A file of its own: a flipped bit on a disk does not change other files.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

#[test]
fn every_kind_of_object_is_repaired_from_repositories_of_every_mode() {
    for (mode, copy_mode) in [
        ("archive", "archive"),
        ("archive", "bare"),
        ("bare", "archive"),
        ("bare", "bare"),
        ("bare-user", "archive"),
    ] {
        let ground = ground(mode, copy_mode);
        let damaged = [
            ground.file(),
            ground.objects(".dirtree").remove(0),
            ground.objects(".dirmeta").remove(0),
            ground.objects(".commit").remove(0),
        ];
        let before: Vec<_> = damaged.iter().map(|path| fs::read(path).unwrap()).collect();
        damaged.iter().for_each(|path| flip(path));
        ground.repo.fail("fsck", ["--all"]);
        let said = ground.repair(&copy_path(&ground));
        assert!(
            said.contains("4 objects repaired"),
            "{mode}, {copy_mode}: {said}"
        );
        for (path, bytes) in damaged.iter().zip(before) {
            let same_form = !path.ends_with(".filez") || mode == copy_mode;
            assert!(
                !same_form || fs::read(path).unwrap() == bytes,
                "{}",
                path.display()
            );
        }
        ground.repo.fsck();
        ground.repo.with(&Program::ostree()).fsck();
    }
}

#[test]
fn missing_objects_are_repaired_and_commits_marked_by_a_deletion_become_whole() {
    let ground = ground("archive", "archive");
    fs::remove_file(ground.file()).unwrap();
    for path in ground.objects(".dirtree") {
        fs::remove_file(path).unwrap();
    }
    flip(&ground.file());
    ground.repo.fail("fsck", ["--delete"]);
    let mark = ground
        .repo
        .path()
        .join(format!("state/{}.commitpartial", ground.commit));
    assert_eq!(fs::read(&mark).unwrap(), b"f");
    ground.repair(&copy_path(&ground));
    assert!(!mark.exists(), "the commit is whole again");
    ground.repo.with(&Program::ostree()).fsck();
    let out = ground.scratch.join("out");
    ground.repo.run("checkout", ["main", out.to_str().unwrap()]);
}

#[test]
fn objects_are_fetched_from_a_remote_whatever_signatures_it_asks_for() {
    let ground = ground("bare", "archive");
    flip(&ground.file());
    fs::remove_file(ground.objects(".dirtree").remove(0)).unwrap();
    let server = Server::start(&Program::ostler(), ground.copy.path());
    ground.repo.run("remote add", ["origin", &server.url()]);
    let json = ground.repo.run("fsck", ["--repair", "--json"]);
    for part in [
        "\"damaged\": false",
        "\"from\": \"remote origin\"",
        "\"outcome\": \"repaired\"",
        "\"refs\": [\n        \"main\"\n      ]",
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
    ground.repo.with(&Program::ostree()).fsck();
}

#[test]
fn a_source_that_lies_is_not_believed_and_the_next_one_is_asked() {
    let ground = ground("archive", "archive");
    let (file, tree) = (ground.file(), ground.objects(".dirtree").remove(0));
    let relative = |path: &Path| path.strip_prefix(ground.repo.path()).unwrap().to_owned();
    let liar = ground.scratch.join("liar");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(ground.copy.path())
        .arg(&liar)
        .status();
    assert!(copied.unwrap().success());
    for path in [&file, &tree] {
        flip(path);
        flip(&liar.join(relative(path)));
    }
    let from_liar = format!("--repair-from={}", liar.display());
    let message = ground.repo.fail("fsck", [&from_liar]);
    assert!(message.contains("was of no help"), "{message}");
    assert!(message.contains("Could not repair"), "{message}");
    let quarantine = ground.repo.path().join("extensions/ostler/quarantine");
    assert_eq!(fs::read_dir(&quarantine).unwrap().count(), 2);
    assert!(
        !file.exists() && !tree.exists(),
        "nobody takes them for objects"
    );
    let from_copy = format!("--repair-from={}", ground.copy.path().display());
    let served = Server::start(&Program::ostler(), &liar);
    ground.repo.run("remote add", ["liar", &served.url()]);
    ground.repo.run(
        "fsck",
        ["--repair-from=remote:liar", &from_liar, &from_copy],
    );
    ground.repo.with(&Program::ostree()).fsck();
}

#[test]
fn objects_that_are_no_files_are_damage_and_are_replaced() {
    for mode in ["archive", "bare-user", "bare"] {
        let ground = ground(mode, "archive");
        let secret = ground.scratch.join("secret");
        fs::write(&secret, "not yours").unwrap();
        let trees = ground.objects(".dirtree");
        let (first, second) = (ground.file(), trees[0].clone());
        fs::remove_file(&first).unwrap();
        symlink(&secret, &first).unwrap();
        fs::remove_file(&second).unwrap();
        symlink(&secret, &second).unwrap();
        let third = trees[1].clone();
        fs::remove_file(&third).unwrap();
        fs::create_dir(&third).unwrap();
        fs::write(third.join("x"), "x").unwrap();
        let message = ground.repo.fail("fsck", ["--all"]);
        assert!(message.contains("corruption"), "{mode}: {message}");
        ground.repair(&copy_path(&ground));
        assert!(fs::symlink_metadata(&first).unwrap().is_file(), "{mode}");
        ground.repo.with(&Program::ostree()).fsck();
        assert_eq!(fs::read(&secret).unwrap(), b"not yours");
    }
}

#[test]
fn a_commit_that_a_ref_points_to_is_fetched_with_all_that_it_needs() {
    let ground = ground("archive", "archive");
    for path in ground.repo.objects() {
        fs::remove_file(ground.repo.path().join("objects").join(path)).unwrap();
    }
    ground.repo.fail("fsck", [""; 0]);
    ground.repair(&copy_path(&ground));
    assert_eq!(ground.repo.objects(), ground.copy.objects());
    ground.repo.with(&Program::ostree()).fsck();
}

#[test]
fn a_flipped_name_in_a_directory_does_not_leave_damage_that_never_was() {
    let ground = ground("archive", "archive");
    // Every byte of the listing's checksums in turn would be too many; each fourth shows all of its parts.
    let tree = ground.objects(".dirtree").remove(0);
    let whole = fs::read(&tree).unwrap();
    for place in (0..whole.len()).step_by(4) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        // The copy has the same file.
        fs::remove_file(&tree).unwrap();
        fs::write(&tree, bytes).unwrap();
        ground.repair(&copy_path(&ground));
        assert_eq!(fs::read(&tree).unwrap(), whole, "byte {place}");
    }
    ground.repo.with(&Program::ostree()).fsck();
}

/// Runs `fsck` with `option`, in one thread, while reads of `object` fail with `EIO`: all of them, or only the first. Returns
/// whether it succeeded, and what it said.
fn fsck_with_failing_reads(
    ground: &Ground,
    object: &Path,
    option: &str,
    which: &str,
) -> (bool, String) {
    let repo = format!("--repo={}", ground.repo.path().display());
    run_with_failing_reads(&ground.scratch, &["fsck", option, &repo], object, which)
}

fn run_with_failing_reads(
    scratch: &Scratch,
    arguments: &[&str],
    object: &Path,
    which: &str,
) -> (bool, String) {
    let trace = scratch.join("trace");
    let command = Program::ostler().command(arguments);
    let output = Command::new("taskset")
        .args([
            "--cpu-list",
            "0",
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=read,pread64,readv,preadv",
        ])
        .arg("-e")
        .arg(format!(
            "inject=read,pread64,readv,preadv:error=EIO:when={which}"
        ))
        .arg(format!("--trace-path={}", object.display()))
        .arg(format!("--output={}", trace.display()))
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .unwrap();
    let trace = fs::read_to_string(trace).unwrap();
    assert!(
        trace.contains("EIO"),
        "{arguments:?}: no read failed: {trace}"
    );
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn a_local_cache_whose_disk_fails_is_passed_over() {
    for mode in ["archive", "bare"] {
        // The cache is the repository, and its copy is served.
        let ground = ground(mode, "archive");
        let server = Server::start(&Program::ostler(), ground.copy.path());
        let objects = [
            ground.file(),
            ground.objects(".commit").remove(0),
            ground.objects(".dirtree").remove(0),
            ground.objects(".dirmeta").remove(0),
        ];
        for (number, object) in objects.iter().enumerate() {
            let target = ground.scratch.join(format!("target-{number}"));
            let target = Program::ostler().init_quick(&target, "archive");
            target.run("remote", ["add", "--no-gpg-verify", "o", &server.url()]);
            let repo = format!("--repo={}", target.path().display());
            let cache = format!("--localcache-repo={}", ground.repo.path().display());
            let pull = ["pull", &repo, &cache, "o", "main"];
            let (succeeded, said) = run_with_failing_reads(&ground.scratch, &pull, object, "1+");
            assert!(succeeded, "{mode}, {}: {said}", object.display());
            target.fsck();
        }
    }
}

#[test]
fn an_object_whose_reads_fail_is_damage_and_is_never_deleted() {
    for mode in ["archive", "bare"] {
        let ground = ground(mode, "archive");
        let empty = Program::ostler().init_quick(&ground.scratch.join("empty"), "archive");
        let state = ground.repo.path().join("state");
        for object in [
            ground.file(),
            ground.objects(".dirtree").remove(0),
            ground.objects(".dirmeta").remove(0),
        ] {
            let bytes = fs::read(&object).unwrap();
            let useless = format!("--repair-from={}", empty.path().display());
            for option in ["--all", "--delete", &useless] {
                let (succeeded, said) = fsck_with_failing_reads(&ground, &object, option, "1+");
                assert!(!succeeded, "{mode}, {option}: {said}");
                assert!(said.contains("cannot be read"), "{mode}, {option}: {said}");
                assert_eq!(fs::read(&object).unwrap(), bytes, "{mode}, {option}");
                let marks = fs::read_dir(&state).into_iter().flatten().count();
                assert_eq!(marks, 0, "{mode}, {option}: the commit lacks nothing");
            }
            ground.repo.fsck();
        }
        // A directory is read to find what is below it before it is checked.
        let (succeeded, said) =
            fsck_with_failing_reads(&ground, &ground.objects(".dirtree").remove(0), "--all", "1");
        assert!(!succeeded, "{mode}: what is below was not checked: {said}");
        // What takes the place of a bad sector lies elsewhere on the disk, and can be read.
        let option = format!("--repair-from={}", copy_path(&ground));
        for object in [ground.file(), ground.objects(".dirmeta").remove(0)] {
            let (succeeded, said) = fsck_with_failing_reads(&ground, &object, &option, "1");
            assert!(succeeded, "{mode}: {said}");
            assert!(said.contains("Repaired "), "{mode}: {said}");
            ground.repo.fsck();
        }
    }
}

#[test]
fn without_a_source_what_is_whole_is_said_to_be_and_nothing_is_touched() {
    let ground = ground("archive", "archive");
    let message = ground.repo.run("fsck", ["--repair"]);
    assert!(message.contains("no errors found"), "{message}");
    flip(&ground.file());
    let before = ground.repo.objects();
    let message = ground.repo.fail("fsck", ["--repair"]);
    assert!(message.contains("nothing to repair from"), "{message}");
    ground.repo.fail("fsck", ["--repair", "--delete"]);
    ground.repo.fail("fsck", ["--repair-from=/nonexistent"]);
    assert_eq!(ground.repo.objects(), before);
}

#[test]
fn missing_files_come_back_from_the_deployment_that_has_them() {
    let scratch = Scratch::new();
    let ostree = Program::ostree();
    let sysroot = scratch.join("sysroot");
    let option = format!("--sysroot={}", sysroot.display());
    fs::create_dir_all(sysroot.join("boot/loader.0")).unwrap();
    symlink("loader.0", sysroot.join("boot/loader")).unwrap();
    ostree.run(["admin", "init-fs", sysroot.to_str().unwrap()]);
    ostree.run(["admin", "os-init", "testos", &option]);
    let tree = scratch.join("tree");
    let (version, kernel) = ("1", "1");
    os::write(&tree, Os { version, kernel });
    let repo = ostree.repo(&sysroot.join("ostree/repo"));
    let commit = repo.commit("main", &tree, &[]);
    ostree.run(["admin", "deploy", "--os=testos", "main", &option]);
    let files = repo.objects().into_iter();
    for name in files.filter(|name| name.ends_with(".file")) {
        fs::remove_file(repo.path().join("objects").join(name)).unwrap();
    }
    let changed = format!("ostree/deploy/testos/deploy/{commit}.0/usr/bin/program");
    let changed = sysroot.join(changed);
    let original = fs::read(&changed).unwrap();
    fs::remove_file(&changed).unwrap();
    fs::write(&changed, "changed").unwrap();
    let repo = repo.with(&Program::ostler());
    let message = repo.fail("fsck", ["--repair"]);
    assert!(message.contains("is not as it was committed"), "{message}");
    assert!(
        message.contains(&format!("in deployments testos/{commit}.0")),
        "{message}"
    );
    assert_eq!(message.matches("Could not repair").count(), 0, "{message}");
    fs::write(&changed, original).unwrap();
    let said = repo.run("fsck", ["--repair"]);
    assert!(said.contains("1 objects repaired"), "{said}");
    repo.with(&ostree).fsck();
}
