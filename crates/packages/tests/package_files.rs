//! Packages that `dpkg-deb` and `rpmbuild` make, read and told as these tools tell them; and damaged ones.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ostler_packages::file::{Description, Files, PackageFileError, check, describe};
use ostler_packages::rpm::file::RpmError;
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier, Validity};

use support::{build_deb, build_rpm, output, scratch};

fn trusting(keys: &[u8]) -> OpenPgpVerifier {
    OpenPgpVerifier::new(Keyring::parse(keys).unwrap_or_default())
}

fn described(path: &Path) -> Description {
    describe(fs::File::open(path).unwrap(), Files::List).unwrap()
}

#[test]
fn debian_packages_are_read_in_each_compression() {
    let dir = scratch();
    for (compression, uniform) in [
        ("none", true),
        ("gzip", true),
        ("xz", true),
        ("zstd", true),
        ("zstd", false),
        ("xz", false),
    ] {
        let found = described(&build_deb(dir.path(), compression, uniform));
        assert_eq!(
            found.database.full_name(&found.package),
            "tool_1:2.0~rc1-3_all"
        );
        assert_eq!(
            (found.summary.as_str(), found.description.as_str()),
            ("does a thing", "In words.\n\nAnd more.")
        );
        assert_eq!(found.installed_bytes, 7 * 1024);
        let relations: Vec<_> = found
            .relations
            .iter()
            .map(|relations| format!("{}: {}", relations.kind, relations.list.join(", ")))
            .collect();
        assert_eq!(
            relations,
            [
                "Depends: libc6 (>= 2.3), a | b:any (<< 2), c",
                "Breaks: old (<= 1)"
            ]
        );
        assert_eq!(found.triggers.len(), 2);
        assert_eq!(
            (found.scripts.len(), found.scripts[0].when.as_str()),
            (1, "postinst")
        );
        let files = found.files.unwrap();
        let file = |path: &str| files.iter().find(|file| file.path == path).unwrap();
        assert_eq!(
            (file("/usr/bin/large").size, file("/usr/bin/large").kind),
            (1_600_000, "file")
        );
        assert_eq!(file("/etc/tool.conf").flags, ["config"]);
        assert_eq!(
            (
                file("/usr/bin/alias").kind,
                file("/usr/bin/alias").target.as_str()
            ),
            ("symlink", "tool")
        );
        let names = [file("/usr/bin/tool"), file("/usr/bin/tool-again")];
        assert!(
            names.iter().any(|file| file.kind == "hardlink")
                && names.iter().any(|file| file.kind == "file")
        );
        assert_eq!(names[0].mode, 0o4755);
        assert_eq!(
            (file("/").kind, file("/usr/bin").kind),
            ("directory", "directory")
        );
    }
}

#[test]
fn a_debian_package_that_is_cut_or_broken_is_refused() {
    let dir = scratch();
    let whole = fs::read(build_deb(dir.path(), "xz", true)).unwrap();
    let verifier = trusting(b"");
    assert!(check(&whole[..], &verifier).is_ok());
    for length in [0, 7, 8, 60, 67, 100, 200, whole.len() / 2, whole.len() - 4] {
        assert!(check(&whole[..length], &verifier).is_err(), "{length}");
    }
    for place in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        let _ = check(&bytes[..], &verifier);
    }
    assert!(matches!(
        check(&b"nonsense"[..], &verifier),
        Err(PackageFileError::Unknown)
    ));
}

/// What the real rpm says of a package, by a format of its own.
fn queried(package: &Path, format: &str) -> String {
    output(
        Command::new("rpm")
            .args(["-qp", "--nosignature", "--qf", format])
            .arg(package),
    )
}

fn assert_told_as_by_rpm(path: &Path) {
    let found = described(path);
    let identity = format!(
        "{}|{}|{}",
        found.database.full_name(&found.package),
        found.summary,
        found.description
    );
    assert_eq!(
        identity,
        queried(path, "%{name}-%{evr}.%{arch}|%{summary}|%{description}")
    );
    for (kind, option) in [
        ("Requires", "--requires"),
        ("Provides", "--provides"),
        ("Conflicts", "--conflicts"),
        ("Obsoletes", "--obsoletes"),
        ("Recommends", "--recommends"),
        ("Supplements", "--supplements"),
    ] {
        let told = output(
            Command::new("rpm")
                .args(["-qp", "--nosignature", option])
                .arg(path),
        );
        let list = found
            .relations
            .iter()
            .find(|relations| relations.kind == kind);
        let mut list = list
            .map(|relations| relations.list.clone())
            .unwrap_or_default();
        let mut told: Vec<String> = told
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        list.sort();
        told.sort();
        told.dedup();
        list.dedup();
        assert_eq!(list, told, "{kind}");
    }
    let files = found.files.unwrap().into_iter().map(|file| {
        format!(
            "{} {:o} {} {}:{} [{}] {}",
            file.path, file.mode, file.size, file.user, file.group, file.target, file.capabilities
        )
    });
    let told = queried(path, "[%{FILENAMES} %{FILEMODES:octal} %{FILESIZES} %{FILEUSERNAME}:%{FILEGROUPNAME} [%{FILELINKTOS}] %{FILECAPS}\n]".replace("[%{FILELINKTOS}]", "\\[%{FILELINKTOS}\\]").as_str());
    // rpm's modes have the type before the permissions.
    let told = told.lines().map(|line| {
        let mut words: Vec<String> = line.splitn(3, ' ').map(str::to_owned).collect();
        let mode = u32::from_str_radix(&words[1], 8).unwrap() & 0o7777;
        words[1] = format!("{mode:o}");
        words.join(" ")
    });
    assert_eq!(files.collect::<Vec<_>>(), told.collect::<Vec<_>>());
}

#[test]
fn rpms_are_read_in_each_compression_and_told_as_rpm_tells_them() {
    let dir = scratch();
    for payload in [
        "w.ufdio",
        "w6.gzdio",
        "w2.xzdio",
        "w3.zstdio",
        "w6.bzdio",
        "w6.lzdio",
    ] {
        let path = build_rpm(dir.path(), payload);
        assert_told_as_by_rpm(&path);
        let found = described(&path);
        let files = found.files.unwrap();
        let file = |path: &str| files.iter().find(|file| file.path == path).unwrap();
        assert_eq!(file("/etc/tool.conf").flags, ["config", "noreplace"]);
        assert!(file("/usr/share/doc/tool/ghost").flags.contains(&"ghost"));
        assert!(file("/usr/bin/large").capabilities.contains("cap_net_raw"));
        let scripts: Vec<_> = found
            .scripts
            .iter()
            .map(|script| {
                (
                    script.when.as_str(),
                    script.program.join(" "),
                    script.on.join(" "),
                )
            })
            .collect();
        let of = |when, program: &str, on: &str| (when, program.to_owned(), on.to_owned());
        let expected = [
            of("pre", "/bin/sh", ""),
            of("post", "/sbin/ldconfig", ""),
            of("postun", "<lua>", ""),
            of("trigger", "/bin/sh", "another other"),
            of("filetrigger", "/bin/sh", "/usr/lib/x"),
        ];
        assert_eq!(scripts, expected);
        assert_eq!(found.scripts[0].text, "echo pre");
        let checked = check(fs::File::open(&path).unwrap(), &trusting(b"")).unwrap();
        assert_eq!(
            checked.files,
            files.len() as u64 - 1,
            "{payload}: all but the ghost"
        );
    }
}

#[test]
fn a_changed_byte_anywhere_in_header_or_archive_of_an_rpm_is_found() {
    let dir = scratch();
    let whole = fs::read(build_rpm(dir.path(), "w2.xzdio")).unwrap();
    let verifier = trusting(b"");
    assert!(check(&whole[..], &verifier).is_ok());
    for length in [
        0,
        4,
        95,
        96,
        104,
        200,
        5000,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        assert!(check(&whole[..length], &verifier).is_err(), "{length}");
    }
    // The header of signatures is not covered by itself; the main one begins behind it.
    let main = (96..whole.len())
        .filter(|place| whole[*place..].starts_with(&[0x8e, 0xad, 0xe8, 1]))
        .nth(1)
        .unwrap();
    for place in (main..whole.len()).step_by(61) {
        // Four reserved bytes are not looked at.
        if (main + 4..main + 8).contains(&place) {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        assert!(check(&bytes[..], &verifier).is_err(), "{place}");
    }
    let mut damaged = whole.clone();
    damaged[main + 3000] ^= 1;
    assert!(matches!(
        check(&damaged[..], &verifier),
        Err(PackageFileError::Rpm(RpmError::Damaged {
            what: "header",
            ..
        }))
    ));
}

/// Runs gpg with keys of its own.
fn gpg(home: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("gpg")
        .arg("--homedir")
        .arg(home)
        .args(["--batch", "--quiet", "--no-tty"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn signatures_of_rpms_are_believed_by_the_keys_that_are_given() {
    let dir = scratch();
    // A short name: the agent's socket is in it.
    let home = tempfile::Builder::new()
        .prefix("ostler-gpg-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    gpg(
        home.path(),
        &[
            "--passphrase",
            "",
            "--quick-generate-key",
            "maker@example.com",
            "rsa3072",
            "sign",
        ],
    );
    gpg(
        home.path(),
        &[
            "--passphrase",
            "",
            "--quick-generate-key",
            "other@example.com",
            "ed25519",
            "sign",
        ],
    );
    let (key, other) = (
        gpg(home.path(), &["--export", "maker@example.com"]),
        gpg(home.path(), &["--export", "other@example.com"]),
    );
    let path = build_rpm(dir.path(), "w3.zstdio");
    let verdicts = |keys: &[u8]| {
        check(fs::File::open(&path).unwrap(), &trusting(keys))
            .unwrap()
            .signatures
    };
    assert!(verdicts(&key).is_empty());
    output(
        Command::new("rpmsign")
            .env("GNUPGHOME", home.path())
            .args([
                "--define",
                "_gpg_name maker@example.com",
                "--define",
                "__gpg /usr/bin/gpg",
                "--addsign",
            ])
            .arg(&path),
    );
    let good = verdicts(&key);
    assert!(
        !good.is_empty()
            && good
                .iter()
                .all(ostler_store::sign::openpgp::Verdict::is_good),
        "{good:?}"
    );
    assert!(
        verdicts(&other)
            .iter()
            .all(|verdict| verdict.validity == Validity::MissingKey)
    );
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(home.path())
        .args(["--kill", "all"])
        .status();
}
