//! Trees from tar and cpio archives, and commits as tar archives.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch};
use walkdir::WalkDir;

use crate::{MODES, both_ways, canonical_if_needed};

const FIXED: [&str; 4] = ["--timestamp=@7", "--subject=x", "-b", "main"];

/// Runs a shell line in a folder.
#[track_caller]
fn shell(folder: &Path, line: &str) {
    let status = Command::new("bash")
        .args(["-ec", line])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{line}");
}

fn commit(repo: &Repo, options: &[&str]) -> String {
    repo.run("commit", FIXED.iter().chain(options).copied())
}

/// Both programs' repositories of one mode.
fn repositories(scratch: &Scratch, mode: &str) -> [Repo; 2] {
    [Program::ostree(), Program::ostler()].map(|program| {
        let path = scratch.join(format!("{}-{mode}", program.name()));
        let _ = fs::remove_dir_all(&path);
        program.init_quick(&path, mode)
    })
}

#[track_caller]
fn same_id(repos: &[Repo; 2], options: &[&str]) -> String {
    let [theirs, ours] = repos;
    let expected = commit(theirs, options);
    assert_eq!(commit(ours, options), expected, "{options:?}");
    expected
}

fn random_tree(scratch: &Scratch, seed: u64) -> PathBuf {
    let tree = scratch.join(format!("tree-{seed}"));
    random::write(&tree, seed, 120, Kinds::ALL);
    fs::write(tree.join("first name"), "shared").unwrap();
    fs::hard_link(tree.join("first name"), tree.join("another name")).unwrap();
    tree
}

/// Ways of packing the folder `.` into `../archive`.
const PACKERS: &[&str] = &[
    "tar --format=pax -cf ../archive .",
    "tar --format=gnu -cf ../archive .",
    "tar --format=gnu -S -czf ../archive .",
    "tar --format=pax -S --sparse-version=1.0 -cJf ../archive .",
    "tar --format=pax -S --sparse-version=0.1 -cjf ../archive .",
    "tar --format=pax -S --sparse-version=0.0 -c --zstd -f ../archive .",
    "find . -print0 | sort -z | cpio -0 -o -H newc > ../archive",
    "find . -print0 | sort -z | cpio -0 -o -H crc | gzip > ../archive",
];

#[test]
fn an_archive_of_a_random_tree_has_the_same_id_in_every_dialect_and_mode() {
    for (seed, packer) in (200..).zip(PACKERS) {
        let scratch = Scratch::new();
        let tree = random_tree(&scratch, seed);
        shell(
            &tree,
            "truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1500000 conv=notrunc",
        );
        shell(&tree, packer);
        let source = format!("--tree=tar={}", scratch.join("archive").display());
        for mode in MODES {
            let repos = repositories(&scratch, mode);
            let options = [&[source.as_str()], canonical_if_needed(mode)].concat();
            same_id(&repos, &options);
            repos[0].with(repos[1].program()).fsck();
            repos[1].with(repos[0].program()).fsck();
        }
    }
}

#[test]
fn an_archive_has_the_id_of_the_directory_that_was_packed() {
    let scratch = Scratch::new();
    let tree = random_tree(&scratch, 210);
    let ours = Program::ostler().init_quick(&scratch.join("ours"), "archive");
    let expected = commit(
        &ours,
        &["--no-xattrs", &format!("--tree=dir={}", tree.display())],
    );
    for packer in PACKERS {
        shell(&tree, packer);
        let source = format!("--tree=tar={}", scratch.join("archive").display());
        let found = commit(&ours, &["--no-xattrs", "--orphan", &source]);
        let trees = [found, expected.clone()].map(|id| ours.run("ls", ["-C", "-d", &id]));
        assert_eq!(trees[0], trees[1], "{packer}");
    }
}

#[test]
fn xattrs_of_an_archive_give_the_same_id() {
    // Of several, ostree loses some and does not sort those of a directory.
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("folder")).unwrap();
    fs::write(tree.join("folder/file"), "content").unwrap();
    shell(
        &tree,
        "setfattr -n user.one -v a=b folder; setfattr -n security.capability -v 0x0100000202000000000000000000000000000000 folder/file",
    );
    shell(
        &tree,
        "tar --format=pax --xattrs --xattrs-include='*' -cf ../archive .",
    );
    let archive = format!("--tree=tar={}", scratch.join("archive").display());
    let directory = format!("--tree=dir={}", tree.display());
    let repos = repositories(&scratch, "archive");
    let id = same_id(&repos, &["--parent=none", &archive]);
    assert_eq!(commit(&repos[1], &["--parent=none", &directory]), id);
    same_id(&repos, &["--no-xattrs", &archive]);
}

#[test]
fn modifiers_filters_and_made_parents_give_the_same_id() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::create_dir_all(tree.join("usr/share/deep")).unwrap();
    for (name, text) in [("bin/a", "a"), ("bin/b", "b"), ("share/deep/c", "c")] {
        fs::write(tree.join("usr").join(name), text).unwrap();
    }
    fs::hard_link(tree.join("usr/bin/a"), tree.join("usr/bin/other")).unwrap();
    shell(
        &tree,
        "chmod 4755 usr/bin/b; chown 12:34 usr/share usr/bin/b usr/share/deep/c",
    );
    shell(
        &tree,
        "tar -cf ../whole.tar .; tar -cf ../part.tar usr/share/deep/c usr/bin/b",
    );
    let path = |name: &str| scratch.join(name).display().to_string();
    fs::write(path("skip"), "/usr/share/deep/c\n").unwrap();
    fs::write(
        path("modes"),
        "=448 /usr/bin\n+1024 /usr/bin/a\n+16 /usr/share\n",
    )
    .unwrap();
    let [whole, part] = ["whole", "part"].map(|name| format!("--tree=tar={}.tar", path(name)));
    let repos = repositories(&scratch, "archive");
    for options in [
        &["--owner-uid=7", "--owner-gid=8", &whole][..],
        &["--canonical-permissions", &whole],
        &["--mode-ro-executables", &whole],
        &[&format!("--skip-list={}", path("skip")), &whole],
        &[&format!("--statoverride={}", path("modes")), &whole],
        &["--tar-pathname-filter=^usr/bin/,usr/sbin/", &whole],
        &["--tar-pathname-filter=(b)in,\\1an\\g<1>", &whole],
        &[
            "--tar-autocreate-parents",
            "--tar-pathname-filter=^,below/",
            &whole,
        ],
        &["--tar-autocreate-parents", &part],
        &["--tar-autocreate-parents", "--owner-uid=7", &part],
        &["--generate-sizes", &whole],
    ] {
        same_id(&repos, options);
    }
}

#[test]
fn archives_directories_and_commits_in_layers_give_the_same_id() {
    let scratch = Scratch::new();
    let lower = scratch.join("lower");
    let upper = scratch.join("upper");
    for (tree, name) in [(&lower, "lower"), (&upper, "upper")] {
        fs::create_dir_all(tree.join("shared/folder")).unwrap();
        fs::write(tree.join("shared/file"), name).unwrap();
        fs::write(tree.join("shared/folder").join(name), name).unwrap();
        shell(
            tree,
            &format!("chmod 750 shared; tar -czf ../{name}.tar.gz ."),
        );
        shell(
            tree,
            &format!("tar -cf ../{name}-part.tar shared/folder/{name}"),
        );
    }
    let dir = |tree: &Path| format!("--tree=dir={}", tree.display());
    let tar = |name: &str| format!("--tree=tar={}", scratch.join(name).display());
    let repos = repositories(&scratch, "bare-user");
    for repo in &repos {
        repo.commit("lower", &lower, &[]);
    }
    for options in [
        &[tar("lower.tar.gz").as_str(), &tar("upper.tar.gz")][..],
        &[&dir(&upper), &tar("lower.tar.gz")],
        &[&tar("upper.tar.gz"), &dir(&lower)],
        &["--tree=ref=lower", &tar("upper.tar.gz")],
        &["--base=lower", &tar("upper-part.tar"), "--owner-uid=5"],
        &[
            "--base=lower",
            &tar("upper.tar.gz"),
            "--tree=ref=lower",
            "--no-xattrs",
        ],
    ] {
        same_id(&repos, options);
    }
}

#[test]
fn an_archive_is_read_from_the_standard_input_to_its_end() {
    let scratch = Scratch::new();
    let tree = random_tree(&scratch, 220);
    shell(
        &tree,
        "tar -czf ../archive . && head -c 300000 /dev/zero >> ../archive",
    );
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let named = commit(
        &repo,
        &[&format!("--tree=tar={}", scratch.join("archive").display())],
    );
    // A writer that found the pipe closed would fail.
    let line = format!(
        "set -o pipefail; cat archive | '{}' --repo=repo commit {} --parent=none --tree=tar=- > id",
        Program::ostler().path().display(),
        FIXED.join(" "),
    );
    let line = line.replace("' --repo=repo commit", "' commit --repo=repo");
    shell(scratch.path(), &line);
    let piped = fs::read_to_string(scratch.join("id")).unwrap();
    assert_eq!(piped.trim(), named);
}

/// Leaves no file that is the same object as another: those are hard links in our exports, as in ostree's since 2024.
fn make_contents_unique(tree: &Path) {
    let files = WalkDir::new(tree).into_iter().map(Result::unwrap);
    for (number, file) in files.filter(|it| it.file_type().is_file()).enumerate() {
        if file.metadata().unwrap().nlink() > 1 {
            fs::remove_file(file.path()).unwrap();
            continue;
        }
        let mut to = fs::OpenOptions::new()
            .append(true)
            .open(file.path())
            .unwrap();
        write!(to, "{number}").unwrap();
    }
}

#[test]
fn a_file_that_came_before_is_exported_as_a_hard_link_and_comes_back_as_the_same_commit() {
    let scratch = Scratch::new();
    let tree = random_tree(&scratch, 231);
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let id = commit(&repo, &[&format!("--tree=dir={}", tree.display())]);
    let line = format!(
        "'{}' export --repo=repo --prefix=p/ main -o out.tar; tar tf out.tar >/dev/null; tar tvf out.tar | grep -q '^h.* p/first name link to p/another name$'",
        Program::ostler().path().display(),
    );
    shell(scratch.path(), &line);
    repo.run(
        "export",
        ["main", "-o", scratch.join("back.tar").to_str().unwrap()],
    );
    for program in [Program::ostler(), Program::ostree()] {
        let source = format!("--tree=tar={}", scratch.join("back.tar").display());
        let back = commit(&repo.with(&program), &["--parent=none", &source]);
        // The real ostree cannot read the xattrs of the tar's extended headers, so only ours has all of it.
        if program.name() == "ostler" {
            assert_eq!(back, id);
        }
        repo.with(&program).fsck();
    }
}

#[test]
fn an_export_has_the_bytes_of_ostrees_and_comes_back_as_the_commit_that_it_was() {
    let scratch = Scratch::new();
    let tree = random_tree(&scratch, 230);
    make_contents_unique(&tree);
    let deep = tree.join("d".repeat(90)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    std::os::unix::fs::symlink("t/".repeat(70), deep.join("link")).unwrap();
    for (maker, user) in both_ways() {
        let repo = maker.init_quick(&scratch.join(maker.name()), "archive");
        let id = commit(&repo, &[&format!("--tree=dir={}", tree.display())]);
        let export = |program: &Program, name: &str, options: &[&str]| {
            let path = scratch.join(name);
            let output = format!("--output={}", path.display());
            repo.with(program)
                .run("export", [&["main", output.as_str()], options].concat());
            path
        };
        for options in [
            &["--no-xattrs"][..],
            &["--no-xattrs", "--prefix=a/b/"],
            &["--no-xattrs", "--prefix=ab"],
            &["--no-xattrs", &format!("--subpath={}", "d".repeat(90))],
        ] {
            let [a, b] = [&maker, &user]
                .map(|p| fs::read(export(p, &format!("{}.tar", p.name()), options)).unwrap());
            assert!(a == b, "{options:?}: the archives differ");
        }
        let whole = export(&Program::ostler(), "whole.tar", &[]);
        let source = format!("--tree=tar={}", whole.display());
        let back = commit(&repo.with(&Program::ostler()), &["--parent=none", &source]);
        assert_eq!(back, id, "with all xattrs");
        let theirs = export(&Program::ostree(), "theirs.tar", &[]);
        let source = format!("--tree=tar={}", theirs.display());
        let from_theirs =
            [&maker, &user].map(|program| commit(&repo.with(program), &["--parent=none", &source]));
        assert_eq!(from_theirs[0], from_theirs[1]);
    }
}
