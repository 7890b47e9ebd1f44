//! Collections, finders and removable media: what one program publishes in a collection, the other finds.

use std::fs;
use std::path::Path;
use std::process::Command;

use ostler_tests::{Program, Repo, Scratch};

use crate::both_ways;

const COLLECTION: &str = "org.example.Os";

/// An archive repository of the collection, with one commit on `stable` and a summary.
fn published(program: &Program, scratch: &Scratch, name: &str, timestamp: u64) -> (Repo, String) {
    let path = scratch.join(name);
    let repo = program.init_quick(&path, "archive");
    set_core(&path, "collection-id", COLLECTION);
    let tree = scratch.join(format!("{name}-tree"));
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), format!("{name} {timestamp}")).unwrap();
    let time = format!("--timestamp=@{timestamp}");
    let id = repo.commit("stable", &tree, &[&time]);
    repo.run("summary", ["-u"]);
    (repo, id)
}

fn set_core(repo: &Path, key: &str, value: &str) {
    let file = repo.join("config");
    let config = fs::read_to_string(&file).unwrap();
    let line = format!("[core]\n{key}={value}\n");
    fs::write(&file, config.replacen("[core]\n", &line, 1)).unwrap();
}

fn add_remote(repo: &Repo, name: &str, source: &Path, options: &[&str]) {
    let url = format!("file://{}", source.display());
    let collection = format!("--collection-id={COLLECTION}");
    let mut arguments = vec![collection.as_str()];
    arguments.extend(options);
    arguments.extend([name, &url]);
    repo.run("remote add", arguments);
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn both_list_the_refs_of_collections_from_heads_mirrors_and_remotes() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (source, id) = published(&maker, &scratch, "source", 100);
        let repo = maker.init_quick(&scratch.join("repo"), "archive");
        add_remote(&repo, "origin", source.path(), &["--no-gpg-verify"]);
        repo.run("pull", ["origin", "stable"]);
        repo.run(
            "refs",
            ["--collections", "--create=org.example.Apps:app", &id],
        );
        let expected = ["(org.example.Apps, app)", "(org.example.Os, stable)"];
        for program in [&maker, &user] {
            let listed = repo.with(program).run("refs", ["--collections"]);
            assert_eq!(sorted(&listed), expected, "{}", program.name());
        }
        repo.run("summary", ["-u"]);
        let described = repo.with(&user).run("summary", ["--view"]);
        assert_eq!(
            described,
            repo.run("summary", ["--view"]),
            "{}",
            maker.name()
        );
        for line in expected {
            assert!(described.contains(&format!("* {line}")), "{described}");
        }
    }
}

#[test]
fn both_commit_the_same_metadata_of_a_collection() {
    let mut shown = Vec::new();
    for program in [Program::ostree(), Program::ostler()] {
        let scratch = Scratch::new();
        let (repo, _) = published(&program, &scratch, "repo", 100);
        repo.run(
            "summary",
            ["-u", "-m", "note=\"x\"", "-m", "zzz=1", "-m", "a=true"],
        );
        let raw = repo.run("show", ["--raw", "ostree-metadata"]);
        // Ids, times and parents differ.
        let metadata = raw.split("}, ").next().unwrap();
        let metadata = metadata.split_once('\n').unwrap().1.to_owned();
        let tree = raw.split_once("uint64 ").unwrap().1;
        shown.push((metadata, tree.split_once(',').unwrap().1.to_owned()));
        let commits = repo.run("log", ["ostree-metadata"]);
        assert_eq!(commits.matches("commit ").count(), 2, "{commits}");
    }
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn a_medium_of_either_is_read_by_both() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (source, id) = published(&maker, &scratch, "source", 100);
        let medium = scratch.join("medium");
        fs::create_dir(&medium).unwrap();
        let shown = medium.to_str().unwrap();
        source.run("create-usb", [shown, COLLECTION, "stable"]);
        source.run(
            "create-usb",
            ["--destination-repo=deep/down", shown, COLLECTION, "stable"],
        );
        assert_eq!(
            fs::read_link(medium.join(".ostree/repos.d/00-generated")).unwrap(),
            Path::new("../../deep/down")
        );
        for place in [".ostree/repo", ".ostree/repos.d/00-generated"] {
            let repo = user.repo(&medium.join(place));
            assert_eq!(repo.run("refs", ["-c"]), "(org.example.Os, stable)");
            assert!(repo.run("summary", ["-v"]).contains(&id));
            repo.fsck();
        }
    }
}

#[test]
fn a_medium_is_written_only_below_its_root_and_never_onto_the_source() {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let (source, _) = published(&ostler, &scratch, "medium/source", 100);
    let medium = scratch.join("medium");
    std::os::unix::fs::symlink(scratch.path(), medium.join("out")).unwrap();
    let shown = medium.to_str().unwrap();
    for bad in ["../x", "/tmp/x", "out/x", "source"] {
        let option = format!("--destination-repo={bad}");
        source.fail("create-usb", [&option, shown, COLLECTION, "stable"]);
    }
    assert!(!scratch.join("x").exists());
    let message = source.fail("create-usb", [shown, COLLECTION, "absent"]);
    assert!(
        message.contains("(org.example.Os, absent) not found"),
        "{message}"
    );
    assert!(
        !medium.join(".ostree").exists(),
        "nothing is made for a ref that is not there"
    );
    source.run("create-usb", [shown, COLLECTION, "stable"]);
    assert!(
        !medium.join(".ostree/repos.d").exists(),
        "the usual place needs no symlink"
    );
}

#[test]
fn the_newest_commit_is_found_among_remotes_and_a_bad_one_does_not_keep_it_away() {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let (old, old_id) = published(&ostler, &scratch, "old", 100);
    let (new, new_id) = published(&ostler, &scratch, "new", 200);
    let (liar, lie) = published(&ostler, &scratch, "liar", 300);
    let prefix = &lie[..2];
    fs::remove_file(
        liar.path()
            .join(format!("objects/{prefix}/{}.commit", &lie[2..])),
    )
    .unwrap();
    let repo = ostler.init_quick(&scratch.join("repo"), "archive");
    add_remote(&repo, "old", old.path(), &["--no-gpg-verify"]);
    add_remote(&repo, "new", new.path(), &["--no-gpg-verify"]);
    let finders = "--finders=config";
    let found = repo.run(
        "find-remotes",
        [finders, COLLECTION, "stable", COLLECTION, "absent"],
    );
    for line in [
        &format!("    - (org.example.Os, stable) = {new_id}"),
        "    - (org.example.Os, absent) = (not found)",
        "1/2 refs were found.",
        " - (org.example.Os, absent)",
    ] {
        assert!(
            found.lines().any(|found| found == line),
            "{line} in {found}"
        );
    }
    repo.run("find-remotes", [finders, "--pull", COLLECTION, "stable"]);
    assert_eq!(repo.run("refs", ["-r"]), format!("new:stable\t{new_id}"));
    add_remote(&repo, "liar", liar.path(), &["--no-gpg-verify"]);
    let pulled = repo.run(
        "find-remotes",
        [finders, "--pull", "--mirror", COLLECTION, "stable"],
    );
    assert!(
        pulled.ends_with("Pulled 1/1 refs successfully."),
        "{pulled}"
    );
    let mirrored = fs::read_to_string(repo.path().join("refs/mirrors/org.example.Os/stable"));
    assert_ne!(mirrored.unwrap().trim(), lie);
    assert_ne!(old_id, new_id);
}

#[test]
fn a_commit_that_is_not_bound_to_the_collection_is_refused() {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let (source, id) = published(&ostler, &scratch, "source", 100);
    source.run("refs", ["--create=other", &id]);
    source.run("summary", ["-u"]);
    let repo = ostler.init_quick(&scratch.join("repo"), "archive");
    add_remote(&repo, "origin", source.path(), &["--no-gpg-verify"]);
    let message = repo.fail(
        "find-remotes",
        ["--finders=config", "--pull", COLLECTION, "other"],
    );
    assert!(message.contains("no requested ref"), "{message}");
    assert!(message.contains("Failed to pull some refs"), "{message}");
    assert_eq!(repo.run("refs", ["-c"]), "");
}

#[test]
fn finders_that_are_not_there_are_refused() {
    let scratch = Scratch::new();
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let refused = |finders: &str| {
        let option = format!("--finders={finders}");
        repo.fail("find-remotes", [&option, COLLECTION, "stable"])
    };
    assert!(refused("config,lan").contains("Avahi"));
    assert!(refused("bogus").contains("‘bogus’"));
    assert!(refused("config,config").contains("‘config’"));
    repo.fail("find-remotes", [COLLECTION]);
    repo.fail("find-remotes", ["not-a-collection", "stable"]);
    assert_eq!(
        repo.run("find-remotes", [COLLECTION, "stable"]),
        "No results."
    );
}

/// Runs `find-remotes --finders=mount` where `medium` is mounted as desktops do, and returns what it printed.
fn find_on_medium(repo: &Repo, medium: &Path) -> String {
    let (succeeded, printed) = on_medium(repo, medium, "");
    assert!(succeeded, "{printed}");
    printed
}

/// As [`find_on_medium`] with one more option; tells whether it succeeded, too.
fn on_medium(repo: &Repo, medium: &Path, option: &str) -> (bool, String) {
    let script = "mount -t tmpfs none /run && mkdir -p /run/media/ann/stick && \
        mount --bind \"$2\" /run/media/ann/stick && \
        exec \"$0\" find-remotes --repo=\"$1\" --finders=mount $3 org.example.Os stable 2>&1";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .args([repo.program().path(), repo.path(), medium])
        .arg(option)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), printed)
}

/// Keys that libostree's tests sign with.
const KEYS: &str = "/usr/libexec/installed-tests/libostree/gpghome";
const KEY: &str = "7FCA23D8472CDAFA";

#[test]
fn what_is_on_a_medium_is_pulled_only_with_the_signature_that_the_remote_asks_for() {
    let scratch = Scratch::new();
    let ostree = Program::ostree();
    let (source, unsigned) = published(&ostree, &scratch, "source", 100);
    let medium = scratch.join("medium");
    fs::create_dir(&medium).unwrap();
    let write_medium = || {
        // The real one goes by the summary.
        source.run("summary", ["-u"]);
        source.run(
            "create-usb",
            [medium.to_str().unwrap(), COLLECTION, "stable"],
        );
    };
    write_medium();
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let import = format!("--gpg-import={KEYS}/key1.asc");
    add_remote(&repo, "origin", source.path(), &[&import]);
    let (pulled, printed) = on_medium(&repo, &medium, "--pull");
    assert!(
        !pulled && printed.contains("Failed to pull some refs"),
        "{printed}"
    );
    assert_eq!(repo.run("refs", [""; 0]), "");

    // A home of gpg is written to.
    let home = scratch.join("gpghome");
    let copied = Command::new("cp").arg("-a").arg(KEYS).arg(&home).status();
    assert!(copied.unwrap().success());
    let tree = scratch.join("source-tree");
    let home_option = format!("--gpg-homedir={}", home.display());
    let sign = format!("--gpg-sign={KEY}");
    let signed = source.commit("stable", &tree, &[&home_option, &sign]);
    assert_ne!(signed, unsigned);
    write_medium();
    let (pulled, printed) = on_medium(&repo, &medium, "--pull");
    assert!(
        pulled && printed.contains("Pulled 1/1 refs successfully."),
        "{printed}"
    );
    assert_eq!(repo.rev_parse("origin:stable"), signed);
    repo.with(&ostree).fsck();

    // A bit flips on the stick.
    let object = fs::read_dir(medium.join(".ostree/repo/objects")).unwrap();
    let mut files = object.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let file = files.find_map(|file| {
        let path = file.unwrap().path();
        path.extension()
            .is_some_and(|e| e == "filez")
            .then_some(path)
    });
    let file = file.unwrap();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    let other = Program::ostler().init_quick(&scratch.join("other"), "archive");
    add_remote(&other, "origin", source.path(), &[&import]);
    let (pulled, printed) = on_medium(&other, &medium, "--pull");
    assert!(!pulled, "{printed}");
    assert_eq!(other.run("refs", [""; 0]), "");
}

#[test]
fn a_mounted_medium_is_found_for_a_collection_whose_signatures_are_verified() {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let (source, id) = published(&ostler, &scratch, "source", 100);
    let medium = scratch.join("medium");
    fs::create_dir(&medium).unwrap();
    source.run(
        "create-usb",
        [medium.to_str().unwrap(), COLLECTION, "stable"],
    );
    let repo = ostler.init_quick(&scratch.join("repo"), "archive");
    assert!(find_on_medium(&repo, &medium).contains("No results."));
    add_remote(&repo, "unsigned", source.path(), &["--no-gpg-verify"]);
    let unsigned = find_on_medium(&repo, &medium);
    assert!(
        unsigned.contains("verifies signatures") && unsigned.contains("No results."),
        "{unsigned}"
    );
    add_remote(&repo, "signed", source.path(), &[]);
    let found = find_on_medium(&repo, &medium);
    for part in [
        "Result 0: file:///run/media/ann/stick/.ostree/repo\n",
        " - Finder: OstreeRepoFinderMount\n - Keyring: signed.trustedkeys.gpg\n - Priority: 50\n",
        &format!("(org.example.Os, stable) = {id}\n"),
    ] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

#[test]
fn a_medium_does_not_lead_out_of_itself() {
    let scratch = Scratch::new();
    let ostler = Program::ostler();
    let (source, _) = published(&ostler, &scratch, "source", 100);
    let repo = ostler.init_quick(&scratch.join("repo"), "archive");
    add_remote(&repo, "signed", source.path(), &[]);
    let repos = scratch.join("medium/.ostree/repos.d");
    fs::create_dir_all(&repos).unwrap();
    std::os::unix::fs::symlink(source.path(), repos.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../source", repos.join("climbing")).unwrap();
    std::os::unix::fs::symlink("loop", repos.join("loop")).unwrap();
    fs::write(repos.join("file"), "x").unwrap();
    let found = find_on_medium(&repo, &scratch.join("medium"));
    assert!(found.contains("No results."), "{found}");
}
