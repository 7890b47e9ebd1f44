//! Static deltas, made by either program and applied by either.

use std::fs;
use std::path::{Path, PathBuf};

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Server};

/// A repository with two versions of a tree; returns their commits, too.
fn two_versions(scratch: &Scratch, program: &Program) -> (Repo, String, String) {
    let tree = scratch.join("tree");
    if !tree.exists() {
        random::write(&tree, 21, 120, Kinds::ALL);
        fs::create_dir(tree.join("bin")).unwrap();
        fs::copy("/usr/bin/ostree", tree.join("bin/changed")).unwrap();
        fs::copy("/bin/ls", tree.join("bin/grown")).unwrap();
        fs::copy("/bin/cat", tree.join("bin/lib-1.2.3")).unwrap();
    }
    let repo = program.init_quick(
        &scratch.join(format!("{}-source", program.name())),
        "archive",
    );
    let old = repo.commit("main", &tree, &[]);
    let changed = scratch.join("changed");
    if !changed.exists() {
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg(&tree)
            .arg(&changed)
            .status();
        assert!(status.unwrap().success());
        let bin = changed.join("bin");
        let mut bytes = fs::read(bin.join("changed")).unwrap();
        for at in (0..bytes.len()).step_by(5000) {
            bytes[at] ^= 0x55;
        }
        fs::write(bin.join("changed"), bytes).unwrap();
        let grown = fs::read(bin.join("grown")).unwrap();
        fs::write(
            bin.join("grown"),
            [b"a head ".as_slice(), &grown, b" and a tail"].concat(),
        )
        .unwrap();
        fs::rename(bin.join("lib-1.2.3"), bin.join("lib-1.2.4")).unwrap();
        fs::write(
            bin.join("lib-1.2.4"),
            [fs::read("/bin/cat").unwrap(), b"new".to_vec()].concat(),
        )
        .unwrap();
        fs::write(changed.join("new"), "something new\n".repeat(1000)).unwrap();
        std::os::unix::fs::symlink("new", changed.join("newer")).unwrap();
    }
    let new = repo.commit("main", &changed, &[]);
    (repo, old, new)
}

/// The folder of the only delta of a repository.
fn only_delta(repo: &Repo) -> PathBuf {
    let mut found = Vec::new();
    for prefix in fs::read_dir(repo.path().join("deltas")).unwrap() {
        for delta in fs::read_dir(prefix.unwrap().path()).unwrap() {
            found.push(delta.unwrap().path());
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn pull_local(to: &Repo, from: &Path, commit: &str) {
    to.run("pull-local", [from.to_str().unwrap(), commit]);
}

#[test]
fn each_program_applies_what_the_other_makes_in_every_mode_and_form() {
    let scratch = Scratch::new();
    for (maker, other) in [
        (Program::ostree(), Program::ostler()),
        (Program::ostler(), Program::ostree()),
    ] {
        let (source, old, new) = two_versions(&scratch, &maker);
        for form in [
            &[][..],
            &["--inline"],
            &["--disable-bsdiff"],
            &["--swap-endianness"],
            &["--max-chunk-size=1"],
            &["--empty"],
        ] {
            let mut options = form.to_vec();
            options.extend(["--min-fallback-size=0", "--to", new.as_str()]);
            let _ = fs::remove_dir_all(source.path().join("deltas"));
            source.run("static-delta generate", &options);
            let delta = only_delta(&source);
            for mode in ["bare", "bare-user", "archive"] {
                if mode == "archive" && other.name() == "ostree" {
                    // It aborts.
                    continue;
                }
                let what = format!("{} makes {form:?}, {mode}", maker.name());
                let path = scratch.join("to");
                let _ = fs::remove_dir_all(&path);
                let to = other.init_quick(&path, mode);
                if !form.contains(&"--empty") {
                    pull_local(&to, source.path(), &old);
                }
                to.run("static-delta apply-offline", [delta.to_str().unwrap()]);
                to.fsck();
                to.with(&maker).fsck();
                let listed = to.run("ls", ["-R", "-C", new.as_str()]);
                assert_eq!(
                    listed,
                    source.run("ls", ["-R", "-C", new.as_str()]),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn each_program_pulls_by_deltas_of_the_other_over_http() {
    let scratch = Scratch::new();
    for (maker, other) in [
        (Program::ostree(), Program::ostler()),
        (Program::ostler(), Program::ostree()),
    ] {
        let (source, old, new) = two_versions(&scratch, &maker);
        for indexed in [false, true] {
            source.run(
                "static-delta generate",
                ["--min-fallback-size=1", "--to", new.as_str()],
            );
            let in_summary = if indexed { "true" } else { "false" };
            source.run("config", ["set", "core.no-deltas-in-summary", in_summary]);
            source.run("static-delta reindex", [""; 0]);
            source.run("summary", ["-u"]);
            let server = Server::start(&Program::ostler(), source.path());
            let path = scratch.join("to");
            let _ = fs::remove_dir_all(&path);
            let to = other.init_quick(&path, "bare-user");
            to.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
            to.run("pull", ["origin", &format!("main@{old}")]);
            let would = to.run(
                "pull",
                ["--dry-run", "--require-static-deltas", "origin", "main"],
            );
            assert!(would.contains("Delta update: 0/"), "{would}");
            let said = to.run("pull", ["--require-static-deltas", "origin", "main"]);
            assert!(said.contains("delta parts"), "{said}");
            assert_eq!(to.rev_parse("origin:main"), new);
            to.fsck();
            // The same once more has nothing to do.
            to.run("pull", ["--require-static-deltas", "origin", "main"]);
        }
    }
}

#[test]
fn both_show_and_list_the_same() {
    let scratch = Scratch::new();
    let (source, old, new) = two_versions(&scratch, &Program::ostree());
    let ours = source.with(&Program::ostler());
    source.run("static-delta generate", ["--to", new.as_str()]);
    source.run(
        "static-delta generate",
        ["--empty", "--min-fallback-size=1", "--to", new.as_str()],
    );
    for verb in ["static-delta list", "static-delta indexes"] {
        let sorted = |repo: &Repo| {
            let text = repo.run(verb, [""; 0]);
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours), sorted(&source));
    }
    for delta in [format!("{old}-{new}"), new.clone()] {
        let shown = |repo: &Repo| {
            repo.run("static-delta show", [&delta])
                .replace('\u{a0}', " ")
        };
        assert_eq!(shown(&ours), shown(&source));
    }
    ours.run("static-delta delete", [&new]);
    assert_eq!(
        source.run("static-delta list", [""; 0]),
        format!("{old}-{new}")
    );
}

#[test]
fn a_damaged_delta_is_refused_and_nothing_of_it_stays() {
    let scratch = Scratch::new();
    let (source, old, new) = two_versions(&scratch, &Program::ostler());
    source.run(
        "static-delta generate",
        ["--min-fallback-size=0", "--to", new.as_str()],
    );
    let delta = only_delta(&source);
    let part = fs::read(delta.join("0")).unwrap();
    let superblock = fs::read(delta.join("superblock")).unwrap();
    let to = Program::ostler().init_quick(&scratch.join("to"), "bare");
    pull_local(&to, source.path(), &old);
    let before = to.objects();
    let apply = |text: &str| {
        let error = to.fail("static-delta apply-offline", [delta.to_str().unwrap()]);
        assert!(error.contains(text), "{error}");
        assert_eq!(to.objects(), before);
        to.fsck();
    };
    let mut flipped = part.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (bytes, text) in [
        (&flipped[..], "Corrupted delta part"),
        (&part[..part.len() - 1], "the superblock says"),
        (&[&part[..], b"x"].concat(), "the superblock says"),
        (b"", "the superblock says"),
    ] {
        fs::write(delta.join("0"), bytes).unwrap();
        apply(text);
    }
    fs::remove_file(delta.join("0")).unwrap();
    apply("No such file or directory");
    fs::write(delta.join("0"), &part).unwrap();
    for at in (0..superblock.len()).step_by(7) {
        let mut broken = superblock.clone();
        broken[at] ^= 0x40;
        fs::write(delta.join("superblock"), &broken).unwrap();
        // A changed time, or a byte between members, is no damage; whatever is accepted gives the commit whole.
        let output = to.program().output([
            "static-delta",
            "apply-offline",
            &format!("--repo={}", to.path().display()),
            delta.to_str().unwrap(),
        ]);
        if output.status.success() {
            to.run("refs", ["--create=applied", &new]);
            to.fsck();
            to.run("refs", ["--delete", "applied"]);
            to.run("prune", ["--refs-only"]);
            pull_local(&to, source.path(), &old);
        }
    }
    fs::write(delta.join("superblock"), &superblock).unwrap();
    to.run("static-delta apply-offline", [delta.to_str().unwrap()]);
    to.fsck();
}

#[test]
fn a_delta_is_the_same_whoever_looks_and_however_often() {
    let scratch = Scratch::new();
    let (source, _, new) = two_versions(&scratch, &Program::ostler());
    let make = |memory: &str| {
        source.run("static-delta generate", ["--to", new.as_str(), memory]);
        let delta = only_delta(&source);
        let mut parts: Vec<_> = fs::read_dir(&delta)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("superblock"))
            .collect();
        parts.sort();
        parts
            .into_iter()
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let first = make("--memory=900");
    assert_eq!(make("--memory=900"), first);
    assert_eq!(make("--memory=400"), first);
    let exists = source.run(
        "static-delta generate",
        ["--if-not-exists", "--to", new.as_str()],
    );
    assert!(exists.contains("already exists"), "{exists}");
}

#[test]
fn ostree_never_notices_native_deltas_and_ostler_pulls_by_them() {
    let scratch = Scratch::in_memory();
    let (source, old, new) = two_versions(&scratch, &Program::ostree());
    let ours = source.with(&Program::ostler());
    ours.run("static-delta generate", ["--native", "main"]);
    let name = ours.run("static-delta list", [""; 0]);
    assert_eq!(name, format!("{old}-{new}.native"));
    let shown = ours.run("static-delta show", [name.as_str()]);
    assert!(shown.contains("Number of groups:"), "{shown}");
    assert_eq!(
        source.run("static-delta list", [""; 0]),
        "(No static deltas)"
    );
    source.run("summary", ["-u"]);
    let summary = source.run("summary", ["-v"]);
    assert!(
        !summary.contains(&old),
        "nothing in it is of deltas: {summary}"
    );
    source.fsck();
    let server = Server::start(&Program::ostler(), source.path());
    for program in [Program::ostree(), Program::ostler()] {
        let client = program.init_quick(&scratch.join(program.name()), "bare-user");
        client.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
        client.run("pull", ["origin", &format!("main@{old}")]);
        let repo = format!("--repo={}", client.path().display());
        let mut arguments = vec!["pull", &repo, "origin", "main"];
        let is_ours = program.name() == "ostler";
        if is_ours {
            arguments.push("--progress=json");
        }
        let output = program.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let by_native = told.contains("a native delta leads to the commit");
        assert_eq!(by_native, is_ours, "{told}");
        assert_eq!(client.run("rev-parse", ["origin:main"]), new);
        client.fsck();
    }
    // Carried, into any mode.
    let carried = scratch.join("update.delta");
    let filename = format!("--filename={}", carried.display());
    ours.run("static-delta generate", ["--native", &filename, "main"]);
    for mode in ["bare", "bare-user", "archive"] {
        let to = Program::ostler().init_quick(&scratch.join(format!("to-{mode}")), mode);
        pull_local(&to, source.path(), &old);
        to.run("static-delta apply-offline", [carried.to_str().unwrap()]);
        to.with(&Program::ostree()).fsck();
        to.run("ls", ["-R", &new]);
    }
    // The real one leaves them where they are; ours lets them go with their commit.
    source.run("prune", ["--refs-only", "--depth=0"]);
    ours.run("static-delta delete", [name.as_str()]);
    assert_eq!(ours.run("static-delta list", [""; 0]), "(No static deltas)");
}
