//! Golden values are those of libcomposefs 1.0.8: `composefs-info measure-file FILE` for files, and for images
//! `mkcomposefs --from-file DUMP IMAGE` or `ostree checkout --composefs` of libostree 2026.4.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::checksum::Checksum;
use crate::xattrs::Xattrs;

fn digest(bytes: &[u8]) -> String {
    let mut hasher = VerityHasher::new();
    // In pieces that are no blocks.
    for piece in bytes.chunks(5000) {
        hasher.update(piece);
    }
    hasher.finish().to_hex()
}

#[test]
fn fs_verity_digests_are_the_kernels() {
    for (zeros, expected) in [
        // Of nothing it is that of the kernel; libcomposefs has another one, which it never writes.
        (
            0,
            "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95",
        ),
        (
            1,
            "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551",
        ),
        (
            4096,
            "babc284ee4ffe7f449377fbf6692715b43aec7bc39c094a95878904d34bac97e",
        ),
        (
            4097,
            "093756e4ea9683329106d4a16982682ed182c14bf076463a9e7f97305cbac743",
        ),
        // The hashes of 128 blocks fill one; those of 129 need two, and a level more.
        (
            524_288,
            "2d15bd7832895de85aa3d5bdfb57251e27bbec75ff467408340ab3eba858a2e1",
        ),
        (
            524_289,
            "e4143a5705610b7ad2eb85482cfc033c7062a89b9faf9118603f592d53fd10e0",
        ),
        (
            67_108_865,
            "be5993679f703697692cc6ce69e480edc9721baff591795438ae8097275c0687",
        ),
    ] {
        assert_eq!(digest(&vec![0; zeros]), expected, "{zeros}");
    }
}

fn attributes(mode: u32, uid: u32, gid: u32, xattrs: &[(&str, &[u8])]) -> Attributes {
    let pairs = xattrs.iter();
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
    Attributes {
        uid,
        gid,
        mode,
        xattrs: Xattrs::from_pairs(pairs.collect()).unwrap(),
    }
}

fn dir<const N: usize>(attributes: Attributes, entries: [(&str, Node); N]) -> Directory {
    let entries = entries.map(|(name, node)| (name.to_owned(), node));
    Directory {
        attributes,
        entries: BTreeMap::from(entries),
    }
}

fn file(attributes: Attributes, size: u64, path: &str, digest: Option<&str>) -> Node {
    Node::File {
        attributes,
        size,
        backing: Some(Backing {
            path: path.into(),
            digest: digest.map(|hex| Checksum::from_hex(hex).unwrap()),
        }),
    }
}

#[test]
fn an_image_of_unusual_inodes_is_that_of_mkcomposefs() {
    let shared = ("user.a", &b"shared"[..]);
    let label = b"system_u:object_r:root_t:s0";
    let link = Node::Symlink {
        attributes: attributes(0o777, 0, 0, &[]),
        target: "x".repeat(3500),
    };
    let short = Node::Symlink {
        attributes: attributes(0o777, 0, 65536, &[("user.longer-name", b"1")]),
        target: "../a".into(),
    };
    let acl = ("system.posix_acl_access", &[2, 0, 0, 0][..]);
    let acl = attributes(0o4755, 0, 0, &[acl, ("trusted.t", b"12345"), shared]);
    let of_acl = "0d8fceeb7b481c2687e5bb696408fd2b7710484106a3a6f1e09a215f3f85b7d5";
    let root = [
        ("security.selinux", &label[..]),
        ("trusted.overlay.opaque", b"x"),
        shared,
    ];
    let tree = dir(
        attributes(0o1777, 3, 4, &root),
        [
            (
                // In the place of a whiteout, and with an owner that a compact inode has no room for.
                "00",
                Node::Directory(dir(
                    attributes(0o700, 70000, 4, &[shared]),
                    [("link", link), ("short", short)],
                )),
            ),
            ("acl", file(acl, 5, "ab/cd.file", Some(of_acl))),
            (
                "big",
                file(
                    attributes(0o644, 0, 0, &[]),
                    5_000_000_000,
                    "ee/ff.file",
                    None,
                ),
            ),
        ],
    );
    assert_eq!(
        digest(&to_image(&tree).unwrap()),
        "be4fca46cd42b76cc380ab87f3c7556a18cae5bf43ab8683f76156bab43f4aa0"
    );
}

#[test]
fn what_no_image_can_hold_is_refused_by_name() {
    let nobody = Attributes::default;
    let image = |name: &str, node| to_image(&dir(nobody(), [(name, node)]));
    let long = "n".repeat(256);
    let found = image(&long, file(nobody(), 1, "a", None));
    assert_eq!(found, Err(ImageError::Name { name: long }));
    let target = "t".repeat(4096);
    let link = Node::Symlink {
        attributes: nobody(),
        target,
    };
    assert_eq!(
        image("l", link),
        Err(ImageError::Target { name: "l".into() })
    );
    let size = u64::MAX;
    let found = image("f", file(nobody(), size, "a", None));
    let name = "f".into();
    assert_eq!(found, Err(ImageError::Size { name, size }));
    let big = vec![0; 65536];
    let found = image(
        "x",
        file(attributes(0, 0, 0, &[("user.a", &big)]), 0, "", None),
    );
    assert_eq!(found, Err(ImageError::Xattrs { name: "x".into() }));
}

/// Reads an image as the kernel does, as far as paths, types, sizes and targets go.
struct Reader<'i> {
    image: &'i [u8],
    found: BTreeMap<String, (u16, u64, Vec<u8>)>,
}

impl Reader<'_> {
    fn number(&self, at: usize, bytes: usize) -> usize {
        let field = self.image[at..at + bytes].iter().rev();
        field.fold(0, |number, byte| number << 8 | usize::from(*byte))
    }

    fn inode(&mut self, path: &str, nid: usize) {
        let at = nid * 32;
        let format = self.number(at, 2);
        let (head, size) = match format & 1 {
            0 => (32, self.number(at + 8, 4)),
            _ => (64, self.number(at + 8, 8)),
        };
        let mode = u16::try_from(self.number(at + 4, 2)).unwrap();
        let words = self.number(at + 2, 2);
        let xattrs = if words == 0 { 0 } else { 12 + 4 * (words - 1) };
        let tail = at + head + xattrs;
        let block = self.number(at + 16, 4) * BLOCK;
        let content: Vec<u8> = match format & 0xe {
            8 => Vec::new(),
            0 if size == 0 => Vec::new(),
            0 => self.image[block..block + size].to_vec(),
            4 => {
                let whole = size / BLOCK * BLOCK;
                assert_eq!(
                    tail / BLOCK,
                    (tail + size - whole - 1) / BLOCK,
                    "{path}: one block"
                );
                let blocks = if whole == 0 {
                    &[][..]
                } else {
                    &self.image[block..block + whole]
                };
                [blocks, &self.image[tail..tail + size - whole]].concat()
            }
            other => panic!("{path}: layout {other}"),
        };
        if mode & 0o170_000 == 0o040_000 {
            for block in content.chunks(BLOCK) {
                self.entries(path, block);
            }
        }
        let target = if mode & 0o170_000 == 0o120_000 {
            content
        } else {
            Vec::new()
        };
        let size = if mode & 0o170_000 == 0o040_000 {
            0
        } else {
            size as u64
        };
        let before = self.found.insert(path.to_owned(), (mode, size, target));
        assert_eq!(before, None, "{path} twice");
    }

    fn entries(&mut self, path: &str, block: &[u8]) {
        let number = |at: usize| usize::from(u16::from_le_bytes([block[at], block[at + 1]]));
        let count = number(8) / 12;
        for index in 0..count {
            let begin = number(12 * index + 8);
            let end = if index + 1 < count {
                number(12 * index + 20)
            } else {
                block.len()
            };
            let name = std::str::from_utf8(&block[begin..end]).unwrap();
            let name = name.trim_end_matches('\0');
            if name != "." && name != ".." {
                let nid = u64::from_le_bytes(block[12 * index..12 * index + 8].try_into().unwrap());
                self.inode(&format!("{path}/{name}"), usize::try_from(nid).unwrap());
            }
        }
    }
}

fn read(image: &[u8]) -> BTreeMap<String, (u16, u64, Vec<u8>)> {
    let mut reader = Reader {
        image,
        found: BTreeMap::new(),
    };
    let root = reader.number(1024 + 14, 2);
    reader.inode("", root);
    reader.found
}

fn expected(path: &str, node: &Node, out: &mut BTreeMap<String, (u16, u64, Vec<u8>)>) {
    let mode = |it: &Attributes| u16::try_from(it.mode & 0o7777).unwrap();
    let value = match node {
        Node::Directory(dir) => {
            for (name, node) in &dir.entries {
                expected(&format!("{path}/{name}"), node, out);
            }
            (0o040_000 | mode(&dir.attributes), 0, Vec::new())
        }
        Node::File {
            attributes, size, ..
        } => (0o100_000 | mode(attributes), *size, Vec::new()),
        Node::Symlink { attributes, target } => {
            let bytes = target.as_bytes().to_vec();
            (0o120_000 | mode(attributes), bytes.len() as u64, bytes)
        }
    };
    out.insert(path.to_owned(), value);
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let xattrs = prop::collection::btree_map(
        "(user|trusted|security|other)\\.[a-c]{1,3}",
        prop::collection::vec(any::<u8>(), 0..40),
        0..4,
    );
    (
        0..0o10000_u32,
        prop_oneof![Just(0), any::<u32>()],
        any::<u32>(),
        xattrs,
    )
        .prop_map(|(mode, uid, gid, xattrs)| {
            let pairs: Vec<_> = xattrs.iter().map(|(k, v)| (k.as_str(), &v[..])).collect();
            attributes(mode, uid, gid, &pairs)
        })
}

fn any_node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        (any_attributes(), 0..1_u64 << 43, any::<bool>()).prop_map(
            |(attributes, size, has_digest)| {
                let digest = has_digest.then_some(Checksum::of(b"x"));
                let path = "aa/bb.file".to_owned();
                Node::File {
                    attributes,
                    size,
                    backing: Some(Backing { path, digest }),
                }
            }
        ),
        (any_attributes(), 1..4096_usize).prop_map(|(attributes, length)| Node::Symlink {
            attributes,
            target: "t".repeat(length),
        }),
    ];
    leaf.prop_recursive(4, 200, 60, |inner| {
        let entries = prop::collection::btree_map("[!-.0-~]{1,90}[!-~&&[^./]]", inner, 0..60);
        (any_attributes(), entries).prop_map(|(attributes, entries)| {
            Node::Directory(Directory {
                attributes,
                entries,
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_image_has_every_path_of_its_tree_and_the_whiteouts(
        attributes in any_attributes(),
        entries in prop::collection::btree_map("[0-9a-f]{2}|[a-z]{3,200}", any_node(), 0..30),
    ) {
        let tree = Directory { attributes, entries };
        let image = to_image(&tree).unwrap();
        prop_assert_eq!(image.len() % BLOCK, 0);
        let mut found = read(&image);
        found.retain(|path, (mode, ..)| *mode != 0o020_644 || tree.entries.contains_key(&path[1..]));
        let mut wanted = BTreeMap::new();
        expected("", &Node::Directory(tree.clone()), &mut wanted);
        prop_assert_eq!(found, wanted);
        let stubs = (0..256).filter(|n| !tree.entries.contains_key(&format!("{n:02x}"))).count();
        let all = read(&image).values().filter(|(mode, ..)| *mode == 0o020_644).count();
        prop_assert_eq!(all, stubs);
    }
}
