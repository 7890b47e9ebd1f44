//! Objects that lie, in repositories that are read, checked, and pulled from.

use std::fs;

use ostler_tests::{Program, Server};

use crate::forge::{self, DIRECTORY, Forge, REGULAR, SYMLINK, deflated, file_id, filez, hex};
use crate::ground::Ground;

/// What is done with a hostile repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Fsck,
    List,
    CheckOut,
    /// Into another repository on the same machine, which believes it.
    PullLocal,
    /// The same, with all checksums verified.
    PullUntrusted,
    /// Over HTTP.
    Pull,
}

use Verb::{CheckOut, Fsck, List, Pull, PullLocal, PullUntrusted};

/// Verbs that look at every object's bytes.
const VERIFYING: &[Verb] = &[Fsck, PullUntrusted, Pull];
/// Verbs that walk the tree.
const WALKING: &[Verb] = &[Fsck, List, CheckOut, PullLocal, PullUntrusted, Pull];

/// Checks that each verb refuses the repository, naming one of `culprits`, and leaves everything else as it was.
fn refused(ground: &Ground, forge: &Forge, verbs: &[Verb], culprits: &[&str]) {
    let hostile = forge.repo().path().to_str().unwrap().to_owned();
    let server = verbs
        .contains(&Pull)
        .then(|| Server::start(&Program::ostree(), forge.repo().path()));
    let victim = ground.victim();
    let before = (victim.rev_parse("main"), victim.objects());
    if let Some(server) = &server {
        victim.run(
            "remote add",
            ["--force", "--no-gpg-verify", "origin", &server.url()],
        );
    }
    let [into, of] =
        [victim.path(), forge.repo().path()].map(|path| format!("--repo={}", path.display()));
    let destination = ground.join("destination");
    for verb in verbs {
        match verb {
            Fsck => ground.refuse(&["fsck", &of], culprits),
            List => ground.refuse(&["ls", &of, "-R", "main"], culprits),
            CheckOut => ground.refuse(
                &["checkout", &of, "main", destination.to_str().unwrap()],
                culprits,
            ),
            PullLocal => ground.refuse(&["pull-local", &into, &hostile, "main"], culprits),
            PullUntrusted => ground.refuse(
                &["pull-local", &into, "--untrusted", &hostile, "main"],
                culprits,
            ),
            Pull => ground.refuse(
                &["pull", &into, "--network-retries=1", "origin", "main"],
                culprits,
            ),
        }
        fs::remove_dir_all(&destination).ok();
    }
    assert_eq!(
        victim.run("refs", ["--list"]),
        "main",
        "{verbs:?}: no ref is written"
    );
    assert_eq!(
        victim.rev_parse("main"),
        before.0,
        "{verbs:?}: refs are unmoved"
    );
    let after = victim.objects();
    assert!(
        before.1.iter().all(|object| after.contains(object)),
        "{verbs:?}: objects are lost"
    );
    // What was pulled before the refusal is whole.
    victim.fsck();
}

#[test]
fn names_that_lead_out_of_a_directory_are_refused() {
    let names = [
        "..",
        ".",
        "",
        "../../canary/new",
        "/etc/new",
        "a/b",
        "dir/../../canary/new",
    ];
    for name in names {
        let ground = Ground::new();
        let forge = Forge::new(&ground.join("hostile"));
        let file = forge.file(b"content");
        let tree = forge.dirtree(&[(name, &file)], &[]);
        forge.publish(&tree);
        refused(&ground, &forge, WALKING, &[&hex(&tree)]);

        let forge = Forge::new(&ground.join("hostile-dir"));
        let inner = forge.dirtree(&[("new", &forge.file(b"content"))], &[]);
        let tree = forge.dirtree(&[], &[(name, &inner, &forge.dirmeta(DIRECTORY))]);
        forge.publish(&tree);
        refused(&ground, &forge, &[CheckOut, Pull], &[&hex(&tree)]);
    }
}

#[test]
fn directories_that_are_not_in_normal_form_are_refused() {
    let ground = Ground::new();
    let file = file_id(REGULAR, "", b"content");
    let long = "n".repeat(70_000);
    let meta = [7; 32];
    let trees = [
        (
            "unsorted",
            forge::dirtree(&[("b", &file), ("a", &file)], &[]),
        ),
        ("twice", forge::dirtree(&[("a", &file), ("a", &file)], &[])),
        (
            "file and directory",
            forge::dirtree(&[("a", &file)], &[("a", &file, &meta)]),
        ),
        ("short checksum", forge::dirtree(&[("a", &file[..31])], &[])),
        (
            "long checksum",
            forge::dirtree(&[], &[("a", &[3; 33], &meta)]),
        ),
        ("no checksum", forge::dirtree(&[("a", &[])], &[])),
        ("not a variant", b"\xff\xff\xff\xff\xff".to_vec()),
        ("nothing", Vec::new()),
        (
            "bytes behind",
            [forge::dirtree(&[("a", &file)], &[]), vec![0; 3]].concat(),
        ),
        (
            "not UTF-8",
            replace(
                &forge::dirtree(&[("a\u{1}\u{1}", &file)], &[]),
                b"\x01\x01",
                b"\xc3\x28",
            ),
        ),
        ("too long a name", forge::dirtree(&[(&long, &file)], &[])),
    ];
    for (claim, bytes) in trees {
        println!("{claim}");
        let forge = Forge::new(&ground.join("hostile"));
        forge.file(b"content");
        let tree = forge.put("dirtree", &bytes);
        forge.publish(&tree);
        let verbs = if claim == "too long a name" {
            &[CheckOut]
        } else {
            WALKING
        };
        refused(&ground, &forge, verbs, &[&hex(&tree), &long[..200]]);
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn commits_and_directory_metadata_that_lie_are_refused() {
    let ground = Ground::new();
    let tree = forge::dirtree(&[], &[]);
    let meta = forge::dirmeta(DIRECTORY);
    let commit = |tree: &[u8], meta: &[u8]| forge::commit(tree, meta);
    let [tree_id, meta_id] =
        [&tree, &meta].map(|bytes| <sha2::Sha256 as sha2::Digest>::digest(bytes).to_vec());
    let commits = [
        ("short root", commit(&tree_id[..31], &meta_id)),
        ("no root", commit(&[], &meta_id)),
        ("short metadata", commit(&tree_id, &meta_id[..5])),
        ("not a variant", vec![0xff; 100]),
        ("nothing", Vec::new()),
        (
            "bytes behind",
            [commit(&tree_id, &meta_id), vec![0; 8]].concat(),
        ),
        ("half", commit(&tree_id, &meta_id)[..60].to_vec()),
        ("root that is not there", commit(&[9; 32], &meta_id)),
    ];
    for (claim, bytes) in commits {
        println!("{claim}");
        let forge = Forge::new(&ground.join("hostile"));
        forge.put("dirtree", &tree);
        forge.put("dirmeta", &meta);
        let commit = forge.put("commit", &bytes);
        forge.set_main(&commit);
        refused(&ground, &forge, WALKING, &[&hex(&commit), &hex(&[9; 32])]);
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
    for (claim, bytes) in [
        ("of a file", forge::dirmeta(REGULAR)),
        ("of a symlink", forge::dirmeta(SYMLINK)),
        ("beyond mode bits", forge::dirmeta(DIRECTORY | 0x0010_0000)),
        ("not a variant", vec![1; 11]),
        ("nothing", Vec::new()),
    ] {
        println!("metadata {claim}");
        let forge = Forge::new(&ground.join("hostile"));
        let tree = forge.put("dirtree", &tree);
        let meta = forge.put("dirmeta", &bytes);
        forge.set_main(&forge.commit(&tree, &meta));
        refused(
            &ground,
            &forge,
            &[Fsck, CheckOut, PullUntrusted, Pull],
            &[&hex(&meta)],
        );
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
}

#[test]
fn files_whose_size_or_content_is_a_lie_are_refused() {
    let ground = Ground::new();
    let content = b"content".repeat(10);
    let id = file_id(REGULAR, "", &content);
    let size = content.len() as u64;
    let stream = deflated(&content);
    let true_file = filez(REGULAR, "", size, &stream);
    let with_length = |length: u32| [&length.to_be_bytes()[..], &true_file[4..]].concat();
    let files = [
        ("claims more", filez(REGULAR, "", size + 1, &stream)),
        ("claims less", filez(REGULAR, "", size - 1, &stream)),
        ("claims everything", filez(REGULAR, "", u64::MAX, &stream)),
        (
            "claims the most that is signed",
            filez(REGULAR, "", i64::MAX as u64, &stream),
        ),
        (
            "stream cut",
            filez(REGULAR, "", size, &stream[..stream.len() - 1]),
        ),
        ("no stream", filez(REGULAR, "", size, &[])),
        ("garbage stream", filez(REGULAR, "", size, &[0xff; 40])),
        (
            "other content",
            filez(REGULAR, "", size, &deflated(&b"Content".repeat(10))),
        ),
        ("other mode", filez(0o104_755, "", size, &stream)),
        ("device", filez(0o020_644, "", size, &stream)),
        ("header of 4 GiB", with_length(u32::MAX)),
        ("header of 2 GiB", with_length(1 << 31)),
        (
            "header of the whole file",
            with_length(u32::try_from(true_file.len()).unwrap()),
        ),
        ("no header", with_length(0)),
        ("short header", true_file[..20].to_vec()),
        ("seven bytes", true_file[..7].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (claim, bytes) in files {
        println!("{claim}");
        let forge = Forge::new(&ground.join("hostile"));
        forge.put_as(&id, "filez", &bytes);
        forge.publish(&forge.dirtree(&[("file", &id)], &[]));
        refused(&ground, &forge, VERIFYING, &[&hex(&id)]);
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
}

#[test]
fn a_deflate_bomb_is_not_unpacked_beyond_its_stated_size() {
    let ground = Ground::new();
    let id = file_id(REGULAR, "", b"content");
    // A thousand times smaller than what it holds: 4 GiB.
    let mebibyte = vec![0; 1 << 20];
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..4096 {
        std::io::Write::write_all(&mut encoder, &mebibyte).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    for size in [7, 0] {
        let forge = Forge::new(&ground.join("hostile"));
        forge.put_as(&id, "filez", &filez(REGULAR, "", size, &bomb));
        forge.publish(&forge.dirtree(&[("file", &id)], &[]));
        refused(
            &ground,
            &forge,
            &[Fsck, CheckOut, PullUntrusted, Pull],
            &[&hex(&id)],
        );
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
}

#[test]
fn symlinks_that_lie_are_refused() {
    let ground = Ground::new();
    for (claim, target) in [("no target", String::new()), ("too long", "t".repeat(5000))] {
        println!("{claim}");
        let forge = Forge::new(&ground.join("hostile"));
        let id = file_id(SYMLINK, &target, b"");
        forge.put_as(&id, "filez", &filez(SYMLINK, &target, 0, b""));
        forge.publish(&forge.dirtree(&[("link", &id)], &[]));
        refused(&ground, &forge, &[CheckOut], &[&hex(&id), "link"]);
        fs::remove_dir_all(forge.repo().path()).unwrap();
    }
}
