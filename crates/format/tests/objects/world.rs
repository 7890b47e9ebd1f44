//! Repositories that the real `ostree` made, one for all tests of this program.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ostler_format::{Checksum, ObjectKind, ObjectName, StorageForm};
use rustix::fs::XattrFlags;

pub(crate) struct World {
    pub(crate) dir: PathBuf,
}

/// The arguments of `--add-metadata` in the first commit, and the texts of their values.
pub(crate) const METADATA: &[(&str, &str)] = &[
    ("version", "'39.1'"),
    ("n.u32", "uint32 7"),
    ("n.i64", "int64 -5000000000"),
    ("n.byte", "byte 0x2a"),
    ("n.double", "0.1"),
    ("flag", "true"),
    ("strings", "['a', 'it\\'s', '\\u200b']"),
    ("none", "@as []"),
    (
        "pkgs",
        "[('bash', '0', '5.2', '1', 'x86_64'), ('zlib', '0', '1.3', '2', 'x86_64')]",
    ),
    (
        "dict",
        "{'k': <uint64 9>, 'l': <[byte 1, 2]>, 'k': <'again'>}",
    ),
    ("maybe", "@ms nothing"),
    ("some", "@m(us) (1, 'x')"),
    ("path", "objectpath '/a/b'"),
    ("sig", "signature 'a{sv}'"),
    ("deep", "<<<[[[(1, (2, (3,)))]]]>>>"),
    ("bytes", "b'raw\\377'"),
];

/// Keys that were added to the summary, in this order.
pub(crate) const SUMMARY_FACTS: &[&str] = &[
    "extra.key",
    "a",
    "b",
    "zebra",
    "org.example.long-key",
    "x",
    "é",
    "k1",
    "k2",
    "k3",
    "k4",
    "k5",
    "k6",
    "k7",
    "k8",
];

pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ostler-format-objects");
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir_all(&dir).unwrap();
        let world = World { dir };
        world.make_tree();
        world.make_repos();
        world
    })
}

impl World {
    pub(crate) fn ostree(&self, repo: &str, args: &[&str]) -> String {
        let repo = format!("--repo={repo}");
        let output = Command::new("ostree")
            .arg(repo)
            .args(args)
            .current_dir(&self.dir)
            .output();
        let output = output.expect(
            "these tests compare with the real `ostree`: install Debian's package `ostree`",
        );
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ostree {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.dir.join(path)).unwrap()
    }

    pub(crate) fn rev_parse(&self, repo: &str, rev: &str) -> Checksum {
        self.ostree(repo, &["rev-parse", rev])
            .trim()
            .parse()
            .unwrap()
    }

    /// Every loose object of a repository: its name, and its path.
    pub(crate) fn objects(&self, repo: &str, form: StorageForm) -> Vec<(ObjectName, PathBuf)> {
        let mut found = Vec::new();
        let objects = self.dir.join(repo).join("objects");
        for directory in fs::read_dir(&objects).unwrap() {
            for file in fs::read_dir(directory.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(&objects).unwrap().to_str().unwrap();
                found.push((ObjectName::from_loose_path(name, form).unwrap(), path));
            }
        }
        found.sort();
        found
    }

    pub(crate) fn objects_of(
        &self,
        repo: &str,
        form: StorageForm,
        kind: ObjectKind,
    ) -> Vec<(ObjectName, PathBuf)> {
        let mut found = self.objects(repo, form);
        found.retain(|(name, _)| name.kind == kind);
        assert!(!found.is_empty(), "{repo} has no {kind}");
        found
    }

    fn make_tree(&self) {
        let tree = self.dir.join("tree");
        for directory in ["empty", "many", "names/ü", "sticky"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        for i in 0..2500 {
            fs::write(
                tree.join(format!("many/a-file-of-some-name-{i}")),
                format!("{}", i % 50),
            )
            .unwrap();
        }
        let long = "n".repeat(255);
        let names = [
            " ",
            "'q'",
            "\"d\"",
            "back\\slash",
            "é",
            "日本語",
            "new\nline",
            "a",
            "a.b",
            "ab",
            "A",
            "-",
            &long,
        ];
        for name in names {
            fs::write(tree.join("names").join(name), name).unwrap();
        }
        fs::write(tree.join("nothing"), "").unwrap();
        fs::write(tree.join("large"), vec![b'x'; 300_000]).unwrap();
        symlink("nothing", tree.join("link")).unwrap();
        symlink("../".repeat(200), tree.join("long-link")).unwrap();
        symlink("é", tree.join("dangling")).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            chown(tree.join("large"), Some(1000), Some(0x7fff_0001)).unwrap();
            chown(tree.join("sticky"), Some(7), Some(8)).unwrap();
        }
        for (path, mode) in [("large", 0o4755), ("nothing", 0o000), ("sticky", 0o3777)] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let capability =
            b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        let xattrs: [(&str, &str, &[u8]); 6] = [
            ("large", "user.z", b""),
            ("large", "user.a", b"\0\xff"),
            ("large", "user.long", &[7; 700]),
            ("large", "security.capability", capability),
            ("names/a", "user.only", b"one"),
            ("empty", "user.dir", b"d"),
        ];
        for (path, name, value) in xattrs {
            if name.starts_with("security.") && !root {
                continue;
            }
            rustix::fs::setxattr(tree.join(path), name, value, XattrFlags::empty()).unwrap();
        }
    }

    fn make_repos(&self) {
        self.ostree(
            "archive",
            &["init", "--mode=archive", "--collection-id=org.example.Os"],
        );
        self.ostree("bare-user", &["init", "--mode=bare-user"]);
        let tree = "--tree=dir=tree";
        let mut first = vec![
            "commit",
            "-b",
            "os/main",
            tree,
            "-s",
            "first — é",
            "--timestamp=@1600000000",
        ];
        let metadata: Vec<String> = METADATA
            .iter()
            .map(|(k, v)| format!("--add-metadata={k}={v}"))
            .collect();
        first.extend(metadata.iter().map(String::as_str));
        self.ostree("archive", &first);
        fs::write(self.dir.join("tree/nothing"), "now something").unwrap();
        let second = [
            "commit",
            "-b",
            "os/main",
            tree,
            "-s",
            "",
            "-m",
            "body\nof two lines\n",
            "--generate-sizes",
            "--timestamp=@1700000000",
            "--add-metadata-string=version=40",
            "--add-detached-metadata-string=note=kept apart",
        ];
        self.ostree("archive", &second);
        self.ostree(
            "archive",
            &[
                "commit",
                "-b",
                "os/empty",
                "--tree=dir=tree/empty",
                "--timestamp=@0",
            ],
        );
        self.ostree(
            "archive",
            &[
                "static-delta",
                "generate",
                "--from=os/main^",
                "--to=os/main",
            ],
        );
        self.ostree(
            "archive",
            &["static-delta", "generate", "--empty", "--to=os/empty"],
        );
        let facts: Vec<String> = SUMMARY_FACTS
            .iter()
            .map(|key| format!("--add-metadata={key}=uint32 7"))
            .collect();
        let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
        self.ostree("archive", &[&["summary", "-u"], &facts[..]].concat());
        self.ostree("bare-user", &["pull-local", "archive", "os/main"]);
    }
}

/// The whole value of an xattr.
pub(crate) fn read_xattr(path: &Path, name: &str) -> Vec<u8> {
    let mut value = vec![0; 65536];
    let size = rustix::fs::getxattr(path, name, &mut value[..]).unwrap();
    value.truncate(size);
    value
}
