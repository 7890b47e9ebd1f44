//! OpenPGP signatures: each program believes what the other signed, and refuses what the other refuses.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use ostler_tests::{Program, Repo, Scratch, Server};

use crate::both_ways;

/// A home of `gpg` with a key; its agent ends with it.
struct Keys {
    homedir: PathBuf,
    fingerprint: String,
    /// The public key, in armor.
    public: PathBuf,
}

impl Keys {
    /// Makes a key; `algorithm` is as `gpg --quick-generate-key` names it.
    fn new(scratch: &Scratch, name: &str, algorithm: &str) -> Self {
        // Not in the scratch folder: the path of a socket has at most 107 bytes.
        let homedir = std::env::temp_dir().join(format!("ostler-{}-{name}", std::process::id()));
        std::fs::create_dir(&homedir).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&homedir, mode).unwrap();
        let mut keys = Self {
            homedir,
            fingerprint: String::new(),
            public: scratch.join(format!("{name}.asc")),
        };
        let user = format!("{name} <{name}@example.org>");
        keys.gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            &user,
            algorithm,
            "sign",
            "never",
        ]);
        let listing = keys.gpg(&["--with-colons", "--list-keys"]);
        let fingerprint = listing
            .lines()
            .find(|line| line.starts_with("fpr"))
            .unwrap();
        keys.fingerprint = fingerprint.split(':').nth(9).unwrap().to_owned();
        std::fs::write(&keys.public, keys.gpg(&["--armor", "--export"])).unwrap();
        keys
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--homedir"])
            .arg(&self.homedir)
            .args(arguments)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn sign_options(&self) -> [String; 2] {
        [
            format!("--gpg-sign={}", self.fingerprint),
            format!("--gpg-homedir={}", self.homedir.display()),
        ]
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&self.homedir)
            .args(["--kill", "all"])
            .status();
        let _ = std::fs::remove_dir_all(&self.homedir);
    }
}

fn published(maker: &Program, scratch: &Scratch, keys: &Keys) -> (Repo, String) {
    let repo = maker.init_quick(&scratch.join("published"), "archive");
    let tree = scratch.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("file"), "content\n").unwrap();
    let [sign, homedir] = keys.sign_options();
    let id = repo.commit("main", &tree, &[&sign, &homedir]);
    repo.run("summary", ["-u", &sign, &homedir]);
    (repo, id)
}

fn asking(user: &Program, scratch: &Scratch, name: &str, url: &str, keys: &Keys) -> Repo {
    let repo = user.init_quick(&scratch.join(name), "archive");
    let import = format!("--gpg-import={}", keys.public.display());
    let said = repo.run(
        "remote add",
        ["--set=gpg-verify-summary=true", &import, "origin", url],
    );
    assert!(
        said.contains("Imported 1 GPG key to remote \"origin\""),
        "{said}"
    );
    repo
}

#[test]
fn each_believes_commits_and_summaries_that_the_other_signed() {
    for algorithm in ["rsa2048", "ed25519"] {
        for (maker, user) in both_ways() {
            let scratch = Scratch::new();
            let keys = Keys::new(
                &scratch,
                &format!("{}-{algorithm}", maker.name()),
                algorithm,
            );
            let (repo, id) = published(&maker, &scratch, &keys);
            let server = Server::start(&maker, repo.path());
            let pulled = asking(&user, &scratch, "pulled", &server.url(), &keys);
            pulled.run("pull", ["origin", "main"]);
            assert_eq!(pulled.rev_parse("origin:main"), id, "{algorithm}");
            let shown = [&maker, &user].map(|program| {
                let pulled = pulled.with(program);
                pulled.run("show", ["--gpg-verify-remote=origin", "origin:main"])
            });
            assert_eq!(
                shown[0], shown[1],
                "{algorithm}: both say the same of the signature"
            );
            assert!(shown[0].contains("Found 1 signature:"), "{}", shown[0]);
            assert!(shown[0].contains("Good signature from"), "{}", shown[0]);
            let listed = [&maker, &user]
                .map(|program| pulled.with(program).run("remote gpg-list-keys", ["origin"]));
            assert_eq!(listed[0], listed[1], "{algorithm}");
        }
    }
}

#[test]
fn each_refuses_what_a_stranger_signed_and_what_nobody_did() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let keys = Keys::new(&scratch, &format!("{}-own", user.name()), "ed25519");
        let stranger = Keys::new(&scratch, &format!("{}-stranger", user.name()), "ed25519");
        let (repo, id) = published(&maker, &scratch, &stranger);
        let server = Server::start(&maker, repo.path());
        let pulled = asking(&user, &scratch, "pulled", &server.url(), &keys);
        let error = pulled.fail("pull", ["origin", "main"]);
        assert!(
            error.contains("public key not found"),
            "{}: {error}",
            user.name()
        );
        let [sign, homedir] = keys.sign_options();
        repo.run("summary", ["-u", &sign, &homedir]);
        let error = pulled.fail("pull", ["origin", "main"]);
        assert!(
            error.contains(&id) && error.contains("public key not found"),
            "{error}"
        );
        // The real one finds signatures by keys in its global keyring alone.
        let ours = repo.with(&Program::ostler());
        ours.run("gpg-sign", ["--delete", &id, &stranger.fingerprint]);
        let error = pulled.fail("pull", ["origin", "main"]);
        assert!(
            error.contains("no signatures found"),
            "{}: {error}",
            user.name()
        );
        repo.run("gpg-sign", [&homedir, &id, &keys.fingerprint]);
        pulled.run("pull", ["origin", "main"]);
        assert_eq!(pulled.rev_parse("origin:main"), id);
    }
}

#[test]
fn a_signature_that_is_taken_away_is_gone_for_both() {
    for maker in [Program::ostree(), Program::ostler()] {
        let scratch = Scratch::new();
        let keys = Keys::new(&scratch, &format!("{}-gone", maker.name()), "ed25519");
        let (repo, id) = published(&maker, &scratch, &keys);
        let ours = repo.with(&Program::ostler());
        let id_end = &keys.fingerprint[keys.fingerprint.len() - 8..];
        let deleted = ours.run("gpg-sign", ["--delete", &id, id_end]);
        assert_eq!(deleted.trim(), "Signatures deleted: 1");
        for program in [Program::ostree(), Program::ostler()] {
            let shown = repo.with(&program).run("show", ["main"]);
            assert!(!shown.contains("Found"), "{shown}");
        }
    }
}

#[test]
fn the_keybox_in_which_gpg_keeps_public_keys_is_a_keyring() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let keys = Keys::new(&scratch, &format!("{}-box", user.name()), "rsa2048");
        let other = format!("{}-other <other@example.org>", user.name());
        keys.gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            &other,
            "ed25519",
            "sign",
        ]);
        let (repo, id) = published(&maker, &scratch, &keys);
        let server = Server::start(&maker, repo.path());
        let keybox = keys.homedir.join("pubring.kbx");
        let pulled = user.init_quick(&scratch.join("pulled"), "archive");
        pulled.run("remote add", ["origin", &server.url()]);
        // The real one takes a keybox for a remote's keyring, and no other way.
        let keyring = pulled.path().join("origin.trustedkeys.gpg");
        std::fs::copy(&keybox, &keyring).unwrap();
        pulled.run("pull", ["origin", "main"]);
        assert_eq!(pulled.rev_parse("origin:main"), id, "{}", user.name());
        let listed = [&maker, &user]
            .map(|program| pulled.with(program).run("remote gpg-list-keys", ["origin"]));
        assert_eq!(listed[0], listed[1]);
        assert!(listed[0].contains(&keys.fingerprint), "{}", listed[0]);
        let ours = pulled.with(&Program::ostler());
        let path = format!("--set=gpgkeypath={}", keybox.display());
        ours.run("remote add", [&path, "by-path", &server.url()]);
        ours.run("pull", ["by-path", "main"]);
        let import = format!("--gpg-import={}", keybox.display());
        let said = ours.run("remote add", [&import, "imported", &server.url()]);
        assert!(said.contains("Imported 2 GPG keys"), "{said}");
        pulled.run("pull", ["imported", "main"]);
    }
}

#[test]
fn a_view_of_the_summary_tells_which_signatures_by_bare_keys_are_of_somebody_trusted() {
    // A key of RFC 8032, section 7.1: the seed and the public key, and the public key.
    let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let secret =
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    std::fs::create_dir(&tree).unwrap();
    let repo = Program::ostler().init_quick(&scratch.join("repo"), "archive");
    repo.commit("main", &tree, &[]);
    repo.run(
        "summary",
        ["-u", "--sign-type=ed25519", &format!("--sign={secret}")],
    );
    let seen = repo.run("summary", ["-v"]);
    assert!(
        seen.ends_with("ed25519: Signature by no key that is trusted here"),
        "{seen}"
    );
    let verify = format!("--sign-verify=ed25519=inline:{public}");
    repo.run(
        "remote",
        ["add", "--no-gpg-verify", &verify, "o", "http://localhost"],
    );
    let seen = repo.run("summary", ["-v"]);
    let good = "ed25519: Signature verified successfully with key 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'";
    assert!(seen.ends_with(good), "{seen}");
    // Somebody changes the summary and leaves the signature.
    let summary = repo.path().join("summary");
    let mut bytes = std::fs::read(&summary).unwrap();
    let at = bytes
        .windows(4)
        .position(|window| window == b"main")
        .unwrap();
    bytes[at] = b'n';
    std::fs::write(&summary, bytes).unwrap();
    let seen = repo.run("summary", ["-v"]);
    assert!(
        seen.ends_with("ed25519: Signature by no key that is trusted here"),
        "{seen}"
    );
}
