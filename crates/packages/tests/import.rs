//! Packages as commits: where their files are, what becomes of what no tree can have, and hostile ones.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_format::{CommitId, Value};
use ostler_packages::import::{CONTROL_KEY, HEADER_KEY, ImportError, Imported, import};
use ostler_packages::rpm::header::Header;
use ostler_packages::tree::Tree;
use ostler_store::progress::Silent;
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier};
use ostler_store::{Repo, RepoMode};
use support::{build_deb, build_rpm, output, scratch};

fn repo(dir: &Path, mode: RepoMode) -> Repo {
    Repo::create(dir.join(format!("repo-{mode}")), mode, None).unwrap()
}

fn imported(repo: &Repo, path: &Path) -> Result<Imported, ImportError> {
    import(repo, (path, fs::File::open(path).unwrap()), None, &Silent)
}

/// A file of the commit; `None` if it has none there.
fn read(repo: &Repo, commit: CommitId, path: &str) -> Option<String> {
    let bytes = Tree::of_commit(repo, commit)
        .unwrap()
        .read(path, 1 << 24)
        .unwrap()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn refs(repo: &Repo) -> usize {
    repo.list_all_refs().unwrap().len()
}

#[test]
fn the_same_package_is_the_same_commit_in_each_repository_and_at_each_time() {
    let dir = scratch();
    for path in [
        build_deb(dir.path(), "xz", true),
        build_rpm(dir.path(), "w3.zstdio"),
    ] {
        let mut commits = Vec::new();
        for mode in [RepoMode::Archive, RepoMode::BareUser] {
            let repo = Repo::create(
                dir.path()
                    .join(format!("{mode}-{}", path.extension().unwrap().display())),
                mode,
                None,
            )
            .unwrap();
            let found = imported(&repo, &path).unwrap();
            assert_eq!(imported(&repo, &path).unwrap().commit, found.commit);
            assert_eq!(
                repo.resolve(found.reference.as_str()).unwrap(),
                found.commit
            );
            commits.push(found.commit);
        }
        assert_eq!(commits[0], commits[1]);
    }
}

#[test]
fn files_are_where_a_tree_has_them_and_all_that_a_package_says_is_kept() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::BareUser);
    let deb = imported(&repo, &build_deb(dir.path(), "zstd", true)).unwrap();
    assert_eq!(
        deb.reference.as_str(),
        "ostler/pkg/deb/tool/1_3A2.0_7Erc1-3.all"
    );
    let rpm = imported(&repo, &build_rpm(dir.path(), "w6.gzdio")).unwrap();
    assert_eq!(
        rpm.reference.as_str(),
        "rpmostree/pkg/tool/1_3A2.0_7Erc1-3.noarch"
    );
    for commit in [deb.commit, rpm.commit] {
        assert_eq!(read(&repo, commit, "usr/etc/tool.conf").unwrap(), "a = 1\n");
        assert_eq!(read(&repo, commit, "etc/tool.conf"), None);
        assert_eq!(
            read(&repo, commit, "usr/bin/tool-again").unwrap(),
            "#!/bin/sh\n"
        );
        assert_eq!(read(&repo, commit, "usr/bin/alias").unwrap(), "#!/bin/sh\n");
        assert_eq!(
            read(&repo, commit, "usr/bin/large").unwrap().len(),
            read(&repo, deb.commit, "usr/bin/large").unwrap().len()
        );
    }
    let metadata = repo.read_commit(deb.commit).unwrap().metadata;
    let control = metadata.get(CONTROL_KEY).unwrap().unboxed().clone();
    assert!(
        control
            .lookup("postinst")
            .and_then(Value::as_bytes)
            .unwrap()
            .starts_with(b"#!/bin/sh")
    );
    assert!(control.lookup("conffiles").is_some());
    let metadata = repo.read_commit(rpm.commit).unwrap().metadata;
    let header = metadata.get(HEADER_KEY).unwrap().unboxed().clone();
    let header = Header::parse(header.as_bytes().unwrap()).unwrap();
    assert_eq!(ostler_packages::rpm::package(&header).unwrap().name, "tool");
}

#[test]
fn capabilities_of_an_rpms_files_are_xattrs_and_a_ghost_is_no_file() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::Archive);
    let rpm = imported(&repo, &build_rpm(dir.path(), "w6.gzdio")).unwrap();
    assert_eq!(read(&repo, rpm.commit, "usr/share/doc/tool/ghost"), None);
    let Tree::Commit { root, .. } = Tree::of_commit(&repo, rpm.commit).unwrap() else {
        unreachable!()
    };
    let mut tree = repo.read_dirtree(root).unwrap();
    for name in ["usr", "bin"] {
        let next = tree.dirs.iter().find(|dir| dir.name == name).unwrap().tree;
        tree = repo.read_dirtree(next).unwrap();
    }
    let (_, large) = tree.files.iter().find(|(name, _)| name == "large").unwrap();
    let header = repo.open_file_object(*large).unwrap().header;
    let value = header.xattrs.get(b"security.capability").unwrap();
    // cap_net_raw is number 13, effective and permitted.
    assert_eq!(value[..8], [1, 0, 0, 2, 0, 0x20, 0, 0]);
    // Its owner is a name, which is no number yet.
    assert_eq!((header.uid, header.mode & 0o7777), (0, 0o750));
}

/// Makes a Debian package of what `fill` puts into its root.
fn made(dir: &Path, fill: impl Fn(&Path)) -> PathBuf {
    let root = dir.join("root");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    let control =
        "Package: made\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b>\nDescription: x\n";
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    fill(&root);
    let target = dir.join("made.deb");
    output(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zgzip", "-b"])
            .arg(&root)
            .arg(&target),
    );
    target
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn what_no_tree_can_have_is_made_at_boot() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::Archive);
    let deb = made(dir.path(), |root| {
        write(root, "var/lib/made/seed", "seed");
        fs::create_dir_all(root.join("var/cache/made")).unwrap();
        symlink("/run/made", root.join("var/lib/made/link")).unwrap();
        write(root, "opt/made/bin/x", "x");
        write(root, "usr/local/bin/y", "y");
        write(root, "lib/systemd/system/made.service", "unit");
        write(root, "boot/vmlinuz-6.1-test", "kernel");
        write(root, "nix/file", "new");
    });
    let found = imported(&repo, &deb).unwrap();
    let lines = read(&repo, found.commit, "usr/lib/tmpfiles.d/pkg-made.conf").unwrap();
    let expected = [
        "L /usr/local/bin/y - - - - /usr/lib/usrlocal/bin/y",
        "d /var/cache/made 0755 root root - -",
        "d /var/lib/made 0755 root root - -",
        "L /var/lib/made/link - - - - /run/made",
        "C /var/lib/made/seed 0644 root root - /usr/share/factory/var/lib/made/seed",
        "L /var/opt/made - - - - /usr/lib/opt/made",
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    for (path, content) in [
        ("usr/share/factory/var/lib/made/seed", "seed"),
        ("usr/lib/opt/made/bin/x", "x"),
        ("usr/lib/usrlocal/bin/y", "y"),
        ("usr/lib/systemd/system/made.service", "unit"),
        ("usr/lib/modules/6.1-test/vmlinuz", "kernel"),
        ("nix/file", "new"),
    ] {
        assert_eq!(
            read(&repo, found.commit, path).as_deref(),
            Some(content),
            "{path}"
        );
    }
    for path in [
        "var/lib/made/seed",
        "opt/made/bin/x",
        "lib/systemd/system/made.service",
        "boot/vmlinuz-6.1-test",
    ] {
        assert_eq!(read(&repo, found.commit, path), None, "{path}");
    }
    // The real program understands each line.
    let root = dir.path().join("booted");
    write(&root, "usr/lib/tmpfiles.d/pkg-made.conf", &lines);
    write(&root, "usr/share/factory/var/lib/made/seed", "seed");
    fs::create_dir_all(root.join("usr/local/bin")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    if let Ok(status) = Command::new("systemd-tmpfiles")
        .arg("--create")
        .arg(format!("--root={}", root.display()))
        .arg("pkg-made.conf")
        .status()
    {
        assert!(status.success());
        assert_eq!(
            fs::read_to_string(root.join("var/lib/made/seed")).unwrap(),
            "seed"
        );
        assert_eq!(
            fs::read_link(root.join("var/opt/made")).unwrap(),
            Path::new("/usr/lib/opt/made")
        );
    }
}

#[test]
fn what_a_package_must_not_have_is_refused_and_no_ref_is_left() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::Archive);
    for (path, word) in [
        ("usr/etc", "defaults of /etc"),
        ("proc/x", "running system"),
        ("var/log", "directory on each machine"),
    ] {
        let deb = made(dir.path(), |root| write(root, path, "x"));
        let problem = imported(&repo, &deb).unwrap_err().to_string();
        assert!(
            problem.contains(word) && problem.contains(path),
            "{problem}"
        );
    }
    assert_eq!(refs(&repo), 0);
}

/// A Debian package of which the files are this tar.
fn with_data(dir: &Path, tar: &[u8]) -> PathBuf {
    let whole = fs::read(made(dir, |_| ())).unwrap();
    let data = whole
        .windows(8)
        .position(|bytes| bytes == b"data.tar")
        .unwrap();
    let mut bytes = whole[..data].to_vec();
    bytes.extend(
        format!(
            "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            "data.tar",
            0,
            0,
            0,
            100_644,
            tar.len()
        )
        .bytes(),
    );
    bytes.extend(tar);
    let path = dir.join("hostile.deb");
    fs::write(&path, bytes).unwrap();
    path
}

/// Entries of a tar: path, type, target.
fn tar(entries: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, kind, target) in entries {
        let mut header = [0_u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(b"00000000000");
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = *kind;
        header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
    }
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn paths_and_links_that_lead_elsewhere_are_refused() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::Archive);
    type Entry<'a> = (&'a str, u8, &'a str);
    let cases: [(&[Entry<'_>], &str); 6] = [
        (&[("../x", b'0', "")], "upwards"),
        (&[("usr/../../x", b'0', "")], "upwards"),
        (&[("usr/x", b'1', "../../etc/passwd")], "upwards"),
        (&[("usr/x", b'1', "nowhere")], "nowhere"),
        // A link, then a file through it.
        (&[("usr/x", b'2', "/etc"), ("usr/x/passwd", b'0', "")], "x"),
        (&[("usr/x", b'3', "")], "device"),
    ];
    for (entries, word) in cases {
        let problem = imported(&repo, &with_data(dir.path(), &tar(entries)))
            .unwrap_err()
            .to_string();
        assert!(problem.contains(word), "{entries:?}: {problem}");
    }
    assert_eq!(refs(&repo), 0);
    // As it must be, it is taken.
    assert!(
        imported(
            &repo,
            &with_data(
                dir.path(),
                &tar(&[
                    ("./usr/", b'5', ""),
                    ("./usr/x", b'0', ""),
                    ("./bin", b'2', "usr/bin")
                ])
            )
        )
        .is_ok()
    );
}

#[test]
fn a_damaged_rpm_and_one_that_is_not_signed_leave_nothing() {
    let dir = scratch();
    let repo = repo(dir.path(), RepoMode::Archive);
    let path = build_rpm(dir.path(), "w.ufdio");
    let mut bytes = fs::read(&path).unwrap();
    // Within the content of the large file, which is not compressed.
    let place = bytes.len() - 100_000;
    bytes[place] ^= 1;
    let found = import(&repo, (&path, &bytes[..]), None, &Silent);
    let problem = found.unwrap_err().to_string();
    assert!(problem.contains("archive is damaged"), "{problem}");
    let nobody = OpenPgpVerifier::new(Keyring::default());
    let found = import(
        &repo,
        (&path, fs::File::open(&path).unwrap()),
        Some(&nobody),
        &Silent,
    );
    assert!(matches!(found, Err(ImportError::NotSigned { .. })));
    assert_eq!(refs(&repo), 0);
}
