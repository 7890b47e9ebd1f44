//! Static deltas and packs that lie, and how much memory they get out of the program.
//!
//! None of them is needed for a pull: unless deltas are required it goes on without, and has the commit in the end.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ostler_format::Checksum;
use ostler_format::delta::{FileOwner, Operation, PartBuilder, Superblock};
use ostler_format::pack::{PackGroup, PackIndex};
use ostler_tests::{Program, Repo, Server};

use crate::ground::Ground;
use crate::server::{Enemy, endless, send_missing, send_whole};

/// What the program may take, of all that it is sent.
const PEAK_KIB: u64 = 200 << 10;

/// A repository with two commits, a delta and packs; and a client that has the first commit.
struct Stage {
    ground: Ground,
    served: Repo,
    pristine: PathBuf,
    /// The newest commit.
    to: String,
}

/// What is served in the place of a file, if it is another.
type Spoilt = Arc<dyn Fn(&str, &mut TcpStream) -> bool + Send + Sync>;

impl Stage {
    fn new() -> Self {
        let ground = Ground::new();
        let ostler = Program::ostler();
        let served = ostler.init_quick(&ground.join("served"), "archive");
        let tree = ground.join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("changed"), noise(300_000, 1)).unwrap();
        fs::write(tree.join("sub/small"), "small").unwrap();
        served.commit("main", &tree, &["--canonical-permissions"]);
        let server = Server::start(&ostler, served.path());
        let pristine = ground.join("pristine");
        let client = ostler.init_quick(&pristine, "bare-user");
        client.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
        client.run("pull", ["origin", "main"]);
        let mut content = noise(300_000, 1);
        content[5] ^= 1;
        content.extend(noise(400_000, 2));
        fs::write(tree.join("changed"), content).unwrap();
        let to = served.commit("main", &tree, &["--canonical-permissions"]);
        Self {
            ground,
            served,
            pristine,
            to,
        }
    }

    fn with_delta() -> Self {
        let stage = Self::new();
        stage.served.run("static-delta generate", ["main"]);
        stage
    }

    fn with_packs() -> Self {
        let stage = Self::new();
        stage.served.run("pack create", ["main"]);
        stage
    }

    /// Pulls as the client with the first commit; returns whether that went well.
    ///
    /// # Panics
    /// If it took more memory than it may, or lost or half made anything.
    fn pull(&self, what: &str, options: &[&str], spoilt: Option<Spoilt>) -> bool {
        let path = self.ground.join("client");
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(&self.pristine).arg(&path).status();
        assert!(copied.unwrap().success());
        let client = Program::ostler().repo(&path);
        let before = client.rev_parse("origin:main");
        let root = self.served.path().to_owned();
        let enemy = spoilt.map(|spoilt| {
            Enemy::start(move |path, stream| {
                let path = path.trim_start_matches('/');
                if spoilt(path, stream) {
                    return;
                }
                match fs::read(root.join(path)) {
                    Ok(body) => send_whole(stream, &body),
                    Err(_) => send_missing(stream),
                }
            })
        });
        // It knows ranges.
        let server = Server::start(&Program::ostler(), self.served.path());
        let url = enemy.map_or(server.url(), |enemy| enemy.url);
        client.run("remote add", ["--force", "--no-gpg-verify", "origin", &url]);
        let into = format!("--repo={}", path.display());
        let mut arguments = vec!["pull", &into, "--network-retries=0"];
        arguments.extend(options);
        arguments.extend(["origin", "main"]);
        let ending = self.ground.attempt(&arguments);
        let peak = ending.peak_kib;
        assert!(peak > 0 && peak <= PEAK_KIB, "{what}: {peak} KiB");
        client.fsck();
        let after = client.rev_parse("origin:main");
        match ending.code {
            Some(0) => assert_eq!(after, self.to, "{what}"),
            Some(1) => assert_eq!(after, before, "{what}: {}", ending.stderr),
            other => panic!("{what}: {other:?} {}", ending.stderr),
        }
        ending.code == Some(0)
    }

    fn superblock_path(&self) -> PathBuf {
        let found = walkdir::WalkDir::new(self.served.path().join("deltas"))
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .find(|path| path.ends_with("superblock"));
        found.unwrap()
    }

    /// Changes the superblock, and gives its first part this file.
    fn forge(&self, part: &[u8], change: impl FnOnce(&mut Superblock)) {
        let path = self.superblock_path();
        let mut superblock = Superblock::parse(&fs::read(&path).unwrap()).unwrap();
        superblock.parts[0].checksum = Checksum::of(part);
        superblock.parts[0].compressed_size = part.len() as u64;
        change(&mut superblock);
        fs::write(&path, superblock.to_bytes().unwrap()).unwrap();
        fs::write(path.with_file_name("0"), part).unwrap();
    }

    fn index_path(&self) -> PathBuf {
        self.served
            .path()
            .join(PackIndex::path(self.to.parse::<Checksum>().unwrap().into()))
    }

    /// Changes the index of the newest commit.
    fn forge_index(&self, change: impl FnOnce(&mut PackIndex)) {
        let path = self.index_path();
        let mut index = PackIndex::parse(&fs::read(&path).unwrap()).unwrap();
        change(&mut index);
        fs::write(&path, index.to_bytes()).unwrap();
    }
}

fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    })
    .take(length)
    .collect()
}

/// A part's file that xz unpacks to a gigabyte of zeros.
fn xz_bomb() -> Vec<u8> {
    let mut xz = Command::new("xz")
        .args(["-0", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = xz.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let zeros = vec![0; 1 << 20];
        (0..1 << 10).for_each(|_| stdin.write_all(&zeros).unwrap());
    });
    let packed = xz.wait_with_output().unwrap().stdout;
    feeder.join().unwrap();
    [b"x", &packed[..]].concat()
}

/// A part's file, not compressed, with these operations and this data.
fn part(operations: &[Operation], data: &[u8]) -> Vec<u8> {
    let mut builder = PartBuilder::new();
    builder.owner_index(FileOwner {
        uid: 0,
        gid: 0,
        mode: 0o100_644,
    });
    builder.xattrs_index(&ostler_format::Xattrs::new());
    builder.push_data(data);
    operations.iter().for_each(|it| builder.push(it));
    [b"\0", &builder.finish().unwrap()[..]].concat()
}

/// A file that is made of a patch with these numbers, of the source in the data.
fn patched(numbers: [i64; 3]) -> Vec<u8> {
    let control = numbers.map(|number| {
        let sign = if number < 0 { 1 << 63 } else { 0 };
        (number.unsigned_abs() | sign).to_le_bytes()
    });
    let (owner, xattrs, size, offset) = (0, 0, 1 << 30, 0);
    let open = Operation::Open {
        owner,
        xattrs,
        size,
    };
    part(
        &[
            open,
            Operation::Patch { offset, size: 24 },
            Operation::Close,
        ],
        &control.concat(),
    )
}

#[test]
fn parts_that_lie_are_passed_over_and_take_no_memory() {
    let (owner, xattrs) = (0, 0);
    let file = |size, offset| Operation::WriteFile {
        owner,
        xattrs,
        size,
        offset,
    };
    let wrong_owner = Operation::WriteFile {
        owner: u64::MAX,
        xattrs,
        size: 1,
        offset: 0,
    };
    let open = |size| Operation::Open {
        owner,
        xattrs,
        size,
    };
    let source = Operation::SetSource { offset: 0 };
    let write = |size, offset| Operation::Write { size, offset };
    let metadata = |size| Operation::WriteMetadata { size, offset: 0 };
    let endless = (0..100_000).flat_map(|_| [Operation::UnsetSource; 10]);
    let parts = [
        ("a bomb", xz_bomb()),
        ("a bomb that ends early", xz_bomb()[..50_000].to_vec()),
        ("no part at all", noise(100_000, 9)),
        ("no operations", part(&[], b"")),
        (
            "operations without effect",
            part(&endless.collect::<Vec<_>>(), b""),
        ),
        ("data beyond the end", part(&[file(1 << 20, 0)], b"short")),
        (
            "an offset without end",
            part(&[file(1, u64::MAX)], b"short"),
        ),
        (
            "metadata without end",
            part(&[metadata(u64::MAX)], b"short"),
        ),
        (
            "metadata of 128 MiB",
            part(&[metadata(128 << 20)], b"short"),
        ),
        ("an owner that is not there", part(&[wrong_owner], b"short")),
        (
            "a file that is never closed",
            part(&[open(5), write(5, 0)], b"short"),
        ),
        (
            "more than was opened",
            part(&[open(1), write(5, 0)], b"short"),
        ),
        (
            "a source that is not here",
            part(&[open(5), source, write(5, 0)], &[7; 32]),
        ),
        ("a patch without a source", patched([0, 0, 1])),
        ("a patch of negative length", patched([-1, -1, -1])),
        (
            "a patch without end",
            patched([i64::MAX, i64::MAX, i64::MAX]),
        ),
    ];
    let stage = Stage::with_delta();
    for (what, part) in &parts {
        stage.forge(part, |_| {});
        assert!(
            !stage.pull(what, &["--require-static-deltas"], None),
            "{what}"
        );
        assert!(stage.pull(what, &[], None), "{what}");
    }
}

#[test]
fn superblocks_that_lie_are_passed_over_and_take_no_memory() {
    let stage = Stage::with_delta();
    let path = stage.superblock_path();
    let honest = fs::read(&path).unwrap();
    let part = fs::read(path.with_file_name("0")).unwrap();
    assert!(stage.pull("honest", &["--require-static-deltas"], None));
    type Change = fn(&mut Superblock);
    let changes: [(&str, Change); 4] = [
        ("a circle of deltas", |it| {
            let (to, from) = (it.name.to.checksum(), it.name.from.unwrap().checksum());
            it.prerequisites = vec![(from, to), (to, from)];
        }),
        ("a part of no bytes", |it| it.parts[0].compressed_size = 0),
        ("a part beyond all bounds", |it| {
            it.parts[0].compressed_size = u64::MAX
        }),
        ("a million parts", |it| {
            it.parts = vec![it.parts[0].clone(); 1_000_000];
            it.parts[1..]
                .iter_mut()
                .for_each(|part| part.objects.clear());
        }),
    ];
    for (what, change) in changes {
        fs::write(&path, &honest).unwrap();
        stage.forge(&part, change);
        let required = stage.pull(what, &["--require-static-deltas"], None);
        // The parts that the others repeat bring nothing, and nothing is missing.
        assert_eq!(required, what == "a million parts", "{what}");
        assert!(stage.pull(what, &[], None), "{what}");
    }
    let commit = Superblock::parse(&honest).unwrap().commit;
    let at = honest.windows(commit.len()).position(|it| it == commit);
    let mut another = honest.clone();
    // Within the checksum of the root's metadata.
    another[at.unwrap() + commit.len() - 20] ^= 1;
    fs::write(&path, another).unwrap();
    assert!(!stage.pull("another commit", &["--require-static-deltas"], None));
    assert!(stage.pull("another commit", &[], None));
    fs::write(&path, &honest).unwrap();
    stage.forge(&part, |it| it.parts[0].uncompressed_size = u64::MAX);
    let what = "more than any disk has";
    assert!(!stage.pull(what, &["--require-static-deltas"], None));
    assert!(stage.pull(what, &[], None));
    fs::write(&path, &honest).unwrap();
    for suffix in ["superblock", "/0"] {
        let spoilt: Spoilt = Arc::new(move |path, stream| {
            let it = path.starts_with("deltas/") && path.ends_with(suffix);
            if it {
                endless(stream, "HTTP/1.1 200 OK\r\n\r\n");
            }
            it
        });
        assert!(!stage.pull(
            suffix,
            &["--require-static-deltas"],
            Some(Arc::clone(&spoilt))
        ));
        assert!(stage.pull(suffix, &[], Some(spoilt)));
    }
}

/// The group of the file that has changed.
fn changed_file(index: &mut PackIndex) -> &mut PackGroup {
    let groups = index.groups.iter_mut();
    groups.max_by_key(|group| group.unpacked()).unwrap()
}

/// A Zstandard frame, with this descriptor of its window, of so many blocks that repeat a byte 128 KiB long.
fn zstd_frame(window: u8, blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    for number in 0..blocks {
        let is_last = u32::from(number + 1 == blocks);
        let header = ((128 << 10) << 3) | (1 << 1) | is_last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b'z');
    }
    frame
}

#[test]
fn packs_that_lie_are_passed_over_and_take_no_memory() {
    let stage = Stage::with_packs();
    assert!(stage.pull("honest", &[], None));
    let honest = fs::read(stage.index_path()).unwrap();
    let pack_file = |index: &PackIndex| stage.served.path().join(index.packs[0].path());
    let pack = pack_file(&PackIndex::parse(&honest).unwrap());
    let bytes = fs::read(&pack).unwrap();
    // A gigabyte, of which the index says nothing; and a window of two gigabytes.
    for (what, window, blocks, claimed) in [
        ("a bomb", 0x38, 8 << 10, None),
        (
            "a bomb of which much is claimed",
            0x38,
            8 << 10,
            Some(1 << 29),
        ),
        ("a window beyond all bounds", 0xa8, 4, None),
    ] {
        let mut frame = zstd_frame(window, blocks);
        frame.resize(bytes.len().max(frame.len()), 0);
        fs::write(&pack, &frame).unwrap();
        stage.forge_index(|index| {
            index.packs[0].size = frame.len() as u64;
            if let Some(claimed) = claimed {
                changed_file(index).members[0].size = claimed;
            }
        });
        assert!(stage.pull(what, &[], None), "{what}");
        fs::write(stage.index_path(), &honest).unwrap();
    }
    fs::write(&pack, &bytes).unwrap();
    // More than Zstandard makes of so little is not believed; more than there is room for is refused.
    let claim = |size: u64, packed: u64| {
        stage.forge_index(|index| {
            index.packs[0].size = index.packs[0].size.max(1 << 50);
            let group = changed_file(index);
            group.members[0].size = size;
            group.packed = packed;
            // What follows would overlap.
            let after = group.offset;
            index.groups.retain(|group| group.offset <= after);
        });
    };
    claim(1 << 60, 100);
    assert!(stage.pull("a size that cannot be", &[], None));
    fs::write(stage.index_path(), &honest).unwrap();
    claim(1 << 49, 1 << 48);
    assert!(!stage.pull("a size for which there is no room", &[], None));
    fs::write(stage.index_path(), &honest).unwrap();
    for suffix in [".pack", ".index"] {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-9999999999/10000000000\r\n\r\n",
        ] {
            let spoilt: Spoilt = Arc::new(move |path, stream| {
                let it = path.starts_with("packs/") && path.ends_with(suffix);
                if it {
                    endless(stream, head);
                }
                it
            });
            assert!(stage.pull(suffix, &[], Some(spoilt)), "{suffix} {head}");
        }
    }
    assert!(Path::new(&pack).exists());
}
