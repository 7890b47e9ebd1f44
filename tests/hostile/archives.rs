//! Archives that lie, given to `commit`.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::ground::Ground;

const DIRECTORY: u8 = b'5';
const FILE: u8 = b'0';
const HARDLINK: u8 = b'1';

/// A block of a header with the sum that it must have.
fn header(name: &str, typeflag: u8, link: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000755");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = typeflag;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..263].copy_from_slice(b"ustar\0");
    sealed(block)
}

fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn root() -> Vec<u8> {
    header("./", DIRECTORY, "", 0)
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn extended(records: &[u8]) -> Vec<u8> {
    [
        header("pax", b'x', "", records.len() as u64),
        padded(records),
    ]
    .concat()
}

/// Commits the archive in a folder with limits; it must be refused with one of the words.
#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let ground = Ground::new();
    let path = ground.join("hostile.tar");
    fs::write(&path, bytes).unwrap();
    let victim = ground.victim();
    let before = (victim.rev_parse("main"), victim.objects());
    let repo = format!("--repo={}", victim.path().display());
    let tree = format!("--tree=tar={}", path.display());
    let arguments = [
        "commit",
        &repo,
        "-b",
        "main",
        &tree,
        "--tar-autocreate-parents",
    ];
    ground.refuse(&arguments, words);
    assert_eq!(victim.rev_parse("main"), before.0, "the ref is unmoved");
    assert_eq!(victim.objects(), before.1, "nothing is added");
}

#[test]
fn an_entry_that_leads_out_of_the_tree_is_refused() {
    for name in [
        "../canary/file",
        "a/../../canary/file",
        "/../canary/file",
        "..",
    ] {
        let entry = [header(name, FILE, "", 1), padded(b"x")].concat();
        refused(&[root(), entry].concat(), &["uplink"]);
        let link = header("link", HARDLINK, name, 0);
        refused(&[root(), link].concat(), &["uplink"]);
    }
    let nul = extended(b"14 path=a\0/..\n");
    refused(&[root(), nul, header("a", FILE, "", 0)].concat(), &["NUL"]);
}

#[test]
fn what_has_no_object_is_refused_by_name() {
    for (typeflag, word) in [
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "fifo"),
    ] {
        let bytes = [root(), header("odd", typeflag, "", 0)].concat();
        refused(&bytes, &[word]);
    }
    refused(&[root(), header("s", b'2', "", 0)].concat(), &["`s`"]);
    refused(&[root(), header("f", b'M', "", 0)].concat(), &["`f`"]);
    refused(&header(".", FILE, "", 0), &["root's name"]);
}

#[test]
fn hardlinks_to_nothing_to_themselves_and_in_circles_are_refused() {
    refused(
        &[root(), header("a", HARDLINK, "none", 0)].concat(),
        &["`a`"],
    );
    refused(&[root(), header("a", HARDLINK, "a", 0)].concat(), &["`a`"]);
    refused(&[root(), header("a", HARDLINK, ".", 0)].concat(), &["`a`"]);
    let circle = [header("a", HARDLINK, "b", 0), header("b", HARDLINK, "a", 0)].concat();
    refused(&[root(), circle].concat(), &["`a`"]);
}

#[test]
fn sizes_that_the_archive_does_not_have_are_refused_without_being_believed() {
    // Eight gigabytes less a byte, of which one follows.
    let claimed = (8 << 30) - 1;
    let entry = [header("huge", FILE, "", claimed), padded(b"x")].concat();
    refused(&[root(), entry].concat(), &["huge", "free"]);
    for typeflag in [b'L', b'K', b'x'] {
        refused(
            &[root(), header("huge", typeflag, "", claimed)].concat(),
            &["limit"],
        );
    }
    let mut sizes = header("f", FILE, "", 0);
    sizes[124..136].fill(0xff);
    refused(&[root(), sealed(sizes)].concat(), &["size"]);
    let record = extended(b"30 size=18446744073709551615\n\n");
    refused(
        &[root(), record, header("f", FILE, "", 0)].concat(),
        &["header"],
    );
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let sparse = |records: &[u8], data: &[u8]| {
        let entry = [header("s", FILE, "", data.len() as u64), padded(data)].concat();
        [root(), extended(records), entry].concat()
    };
    let maps: [&[u8]; 4] = [
        // Beyond the size, overlapping, of more bytes than follow, of an odd count of numbers.
        b"22 GNU.sparse.size=10\n23 GNU.sparse.map=8,9,\n",
        b"23 GNU.sparse.size=100\n26 GNU.sparse.map=0,5,2,5\n",
        b"23 GNU.sparse.size=100\n23 GNU.sparse.map=0,50\n",
        b"23 GNU.sparse.size=100\n24 GNU.sparse.map=0,5,7\n",
    ];
    for records in maps {
        refused(&sparse(records, b"01234567"), &["sparse", "header"]);
    }
    let in_data = b"22 GNU.sparse.major=1\n28 GNU.sparse.realsize=100\n";
    let endless = b"9999999999\n".repeat(40);
    refused(&sparse(in_data, &endless), &["sparse", "header"]);
}

#[test]
fn a_stream_that_ends_or_breaks_anywhere_is_refused() {
    let whole = [
        root(),
        extended(b"26 SCHILY.xattr.user.k=v\n\n"),
        header("f", FILE, "", 1000),
        padded(&[b'x'; 1000]),
    ]
    .concat();
    for end in [600, 1100, 1536, 1600, 2048, 2500, 3000] {
        refused(&whole[..end], &["ends early"]);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&whole).unwrap();
    let packed = packed.finish().unwrap();
    refused(
        &packed[..packed.len() / 2],
        &["hostile.tar", "reading content"],
    );
    refused(b"\x1f\x8b\x08\0\0\0\0\0\0\x03garbage", &["hostile.tar"]);
    refused(b"\xfd7zXZ\0garbage", &["hostile.tar"]);
    refused(b"\x28\xb5\x2f\xfdgarbage", &["hostile.tar"]);
    refused(b"BZh9garbage", &["hostile.tar"]);
    refused(b"no archive at all", &["Unrecognized"]);
    refused(b"07070100garbage", &["ends early"]);
    refused(&[b'0'; 200], &["Unrecognized"]);
}

#[test]
fn a_bomb_of_zeros_without_an_entry_ends_with_its_first_block() {
    let ground = Ground::new();
    let path = ground.join("hostile.tar");
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&root()).unwrap();
    for _ in 0..256 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    fs::write(&path, packed.finish().unwrap()).unwrap();
    let repo = format!("--repo={}", ground.victim().path().display());
    let tree = format!("--tree=tar={}", path.display());
    let ending = ground.attempt(&["commit", &repo, "-b", "bomb", &tree]);
    assert_eq!(ending.code, Some(0), "{}", ending.stderr);
}
