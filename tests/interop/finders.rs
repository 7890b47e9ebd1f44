//! One contract for every finder: what is signed for the remote is pulled, whatever else is offered is refused and leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::{Program, Repo, Scratch, Server};

const COLLECTION: &str = "org.example.Os";
/// Keys that libostree's tests sign with; the first one is trusted here.
const KEYS: &str = "/usr/libexec/installed-tests/libostree/gpghome";
const TRUSTED: &str = "7FCA23D8472CDAFA";
const STRANGER: &str = "D8228CFECA950D41";

/// Where a finder looks.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At a configured remote, over HTTP.
    Http,
    /// At a configured remote on this machine.
    Path,
    /// On a medium that is mounted.
    Medium,
}

/// What is done to objects with this suffix where they are offered.
#[derive(Clone, Copy)]
enum Spoil {
    Nothing,
    FlipLastByte(&'static str),
    Remove(&'static str),
}

/// What is offered, and whether it may be pulled.
struct Case {
    name: &'static str,
    key: Option<&'static str>,
    collection: &'static str,
    spoil: Spoil,
    pulled: bool,
}

const fn case(name: &'static str) -> Case {
    Case {
        name,
        key: Some(TRUSTED),
        collection: COLLECTION,
        spoil: Spoil::Nothing,
        pulled: false,
    }
}

const CASES: &[Case] = &[
    Case {
        pulled: true,
        ..case("signed by the key that is trusted")
    },
    Case {
        key: None,
        ..case("not signed")
    },
    Case {
        key: Some(STRANGER),
        ..case("signed by a stranger")
    },
    Case {
        collection: "org.example.Other",
        ..case("of another collection")
    },
    Case {
        spoil: Spoil::FlipLastByte("filez"),
        ..case("with content that was changed")
    },
    Case {
        spoil: Spoil::FlipLastByte("dirtree"),
        ..case("with a directory that was changed")
    },
    Case {
        spoil: Spoil::FlipLastByte("commit"),
        ..case("with a commit that was changed")
    },
    Case {
        spoil: Spoil::FlipLastByte("commitmeta"),
        ..case("with a signature that was changed")
    },
    Case {
        spoil: Spoil::Remove("commitmeta"),
        ..case("with its signature taken away")
    },
    Case {
        spoil: Spoil::Remove("filez"),
        ..case("with content that is gone")
    },
];

/// Publishes the case's commit and returns its repository.
fn published(case: &Case, scratch: &Scratch, home: &Path) -> (Repo, String) {
    let ostree = Program::ostree();
    let path = scratch.join("source");
    let repo = ostree.init_quick(&path, "archive");
    repo.run("config", ["set", "core.collection-id", case.collection]);
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr")).unwrap();
    fs::write(tree.join("usr/file"), "content").unwrap();
    let mut options = vec![format!("--gpg-homedir={}", home.display())];
    options.extend(case.key.map(|key| format!("--gpg-sign={key}")));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let id = repo.commit("stable", &tree, &options);
    repo.run("summary", ["-u"]);
    (repo, id)
}

fn spoil(repo: &Path, how: Spoil) {
    let (Spoil::FlipLastByte(suffix) | Spoil::Remove(suffix)) = how else {
        return;
    };
    let entries = walkdir::WalkDir::new(repo.join("objects")).into_iter();
    let mut paths = entries.map(|entry| entry.unwrap().into_path());
    let path = paths
        .find(|path| path.extension().is_some_and(|it| it == suffix))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    if matches!(how, Spoil::FlipLastByte(_)) {
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    }
}

/// Finds and pulls; tells whether that succeeded, and what was printed.
fn pull(repo: &Repo, place: Place, medium: &Path) -> (bool, String) {
    let find =
        "exec \"$0\" find-remotes --repo=\"$1\" --pull --finders=$3 org.example.Os stable 2>&1";
    let mount = "mount -t tmpfs none /run && mkdir -p /run/media/ann/stick && \
        mount --bind \"$2\" /run/media/ann/stick && ";
    let (script, finder) = match place {
        Place::Medium => (format!("{mount}{find}"), "mount"),
        Place::Http | Place::Path => (find.to_owned(), "config"),
    };
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let program = repo.program().path();
    let output = command.args([program, repo.path(), medium]).arg(finder);
    let output = output.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), printed)
}

/// Whether an offer that nobody is to take was taken, of one case at one place.
fn check(case: &Case, place: Place, home: &Path) {
    let scratch = Scratch::new();
    let (source, id) = published(case, &scratch, home);
    let medium = scratch.join("medium");
    fs::create_dir(&medium).unwrap();
    let mut offered: PathBuf = source.path().to_owned();
    if matches!(place, Place::Medium) {
        let medium = medium.to_str().unwrap();
        let arguments = ["--disable-fsync", medium, case.collection, "stable"];
        source.run("create-usb", arguments);
        offered = Path::new(medium).join(".ostree/repo");
    }
    spoil(&offered, case.spoil);
    let server = Server::start(&Program::ostree(), source.path());
    let url = match place {
        Place::Http => server.url(),
        // The finder of media asks nobody else; the remote says whose signatures count.
        Place::Medium => "http://127.0.0.1:1".to_owned(),
        Place::Path => format!("file://{}", source.path().display()),
    };
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    let collection = format!("--collection-id={COLLECTION}");
    let import = format!("--gpg-import={KEYS}/key1.asc");
    repo.run("remote add", [&collection, &import, "origin", &url]);
    let (pulled, printed) = pull(&repo, place, &medium);
    let (name, refs) = (case.name, repo.run("refs", ["-r"]));
    if case.pulled {
        assert!(pulled, "{name}, {place:?}: {printed}");
        assert_eq!(refs, format!("origin:stable\t{id}"), "{name}, {place:?}");
        repo.with(&Program::ostree()).fsck();
    } else {
        assert!(
            printed.contains("No results.") || !pulled,
            "{name}, {place:?}: {printed}"
        );
        assert_eq!(refs, "", "{name}, {place:?}: {printed}");
        assert!(
            repo.run("fsck", [""; 0]).contains("of 0 commits"),
            "{name}, {place:?}"
        );
    }
}

#[test]
fn whatever_the_finder_what_is_signed_is_pulled_and_nothing_else() {
    // A home of gpg is written to.
    let scratch = Scratch::new();
    let home = scratch.join("gpghome");
    let copied = Command::new("cp").arg("-a").arg(KEYS).arg(&home).status();
    assert!(copied.unwrap().success());
    for case in CASES {
        for place in [Place::Http, Place::Path, Place::Medium] {
            check(case, place, &home);
        }
    }
}
