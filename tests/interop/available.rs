//! What a server has, told before it is downloaded.

use std::fs;
use std::path::Path;

use ostler_tests::{Program, Repo, Scratch, Server};

const PKGLIST: &str = "--add-metadata=rpmostree.rpmdb.pkglist=";

/// Two versions of a tree, as a build server publishes them; the second one's file `new` has a megabyte of nothing.
fn published(maker: &Program, scratch: &Scratch) -> (Repo, [String; 2]) {
    let repo = maker.init_quick(&scratch.join("published"), "archive");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("same"), "same content").unwrap();
    fs::write(tree.join("changes"), "one").unwrap();
    let commit = |version: &str, packages: &str| {
        repo.commit(
            "os/stable",
            &tree,
            &[
                "--generate-sizes",
                &format!("--add-metadata-string=version={version}"),
                &format!("{PKGLIST}{packages}"),
            ],
        )
    };
    let first = commit(
        "1",
        "[('bash', '0', '5.1', '1', 'x86_64'), ('gone', '0', '1', '1', 'noarch')]",
    );
    fs::write(tree.join("changes"), "three").unwrap();
    fs::write(tree.join("new"), vec![0; 1_000_000]).unwrap();
    let second = commit(
        "2",
        "[('bash', '0', '5.2', '1', 'x86_64'), ('new', '3', '1', '1', 'noarch')]",
    );
    repo.run("summary", ["-u"]);
    (repo, [first, second])
}

/// A repository in which the first version is what the remote's ref points to.
fn behind(scratch: &Scratch, url: &str, first: &str) -> Repo {
    let repo = Program::ostler().init_quick(&scratch.join("pulled"), "bare-user");
    repo.run("remote add", ["--no-gpg-verify", "origin", url]);
    repo.run("pull", ["origin", &format!("os/stable@{first}")]);
    repo
}

fn objects(path: &Path) -> usize {
    let files = walkdir::WalkDir::new(path.join("objects"))
        .into_iter()
        .map(Result::unwrap);
    files.filter(|entry| !entry.file_type().is_dir()).count()
}

fn available(repo: &Repo) -> serde_json::Value {
    let arguments = ["--summary", "--available", "--json", "origin:os/stable"];
    serde_json::from_str(&repo.run("diff", arguments)).unwrap()
}

#[test]
fn sizes_and_packages_are_told_by_the_commit_alone() {
    for maker in [Program::ostree(), Program::ostler()] {
        let scratch = Scratch::new();
        let (source, [first, second]) = published(&maker, &scratch);
        let server = Server::start(&maker, source.path());
        let repo = behind(&scratch, &server.url(), &first);
        let before = objects(repo.path());
        let told = available(&repo);
        assert_eq!(told["commit"], second.as_str(), "{}", maker.name());
        assert_eq!(told["version"], "2");
        assert_eq!(told["content"]["before"]["bytes"], 15);
        assert_eq!(told["content"]["after"]["files"], 3);
        assert_eq!(told["content"]["after"]["bytes"], 1_000_017);
        assert_eq!(told["fetch"]["objects"], 2);
        assert_eq!(told["fetch"]["bytes"], 1_000_005);
        let compressed = told["fetch"]["compressed_bytes"].as_u64().unwrap();
        assert!((1..100_000).contains(&compressed), "{told}");
        assert!(told["delta_bytes"].is_null(), "{told}");
        let packages = told["packages"]["changes"].as_array().unwrap();
        let shown: Vec<_> = packages
            .iter()
            .map(|p| (&p["name"], &p["before"][0], &p["after"][0]))
            .map(|(name, before, after)| format!("{name} {before} {after}"))
            .collect();
        assert_eq!(
            shown,
            [
                "\"bash\" \"5.1-1\" \"5.2-1\"",
                "\"gone\" \"1-1\" null",
                "\"new\" null \"3:1-1\""
            ]
        );
        assert_eq!(
            objects(repo.path()),
            before + 1,
            "nothing but the commit came"
        );
        assert_eq!(repo.rev_parse("origin:os/stable"), first);
        let text = repo.run("diff", ["--summary", "--available", "origin:os/stable"]);
        assert!(
            text.contains("Version: 2\nSize: 1.0\u{a0}MB in 3 different files (+1.0\u{a0}MB)\n"),
            "{text}"
        );
        assert!(text.contains("  * bash 5.1-1 -> 5.2-1\n"), "{text}");
        let refused = repo.fail("diff", ["--summary", &first, &second]);
        assert!(refused.contains("is partial"), "{refused}");
        // What was told is what then comes.
        repo.run("pull", ["origin", "os/stable"]);
        let arguments = ["--summary", "--json", &first, &second];
        let came: serde_json::Value = serde_json::from_str(&repo.run("diff", arguments)).unwrap();
        assert_eq!(came["fetch"]["objects"], told["fetch"]["objects"]);
        assert_eq!(came["fetch"]["bytes"], told["fetch"]["bytes"]);
        assert_eq!(available(&repo)["fetch"]["objects"], 0);
    }
}

#[test]
fn a_static_delta_from_what_is_here_is_told_with_its_size() {
    for maker in [Program::ostree(), Program::ostler()] {
        let scratch = Scratch::new();
        let (source, [first, _]) = published(&maker, &scratch);
        source.run("static-delta generate", ["os/stable"]);
        source.run("summary", ["-u"]);
        let server = Server::start(&maker, source.path());
        let repo = behind(&scratch, &server.url(), &first);
        let told = available(&repo);
        let bytes = told["delta_bytes"].as_u64();
        assert!(
            bytes.is_some_and(|bytes| (1..20_000).contains(&bytes)),
            "{told}"
        );
        assert_eq!(repo.rev_parse("origin:os/stable"), first);
    }
}

#[test]
fn what_a_commit_does_not_say_is_said_not_to_be_known() {
    let scratch = Scratch::new();
    let source = Program::ostree().init_quick(&scratch.join("source"), "archive");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    let first = source.commit("os/stable", &tree, &[]);
    fs::write(tree.join("file"), "x").unwrap();
    source.commit("os/stable", &tree, &[]);
    let url = format!("file://{}", source.path().display());
    let repo = behind(&scratch, &url, &first);
    let told = available(&repo);
    assert!(
        told["fetch"].is_null() && told["packages"].is_null(),
        "{told}"
    );
    let text = repo.run("diff", ["--summary", "--available", "origin:os/stable"]);
    assert!(
        text.contains("Size: not known") && text.contains("Packages: not known"),
        "{text}"
    );
    let refused = repo.fail("diff", ["--summary", "--available", &first]);
    assert!(refused.contains("no REMOTE:REF"), "{refused}");
}

#[test]
fn a_commit_without_the_signature_that_is_asked_for_tells_nothing() {
    let scratch = Scratch::new();
    let (source, [first, _]) = published(&Program::ostree(), &scratch);
    let server = Server::start(&Program::ostree(), source.path());
    let repo = behind(&scratch, &server.url(), &first);
    repo.run(
        "config",
        ["set", "--group=remote \"origin\"", "gpg-verify", "true"],
    );
    let before = objects(repo.path());
    let refused = repo.fail("diff", ["--summary", "--available", "origin:os/stable"]);
    assert!(refused.contains("GPG"), "{refused}");
    assert_eq!(objects(repo.path()), before);
}
