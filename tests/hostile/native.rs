//! Native deltas that lie, carried or from a server.

use std::fs;

use ostler_format::delta::{
    Coding, DeltaFrame, DeltaGroup, MAX_FRAME, MAX_PREFIX, NativeDelta, NativeEntry, NativeList,
    Source, SourceRange,
};
use ostler_format::pack::{Pack, PackMember};
use ostler_format::{Checksum, CommitId, ObjectKind, ObjectName};
use ostler_tests::{Program, Server};

use crate::ground::Ground;

/// A frame of `blocks` times 128 KiB of the same byte, of which it says nothing.
fn bomb(blocks: usize) -> Vec<u8> {
    // No content size, a window of 8 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68];
    for number in 0..blocks {
        let is_last = u32::from(number + 1 == blocks);
        let head = (128 << 10 << 3) | (1 << 1) | is_last;
        frame.extend_from_slice(&u32::to_le_bytes(head)[..3]);
        frame.push(b'a');
    }
    frame
}

fn commit_of(ground: &Ground) -> CommitId {
    let rev = ground.victim().run("rev-parse", ["main"]);
    CommitId::new(Checksum::from_hex(&rev).unwrap())
}

fn named(text: &[u8], kind: ObjectKind) -> ObjectName {
    ObjectName::new(Checksum::of(text), kind)
}

/// A delta of one group of one file, which leads from the victim's commit; its frames are `packed` each.
fn delta(from: CommitId, size: u64, packed: &[u8]) -> NativeDelta {
    let mut frames = Vec::new();
    let mut left = size;
    while left > 0 {
        let unpacked = left.min(MAX_FRAME);
        frames.push(DeltaFrame {
            coding: Coding::AfterPrefix,
            packed: packed.len() as u64,
            unpacked,
            prefix: Vec::new(),
        });
        left -= unpacked;
    }
    NativeDelta {
        from,
        to: CommitId::new(Checksum::of(b"to")),
        sources: Vec::new(),
        groups: vec![DeltaGroup {
            members: vec![PackMember {
                name: Some(named(b"what it brings", ObjectKind::File)),
                size,
            }],
            frames,
        }],
    }
}

fn file(delta: &NativeDelta, packed: &[u8]) -> Vec<u8> {
    let frames: usize = delta.groups.iter().map(|group| group.frames.len()).sum();
    [delta.to_bytes(), packed.repeat(frames)].concat()
}

/// A difference without changes, whose parts are stored.
fn stored_difference(control: &[u8], fresh: &[u8]) -> Vec<u8> {
    // LZMA2: a chunk that is not compressed, of a length less 1, and the end.
    let stored = |bytes: &[u8]| match bytes.len().checked_sub(1) {
        Some(length) => {
            let length = u16::to_be_bytes(length as u16);
            [&[1][..], &length, bytes, &[0]].concat()
        }
        None => Vec::new(),
    };
    let control = stored(control);
    let lengths = [control.len() as u8, 0];
    [&lengths[..], &control, &stored(fresh)].concat()
}

/// Deltas, each with what is wrong with it.
fn lies(from: CommitId) -> Vec<(&'static str, Vec<u8>)> {
    let bomb = bomb(1000);
    let mut lies = vec![
        ("more than it says", file(&delta(from, 5, &bomb), &bomb)),
        (
            "much more than it says",
            file(&delta(from, MAX_FRAME, &bomb), &bomb),
        ),
        (
            "no frames at all",
            file(&delta(from, 1000, b"noise"), b"noise"),
        ),
    ];
    let mut whole = delta(from, 1000, &bomb);
    whole.sources.push(Source {
        name: named(b"nobody has it", ObjectKind::File),
        size: u64::MAX,
    });
    whole.groups[0].frames[0].prefix.push(SourceRange {
        source: 0,
        offset: u64::MAX - MAX_PREFIX,
        length: MAX_PREFIX as u32,
    });
    lies.push(("a source that nobody has", file(&whole, &bomb)));
    for (what, size, parts) in [
        ("a difference of noise", 1000, b"\x02\x02noise".to_vec()),
        ("a difference that is cut", 1000, vec![0xff, 0xff, 0x7f, 0]),
        (
            "a difference of more than it says",
            5,
            stored_difference(&[], &[b'a'; 60_000]),
        ),
        (
            "a difference of less than it says",
            1000,
            stored_difference(&[], b"little"),
        ),
        (
            "a region of what does not stand before",
            100_000,
            stored_difference(&[0, 0xff, 0x7f, 0], &[b'a'; 50_000]),
        ),
    ] {
        let mut lie = delta(from, size, &parts);
        lie.groups[0].frames[0].coding = Coding::Difference;
        lies.push((what, file(&lie, &parts)));
    }
    let index = delta(from, 1000, &bomb).to_bytes();
    let mut long = index.clone();
    long[9..17].copy_from_slice(&(16_u64 << 20).to_le_bytes());
    lies.push(("an index that is longer than the file", long));
    lies.push(("an index without what it leads to", index));
    lies
}

#[test]
fn a_carried_delta_that_lies_is_refused_and_named() {
    let ground = Ground::new();
    let victim = ground.victim();
    let path = ground.join("update.delta");
    let shown = path.to_str().unwrap();
    let repo = format!("--repo={}", victim.path().display());
    for (what, bytes) in lies(commit_of(&ground)) {
        fs::write(&path, bytes).unwrap();
        println!("{what}");
        ground.refuse(
            &["static-delta", "apply-offline", &repo, shown],
            &["native delta"],
        );
        victim.fsck();
    }
    // One that leads from somewhere else.
    let stranger = CommitId::new(Checksum::of(b"a stranger"));
    let noise = file(&delta(stranger, 5, b"noise"), b"noise");
    fs::write(&path, noise).unwrap();
    ground.refuse(
        &["static-delta", "apply-offline", &repo, shown],
        &[&stranger.to_string()],
    );
}

#[test]
fn a_server_whose_deltas_lie_brings_nothing_wrong_and_what_is_right_comes_otherwise() {
    let ground = Ground::new();
    let victim = ground.victim();
    let from = commit_of(&ground);
    let served = Program::ostree().init_quick(&ground.join("served"), "archive");
    let tree = ground.join("new");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "content of the new version").unwrap();
    let new = served.commit("main", &tree, &["--canonical-permissions"]);
    fs::write(
        served.path().join("config"),
        "[core]\nrepo_version=1\nmode=archive-z2\n[ostler]\nnative-deltas=true\n",
    )
    .unwrap();
    let server = Server::start(&Program::ostler(), served.path());
    victim.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
    let repo = format!("--repo={}", victim.path().display());
    let to = CommitId::new(Checksum::from_hex(&new).unwrap());
    let file_name = served.run("ls", ["-C", "main", "/file"]);
    let file_name = file_name
        .split_whitespace()
        .find_map(|word| Checksum::from_hex(word).ok())
        .unwrap();
    let bomb = bomb(1000);
    for size in [5, MAX_FRAME, 40 << 20] {
        let mut lie = delta(from, size, &bomb);
        lie.to = to;
        lie.groups[0].members[0].name = Some(ObjectName::new(file_name, ObjectKind::File));
        let index_size = lie.to_bytes().len() as u64;
        let bytes = file(&lie, &bomb);
        let entry = NativeEntry {
            from,
            file: Pack {
                checksum: Checksum::of(&bytes),
                size: bytes.len() as u64,
            },
            index_size,
        };
        let list = NativeList {
            deltas: vec![entry],
        };
        for (path, content) in [
            (entry.path(), bytes),
            (NativeList::path(to), list.to_bytes()),
        ] {
            let path = served.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let ending = ground.attempt(&["pull", &repo, "origin", "main"]);
        assert_eq!(ending.code, Some(0), "{}", ending.stderr);
        assert!(
            ending.stderr.contains("native delta cannot be used"),
            "{}",
            ending.stderr
        );
        victim.fsck();
        assert_eq!(victim.run("rev-parse", ["origin:main"]), new);
        victim.run("refs", ["--delete", "origin:main"]);
        victim.run("prune", ["--refs-only"]);
    }
}
