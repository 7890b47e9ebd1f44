//! `/etc` of deployments that the real `ostree` made, seen and mended by `ostler etc`.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ostler_tests::tree::os::{self, Os};
use ostler_tests::{Program, Repo, Scratch};
use serde_json::Value;

/// A sysroot of the real `ostree` with one deployment of `testos`.
struct Host {
    scratch: Scratch,
    sysroot: PathBuf,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::in_memory();
        let sysroot = scratch.join("sysroot");
        let host = Self { scratch, sysroot };
        fs::create_dir(&host.sysroot).unwrap();
        Program::ostree().run(["admin", "init-fs", host.sysroot.to_str().unwrap()]);
        host.admin(&["os-init", "testos"]);
        host.deploy("1", &[]);
        host
    }

    fn repo(&self) -> Repo {
        Program::ostree().repo(&self.sysroot.join("ostree/repo"))
    }

    fn admin(&self, arguments: &[&str]) -> String {
        let sysroot = format!("--sysroot={}", self.sysroot.display());
        let all = ["admin"].into_iter().chain(arguments.iter().copied());
        Program::ostree().run(all.chain([sysroot.as_str()]))
    }

    /// Commits a version into the sysroot's own repository and deploys it.
    fn deploy(&self, version: &str, options: &[&str]) {
        let tree = self.scratch.join(format!("tree-{version}"));
        let kernel = "one for all";
        os::write(&tree, Os { version, kernel });
        self.repo().commit("os/stable", &tree, &[]);
        let deploy = ["deploy", "--os=testos"].into_iter();
        let all: Vec<&str> = deploy
            .chain(options.iter().copied())
            .chain(["os/stable"])
            .collect();
        self.admin(&all);
    }

    fn root(&self, index: usize) -> PathBuf {
        let status: Value = serde_json::from_str(&self.ostler(&["status", "--json"])).unwrap();
        let deployment = &status["deployments"][index];
        let name = format!(
            "{}.{}",
            deployment["checksum"].as_str().unwrap(),
            deployment["serial"]
        );
        self.sysroot.join("ostree/deploy/testos/deploy").join(name)
    }

    fn ostler(&self, arguments: &[&str]) -> String {
        let sysroot = format!("--sysroot={}", self.sysroot.display());
        let all = arguments.iter().copied().chain([sysroot.as_str()]);
        Program::ostler().run(all)
    }
}

#[test]
fn changes_are_listed_as_the_real_one_lists_them_and_conflicts_are_shown_from_three_sides() {
    let host = Host::new();
    let etc = host.root(0).join("etc");
    fs::write(etc.join("default"), "VERSION_ID=mine\n").unwrap();
    fs::write(etc.join("own"), "mine\n").unwrap();
    let real = host.admin(&["config-diff", "--os=testos"]);
    let ours = host.ostler(&["etc", "diff", "--os=testos"]);
    let paths = |text: &str| {
        let words = text.lines().map(|line| {
            let mut words = line.split_whitespace();
            [words.next().unwrap(), words.next().unwrap()].join(" ")
        });
        let mut words: Vec<String> = words.collect();
        words.sort();
        words
    };
    assert_eq!(paths(&ours), paths(&real));
    let text = host.ostler(&["etc", "diff", "--os=testos", "/etc/own"]);
    assert!(
        text.contains("+mine") && !text.contains("default"),
        "{text}"
    );

    host.deploy("2", &[]);
    let text = host.ostler(&["etc", "diff", "--deploy-index=1", "default"]);
    for part in [
        "In conflict with the pending",
        "C    `/etc/default`: you and the new version changed it",
        "+++ /usr/etc/default (new default)",
        "+default 2",
        "+++ /etc/default (yours)",
        "+VERSION_ID=mine",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let json = host.ostler(&["etc", "diff", "--deploy-index=1", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["conflicts"][0]["path"], "default");
    assert_eq!(json["changes"][0]["change"], "modified");
    assert_eq!(json["changes"][0]["yours"]["size"], 16);
}

#[test]
fn a_default_that_was_put_back_is_no_difference_to_the_real_one() {
    let host = Host::new();
    let etc = host.root(0).join("etc");
    fs::write(etc.join("default"), "mine").unwrap();
    let said = host.ostler(&["etc", "restore", "--os=testos", "--keep", "/etc/default"]);
    assert_eq!(said, "Restored /etc/default, yours is /etc/default.old\n");
    let real = host.admin(&["config-diff", "--os=testos"]);
    let words: Vec<&str> = real.split_whitespace().collect();
    assert_eq!(words, ["A", "default.old"]);
    let message = Program::ostler().fail([
        "etc",
        "restore",
        "--os=testos",
        "default.old",
        &format!("--sysroot={}", host.sysroot.display()),
    ]);
    assert!(
        message.contains("`/etc/default.old` has no default"),
        "{message}"
    );
    assert!(message.contains("hint: it is your own"), "{message}");
}

#[test]
fn a_host_file_is_applied_once_and_the_real_one_reads_what_it_made() {
    let host = Host::new();
    let file = host.scratch.join("host.toml");
    let text = "follow = 'o:os/next'
        kargs = ['quiet', 'mine=1']
        [remotes.o]
        url = 'http://localhost:1/repo'
        gpg-verify = false
        [retention]
        keep = 4";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let diff = host.ostler(&["apply", "--os=testos", "--diff", file]);
    let expected = "/etc/ostler/host.toml: this file
remote o: added, http://localhost:1/repo
follow: os/stable -> o:os/next
kargs: quiet mine=1 added
";
    assert_eq!(diff, expected);
    assert_eq!(
        host.admin(&["status"]).matches("testos").count(),
        1,
        "nothing was changed"
    );
    assert_eq!(host.ostler(&["apply", "--os=testos", file]), expected);
    let status = host.admin(&["status"]);
    assert_eq!(
        status.matches("origin refspec: o:os/next").count(),
        2,
        "{status}"
    );
    let url = host.repo().run("remote show-url", ["o"]);
    assert_eq!(url.trim(), "http://localhost:1/repo");
    let entry = host.ostler(&["kargs"]);
    assert!(entry.contains("quiet mine=1"), "{entry}");
    assert_eq!(host.ostler(&["apply", "--os=testos", "--diff", file]), "");
    assert_eq!(
        host.ostler(&["apply", "--os=testos"]),
        "",
        "the file is the host's own by now"
    );
    fs::write(file, text.replace("keep", "kep")).unwrap();
    let sysroot = format!("--sysroot={}", host.sysroot.display());
    let message = Program::ostler().fail(["apply", "--os=testos", file, &sysroot]);
    assert!(message.contains("unknown field `kep`"), "{message}");
    assert!(message.contains("hint: did you mean `keep`?"), "{message}");
}

#[test]
fn a_change_is_named_to_the_next_one_and_ended_by_cancel() {
    let host = Host::new();
    let sysroot = format!("--sysroot={}", host.sysroot.display());
    assert_eq!(host.ostler(&["cancel"]), "No active transaction.\n");
    let editor = host.scratch.join("editor");
    fs::write(&editor, "#!/bin/sh\nexec sleep 20\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    // It has the lock for as long as the person edits.
    let mut first = Program::ostler().command(["kargs", "--editor", &sysroot]);
    let mut first = first
        .env("EDITOR", &editor)
        .env("VISUAL", &editor)
        .env("TMPDIR", host.scratch.join("."))
        .spawn()
        .unwrap();
    let lock = host.sysroot.join("ostree/lock-owner");
    let start = Instant::now();
    while !fs::read_to_string(&lock).is_ok_and(|text| text.contains("--editor")) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the lock is not had"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut second = Program::ostler().command(["admin", "pin", "0", &sysroot]);
    let mut second = second.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        host.ostler(&["status"])
            .starts_with("State: busy\nTransaction: `")
    );
    let json: Value = serde_json::from_str(&host.ostler(&["status", "--json"])).unwrap();
    assert_eq!(json["transaction"][1], format!("pid {}", first.id()));
    let said = Program::ostler().run(["cancel", &sysroot]);
    let what = format!(
        "kargs --editor {sysroot}` (pid {}, user 0, since ",
        first.id()
    );
    assert!(
        said.starts_with("Cancelled `") && said.contains(&what),
        "{said}"
    );
    assert!(!first.wait().unwrap().success(), "it was ended");
    assert!(
        second.wait().unwrap().success(),
        "the next one has its turn"
    );
    let mut waited = String::new();
    second.stderr.unwrap().read_to_string(&mut waited).unwrap();
    assert!(
        waited.contains("waiting for `") && waited.contains(&what),
        "{waited}"
    );
    assert!(host.admin(&["status"]).contains("Pinned: yes"));
    assert!(!lock.exists());
    fs::write(&lock, r#"{"pid":1,"user":0,"what":"long gone","since":0}"#).unwrap();
    assert_eq!(
        host.ostler(&["cancel"]),
        "No active transaction.\n",
        "of a killed one"
    );
}
