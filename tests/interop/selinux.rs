//! SELinux labels, by the policy that Debian's `selinux-policy-default` installs on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::{Program, Repo, Scratch};

/// Rules and aliases that refer to each other in every way that libselinux knows.
const LOCAL: &str = "/usr/bin/passwd system_u:object_r:local_t:s0
/usr/bin/.* system_u:object_r:dot_t:s0
/q/a|/q/b\tsystem_u:object_r:alt_t:s0
/q/ab* -- system_u:object_r:star_t:s0
/q/\\.dot system_u:object_r:esc_t:s0
/q/(x|y)+z   -d  system_u:object_r:plus_t:s0
  /q/indent   system_u:object_r:indent_t:s0
/q/one\t-l\t<<none>>
/w/real(/.*)? system_u:object_r:real_t:s0
";

/// The installed policy as that of `tree`, with local rules.
fn copy_policy(tree: &Path) {
    let etc = tree.join("usr/etc");
    fs::create_dir_all(&etc).unwrap();
    run(Command::new("cp").args(["-a", "/etc/selinux"]).arg(&etc));
    let files = etc.join("selinux/default/contexts/files");
    let write = |name: &str, text: &str| fs::write(files.join(name), text).unwrap();
    write("file_contexts.local", LOCAL);
    write("file_contexts.subs", "/s1 /w/real\n/s2 /s1\n/s1/in /w\n");
    write(
        "file_contexts.subs_dist",
        "/s1 /usr/bin\n/d1 /w/real\n/d2  /\n",
    );
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a verb with its arguments and returns what it says.
fn said(repo: &Repo, arguments: &[&str]) -> String {
    repo.run(arguments[0], &arguments[1..])
}

/// Commits with both programs and compares the ids; returns ostree's repository.
#[track_caller]
fn commit_with_both(scratch: &Scratch, mode: &str, options: &[&str]) -> Repo {
    let [theirs, ours] = [Program::ostree(), Program::ostler()].map(|program| {
        let path = scratch.join(format!("{}-{mode}", program.name()));
        let _ = fs::remove_dir_all(&path);
        program.init_quick(&path, mode)
    });
    let commit = |repo: &Repo| {
        let mut arguments = vec!["commit", "-b", "main", "--timestamp=@1700000000"];
        arguments.extend_from_slice(options);
        said(repo, &arguments);
        said(repo, &["ls", "-R", "-X", "main"])
    };
    let (theirs_text, ours_text) = (commit(&theirs), commit(&ours));
    for (their, our) in theirs_text.lines().zip(ours_text.lines()) {
        assert_eq!(our, their, "with {options:?}");
    }
    assert_eq!(
        said(&ours, &["rev-parse", "main"]),
        said(&theirs, &["rev-parse", "main"]),
        "with {options:?}"
    );
    ours.fsck();
    theirs
}

/// A tree of empty files at every path that this machine's packages have.
fn tree_of_all_packages(tree: &Path) {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir("/var/lib/dpkg/info").unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "list")
        {
            paths.extend(fs::read_to_string(path).unwrap().lines().map(PathBuf::from));
        }
    }
    for place in [
        "/home/u/.ssh/id",
        "/home/u/public_html/x",
        "/boot/vmlinuz-6",
        "/proc/x",
        "/sys/x",
        "/dev/null",
        "/run/lock/x",
        "/var/run/x.pid",
        "/var/log/journal/x",
        "/var/lib/private/x",
        "/lost+found/x",
        "/mnt/x/y",
        "/media/u/stick",
        "/srv/www/x",
        "/usr/local/lib/x",
        "/opt/x/bin/y",
        "/usr/etc/shadow",
        "/etc/shadow",
    ] {
        paths.insert(PathBuf::from(place));
    }
    fs::create_dir_all(tree).unwrap();
    for path in &paths {
        let to = tree.join(path.strip_prefix("/").unwrap());
        // A path of a package may lead through a symlink to a directory: then it is a directory here.
        if to.exists() || fs::create_dir_all(to.parent().unwrap()).is_err() {
            continue;
        }
        match path.symlink_metadata() {
            Ok(stat) if stat.is_dir() => fs::create_dir(&to).unwrap(),
            Ok(stat) if stat.is_symlink() && !path.is_dir() => symlink("x", &to).unwrap(),
            _ => drop(fs::write(&to, "")),
        }
    }
    assert!(paths.len() > 5000, "only {} paths of packages", paths.len());
}

#[test]
fn every_path_of_this_machine_gets_the_same_label() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tree_of_all_packages(&tree);
    let tree = format!("--tree=dir={}", tree.display());
    let theirs = commit_with_both(&scratch, "archive", &["--selinux-policy=/", &tree]);
    let labels = said(&theirs, &["ls", "-R", "-X", "main"]);
    let kinds: BTreeSet<&str> = labels
        .split("object_r:")
        .skip(1)
        .map(|rest| &rest[..rest.find(':').unwrap()])
        .collect();
    assert!(kinds.len() > 50, "only {} kinds of labels", kinds.len());
}

fn tricky_tree(tree: &Path) {
    let dirs = "q/ab q/a q/b/q q/c q/.dot q/xz q/xyz q/indent q/z/q/b s1/in s2/foo d1/u d2/w/real/x s1x usr/bin proc";
    for dir in dirs.split(' ') {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    for file in ["q/abb", "q/abbb", "q/1a", "usr/bin/passwd"] {
        fs::write(tree.join(file), file).unwrap();
    }
    for link in ["q/one", "q/yz", "usr/bin/mount"] {
        symlink("o", tree.join(link)).unwrap();
    }
    copy_policy(tree);
}

#[test]
fn rules_aliases_and_types_count_as_in_libselinux() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    let own = format!("--selinux-policy={}", tree.display());
    let dir = format!("--tree=dir={}", tree.display());
    let archive = scratch.join("tree.tar");
    run(Command::new("tar")
        .arg("-C")
        .arg(&tree)
        .arg("-cf")
        .arg(&archive)
        .arg("."));
    let tar = format!("--tree=tar={}", archive.display());
    for mode in ["archive", "bare", "bare-user"] {
        commit_with_both(&scratch, mode, &["-P", &dir]);
        commit_with_both(&scratch, mode, &[&own, &dir]);
        commit_with_both(&scratch, mode, &[&own, &tar]);
    }
    commit_with_both(&scratch, "archive", &[&own, "--no-xattrs", &dir]);
    commit_with_both(
        &scratch,
        "archive",
        &[&own, "--canonical-permissions", &dir],
    );
    // A commit's own policy labels another one's tree.
    let theirs = commit_with_both(&scratch, "archive", &["--no-xattrs", &dir]);
    let ours = theirs.with(&Program::ostler());
    for options in [["-P", "--tree=ref=main"], [&own, "--tree=ref=main"]] {
        let [theirs, ours] = [&theirs, &ours].map(|repo| {
            said(
                repo,
                &[
                    "commit",
                    "-b",
                    "next",
                    "--timestamp=@1700000000",
                    "--parent=none",
                    options[0],
                    options[1],
                ],
            )
        });
        assert_eq!(ours, theirs, "with {options:?}");
    }
    let bound = said(&ours, &["ls", "-X", "next", "/usr/bin/passwd"]);
    assert!(bound.contains("local_t"), "{bound}");
}

#[test]
fn a_second_commit_under_another_policy_is_labelled_anew() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    // The index believes no file that has just been written.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let dir = format!("--tree=dir={}", tree.display());
    let local = tree.join("usr/etc/selinux/default/contexts/files/file_contexts.local");
    for label in ["first_t", "second_t"] {
        fs::write(&local, format!("/usr/bin/passwd u:r:{label}:s0\n")).unwrap();
        for _ in 0..2 {
            said(&repo, &["commit", "-b", "main", "-P", &dir]);
            let shown = said(&repo, &["ls", "-X", "main", "/usr/bin/passwd"]);
            assert!(shown.contains(label), "{label}: {shown}");
        }
    }
    said(&repo, &["commit", "-b", "main", &dir]);
    let shown = said(&repo, &["ls", "-X", "main", "/usr/bin/passwd"]);
    assert!(!shown.contains("security.selinux"), "{shown}");
}

#[test]
fn what_ostree_labelled_is_read_whatever_the_order_of_its_xattrs() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    let file = tree.join("usr/bin/passwd");
    run(Command::new("setfattr")
        .args(["-n", "user.z", "-v", "1"])
        .arg(&file));
    run(Command::new("setfacl").args(["-m", "u:5:r"]).arg(&file));
    let theirs = Program::ostree().init_quick(&scratch.join("theirs"), "archive");
    let dir = format!("--tree=dir={}", tree.display());
    said(&theirs, &["commit", "-b", "main", "-P", &dir]);
    theirs.with(&Program::ostler()).fsck();
    let listed = said(&theirs, &["ls", "-R", "-X", "main"]);
    for mode in ["archive", "bare-user", "bare"] {
        let ours = Program::ostler().init_quick(&scratch.join(mode), mode);
        said(
            &ours,
            &["pull-local", &theirs.path().display().to_string(), "main"],
        );
        ours.fsck();
        if mode != "bare" {
            // Files on disk keep their xattrs in no order.
            assert_eq!(said(&ours, &["ls", "-R", "-X", "main"]), listed, "{mode}");
        }
    }
    // What we label ourselves verifies in a bare repository of ostree's, too.
    let ours = Program::ostler().init_quick(&scratch.join("ours"), "bare");
    said(&ours, &["commit", "-b", "main", "-P", &dir]);
    ours.fsck();
    ours.with(&Program::ostree()).fsck();
}

#[test]
fn what_ostree_labelled_in_a_bare_repository_leaves_it_as_the_objects_that_are_named() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    let bare = Program::ostree().init_quick(&scratch.join("bare"), "bare");
    let dir = format!("--tree=dir={}", tree.display());
    said(&bare, &["commit", "-b", "main", "-P", &dir]);
    let empty = said(&bare, &["rev-parse", "main"]);
    let file = tree.join("usr/bin/passwd");
    run(Command::new("setfattr")
        .args(["-n", "user.z", "-v", "1"])
        .arg(&file));
    said(&bare, &["commit", "-b", "main", "-P", &dir]);
    let path = bare.path().display().to_string();
    for mode in ["archive", "bare-user"] {
        for trust in [&[][..], &["--untrusted"]] {
            let ours = Program::ostler()
                .init_quick(&scratch.join(format!("{mode}-{}", trust.len())), mode);
            said(&ours, &[&["pull-local"], trust, &[&path, "main"]].concat());
            ours.with(&Program::ostree()).fsck();
        }
    }
    // A delta that is made of it.
    let delta = scratch.join("delta").display().to_string();
    let from = format!("--from={}", empty.trim());
    let filename = format!("--filename={delta}");
    let ours = bare.with(&Program::ostler());
    said(
        &ours,
        &[
            "static-delta",
            "generate",
            "--inline",
            &from,
            "--to=main",
            &filename,
        ],
    );
    let user = Program::ostree().init_quick(&scratch.join("user"), "bare-user");
    said(&user, &["pull-local", &path, empty.trim()]);
    said(&user, &["static-delta", "apply-offline", &delta]);
    user.fsck();
}

#[test]
fn a_checkout_is_labelled_for_where_it_will_lie() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "bare");
    let dir = format!("--tree=dir={}", tree.display());
    said(&repo, &["commit", "-b", "main", "-P", &dir]);
    let label = |path: &Path| {
        let mut getfattr = Command::new("getfattr");
        run(getfattr
            .args(["-h", "--only-values", "-n", "security.selinux"])
            .arg(path))
    };
    let to = scratch.join("labelled");
    let policy = format!("--selinux-policy={}", tree.display());
    let place = to.display().to_string();
    said(
        &repo,
        &[
            "checkout",
            &policy,
            "--selinux-prefix=/w/real",
            "--subpath=/q",
            "main",
            &place,
        ],
    );
    for path in ["", "abb", "one", "b/q"] {
        assert_eq!(
            label(&to.join(path)).trim_end_matches('\0'),
            "system_u:object_r:real_t:s0",
            "{path}"
        );
    }
    let to = scratch.join("user");
    said(
        &repo,
        &["checkout", "-U", &policy, "main", &to.display().to_string()],
    );
    let found = label(&to.join("usr/bin/passwd"));
    assert_eq!(found.trim_end_matches('\0'), "system_u:object_r:local_t:s0");
    // The object is as it was.
    repo.fsck();
}

#[test]
fn what_cannot_be_labelled_is_refused() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    tricky_tree(&tree);
    let dir = format!("--tree=dir={}", tree.display());
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let refused = |repo: &Repo, options: &[&str], text: &str| {
        let mut arguments = vec!["commit", "-b", "main"];
        arguments.extend_from_slice(options);
        let error = repo.fail(arguments[0], &arguments[1..]);
        assert!(error.contains(text), "{options:?}: {error}");
    };
    refused(
        &repo,
        &["-P", "--selinux-policy=/", &dir],
        "Cannot specify both",
    );
    refused(&repo, &["--selinux-policy=/nowhere", &dir], "/nowhere");
    let local = tree.join("usr/etc/selinux/default/contexts/files/file_contexts.local");
    fs::write(&local, "/q/a[ u:r:t:s0\n").unwrap();
    refused(&repo, &["-P", &dir], "line 1");
    fs::write(&local, "/q/a\n").unwrap();
    refused(&repo, &["-P", &dir], "file_contexts.local: line 1");
    let user_only = Program::ostler().init_quick(&scratch.join("user-only"), "bare-user-only");
    refused(
        &user_only,
        &["--selinux-policy=/", &dir],
        "keeps no SELinux labels",
    );
    assert_eq!(repo.run("refs", [""; 0]), "");
}
