//! Packages of deployments and commits: listed, compared, told before an upgrade.

use std::process::Command;

use ostler_tests::{Program, Scratch};
use serde_json::{Value, json};

use super::Host;

const STATUS: &str = "var/lib/dpkg/status";

fn status(packages: &[(&str, &str)]) -> String {
    let paragraph = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    packages.iter().map(paragraph).collect()
}

/// A host with a version of its packages deployed, and a newer one at its remote.
fn behind() -> Host {
    let host = Host::new();
    let old = status(&[("bash", "5.1-2"), ("gone", "1"), ("older", "2")]);
    host.publish("2", &[(STATUS, &old)]);
    host.host(&["upgrade"]);
    let new = status(&[("bash", "5.10-1"), ("new", "1:3"), ("older", "1")]);
    host.publish("3", &[(STATUS, &new)]);
    host
}

#[test]
fn a_preview_tells_what_changes_by_package_and_fetches_no_more_than_the_database() {
    let host = behind();
    let check = host.host(&["upgrade", "--check"]);
    assert!(!check.contains("Diff:"), "the commit lists none: {check}");
    let preview = host.host(&["upgrade", "--preview"]);
    for line in [
        "Diff: 1 upgraded, 1 downgraded, 1 removed, 1 added",
        "bash 5.1-2 -> 5.10-1",
        "older 2 -> 1",
        "gone_1_amd64",
        "new_1:3_amd64",
    ] {
        assert!(preview.contains(line), "{line}: {preview}");
    }
    let repo = Program::ostler().repo(&host.sysroot.join("ostree/repo"));
    let commit = host.remote.run("rev-parse", ["os/stable"]);
    let path = repo.path().display().to_string();
    let has = |file: &str| {
        let repo = format!("--repo={path}");
        let output = Program::ostler().output(["cat", &repo, commit.trim(), file]);
        output.status.success()
    };
    assert!(
        has("/var/lib/dpkg/status") && !has("/usr/bin/program"),
        "{preview}"
    );
    host.host(&["upgrade"]);
    assert!(has("/usr/bin/program"));
}

#[test]
fn what_a_commit_lists_is_told_before_anything_is_fetched() {
    let host = behind();
    let commit = |tree: &str, options: &[&str]| {
        let tree = host.scratch.join(tree);
        host.remote.commit(
            "os/stable",
            &tree,
            &[&["--list-packages"], options].concat(),
        )
    };
    let newest = commit("tree-3", &["--add-metadata-string=version=3"]);
    let check = host.host(&["upgrade", "--check"]);
    assert!(
        check.contains("Diff: 1 upgraded, 1 downgraded, 1 removed, 1 added"),
        "{check}"
    );
    let repo = Program::ostler().repo(&host.sysroot.join("ostree/repo"));
    let told = repo.run("diff", ["--summary", "--available", "o:os/stable"]);
    assert!(told.contains("  * bash 5.1-2 -> 5.10-1\n"), "{told}");
    // The real program prints it, so that it is well-formed.
    let real = host.remote.with(&Program::ostree());
    let list = real.run(
        "show",
        ["--print-metadata-key=ostler.dpkg.pkglist", &newest],
    );
    assert_eq!(
        list,
        "[('bash', '5.10-1', 'amd64'), ('new', '1:3', 'amd64'), ('older', '1', 'amd64')]"
    );
    // A commit that is laid over has its own list; a tree without packages has none to list.
    let over = host.remote.run(
        "commit",
        ["-b", "os/over", "--list-packages", "--tree=ref=os/stable"],
    );
    let again = real.run("show", ["--print-metadata-key=ostler.dpkg.pkglist", &over]);
    assert_eq!(again, list);
    let empty = host.scratch.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let tree = format!("--tree=dir={}", empty.display());
    let told = host
        .remote
        .fail("commit", ["-b", "os/empty", "--list-packages", &tree]);
    assert!(told.contains("no package database"), "{told}");
}

#[test]
fn deployments_are_named_by_their_numbers_and_differences_have_rpm_ostrees_forms() {
    let host = behind();
    host.host(&["upgrade"]);
    let list = host.run(&["db", "list", "1", "ba*"]);
    assert!(list.starts_with("ostree commit: deployment 1 ("), "{list}");
    assert!(list.ends_with("\n bash_5.1-2_amd64\n"), "{list}");
    let diff = |arguments: &[&str]| host.run(&[&["db", "diff"], arguments].concat());
    let lines = diff(&["--format=diff", "1", "0"]);
    let lines: Vec<&str> = lines.lines().skip(2).collect();
    let expected = [
        "!bash_5.1-2_amd64",
        "=bash_5.10-1_amd64",
        "-gone_1_amd64",
        "+new_1:3_amd64",
        "!older_2_amd64",
        "=older_1_amd64",
    ];
    assert_eq!(lines, expected);
    let json: Value = serde_json::from_str(&diff(&["--format=json", "1", "0"])).unwrap();
    assert_eq!(json["ostree-commit-to"], host.status()[0]["checksum"]);
    let package = |version: &str| json!(["bash", version, "amd64"]);
    let both = json!({ "PreviousPackage": package("5.1-2"), "NewPackage": package("5.10-1") });
    assert_eq!(json["pkgdiff"][0], json!(["bash", 2, both]));
    let kinds: Vec<&Value> = json["pkgdiff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry[1])
        .collect();
    assert_eq!(kinds, [2, 1, 0, 3]);
    let blocks = diff(&["1", "0"]);
    let expected = "Upgraded:\n  bash 5.1-2 -> 5.10-1\nDowngraded:\n  older 2 -> 1\nRemoved:\n  gone_1_amd64\nAdded:\n  new_1:3_amd64\n";
    assert!(blocks.ends_with(expected), "{blocks}");
    let versions = host.run(&["db", "version", "0", "1", "o:os/stable"]);
    let versions: Vec<&str> = versions
        .lines()
        .filter(|line| line.starts_with("  3:"))
        .collect();
    assert!(versions.len() == 3 && versions[0] == versions[2] && versions[0] != versions[1]);
    let refused = host.fail(&["db", "list", "7"]);
    assert!(refused.contains('7'), "{refused}");
}

#[test]
fn a_tree_without_a_database_and_what_names_no_tree_are_told() {
    let scratch = Scratch::new();
    let program = Program::ostler();
    let repo = program.init_quick(&scratch.join("repo"), "archive");
    std::fs::create_dir(scratch.join("tree")).unwrap();
    repo.commit("empty", &scratch.join("tree"), &[]);
    let told = repo.fail("db", ["list", "empty"]);
    assert!(
        told.contains("`empty` has no package database") && told.contains("hint: "),
        "{told}"
    );
    let told = repo.fail("db", ["list", "nosuch"]);
    assert!(told.contains("`nosuch` is no ref or commit"), "{told}");
    let told = repo.fail("db", ["diff"]);
    assert!(told.contains("no deployments"), "{told}");
    // A directory needs no repository.
    let tree = scratch.join("tree");
    std::fs::create_dir_all(tree.join("var/lib/dpkg")).unwrap();
    std::fs::write(tree.join(STATUS), status(&[("bash", "5")])).unwrap();
    let list = program.run(["db", "list", tree.to_str().unwrap()]);
    assert!(list.ends_with(" bash_5_amd64\n"), "{list}");
}

#[test]
fn advisories_that_are_new_are_told_with_what_they_mend() {
    let host = Host::new();
    let commit = |advisories: &str| {
        let tree = host.scratch.join("tree");
        std::fs::create_dir_all(tree.join("var/lib/dpkg")).unwrap();
        std::fs::write(tree.join(STATUS), status(&[("bash", "5")])).unwrap();
        let metadata = format!("--add-metadata=rpmostree.advisories={advisories}");
        host.remote.commit("os/advised", &tree, &[&metadata])
    };
    const OLD: &str = "('OLD-1', uint32 2, uint32 0, ['bash-5-1.x86_64'], @a{sv} {})";
    const NEW: &str = "('NEW-1', uint32 1, uint32 4, ['bash-6-1.x86_64'], {'cve_references': <[('CVE-2026-1', 'https://example.com/1')]>})";
    commit(&format!("[{OLD}]"));
    commit(&format!("[{OLD}, {NEW}]"));
    let told = host
        .remote
        .run("db", ["diff", "--advisories", "os/advised^", "os/advised"]);
    let expected = "Advisories:\n  NEW-1  security  critical  bash-6-1.x86_64\n    CVE-2026-1 https://example.com/1";
    assert!(told.ends_with(expected), "{told}");
    let listed = host
        .remote
        .run("db", ["list", "--advisories", "os/advised"]);
    assert!(
        listed.contains("  OLD-1  bugfix  none  bash-5-1.x86_64"),
        "{listed}"
    );
}

#[test]
fn called_rpm_ostree_the_same_verbs_are_there() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    std::fs::create_dir_all(tree.join("var/lib/dpkg")).unwrap();
    std::fs::write(tree.join(STATUS), status(&[("bash", "5")])).unwrap();
    let link = scratch.join("rpm-ostree");
    std::os::unix::fs::symlink(Program::ostler().path(), &link).unwrap();
    let output = Command::new(link)
        .args(["db", "list"])
        .arg(&tree)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().nth(1),
        Some(" bash_5_amd64")
    );
}
