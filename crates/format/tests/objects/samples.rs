//! Objects built by hand that use every feature of their formats, and random numbers that repeat.

use ostler_format::{
    Checksum, Commit, DirEntry, DirMeta, DirTree, FileHeader, Metadata, S_IFDIR, S_IFLNK, S_IFREG,
    Summary, SummaryRef, Value, Xattrs,
};

pub(crate) fn sum(seed: &str) -> Checksum {
    Checksum::of(seed.as_bytes())
}

pub(crate) fn xattrs() -> Xattrs {
    let pairs = [
        ("user.b", "2"),
        ("security.selinux", "system_u:object_r:bin_t:s0\0"),
        ("user.a", ""),
    ];
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    Xattrs::from_pairs(pairs.to_vec()).unwrap()
}

pub(crate) fn dirmeta() -> DirMeta {
    DirMeta {
        uid: 1,
        gid: 0x0102_0304,
        mode: S_IFDIR | 0o1755,
        xattrs: xattrs(),
    }
}

pub(crate) fn dirtree(files: usize) -> DirTree {
    let mut tree = DirTree::default();
    for i in 0..files {
        tree.files
            .push((format!("file-{i}"), sum(&format!("f{i}")).into()));
    }
    for name in ["dir", "lib", "é", &"d".repeat(250)] {
        tree.dirs.push(DirEntry {
            name: name.into(),
            tree: sum(name).into(),
            meta: sum("meta").into(),
        });
    }
    tree.sort();
    tree
}

pub(crate) fn file_header() -> FileHeader {
    FileHeader {
        uid: 0,
        gid: 5,
        mode: S_IFREG | 0o4755,
        symlink_target: String::new(),
        xattrs: xattrs(),
    }
}

pub(crate) fn symlink_header(target: &str) -> FileHeader {
    let xattrs = Xattrs::new();
    FileHeader {
        uid: 7,
        gid: 0,
        mode: S_IFLNK | 0o777,
        symlink_target: target.into(),
        xattrs,
    }
}

pub(crate) fn metadata() -> Metadata {
    let mut metadata = Metadata::new();
    metadata.push("version", "39");
    metadata.push("n", 7u32);
    metadata.push("list", Value::strings(["a", "bc", ""]));
    metadata.push("n", 9u64);
    let text =
        "{'k': <[(1, @ms nothing, b'x'), (2, 'y', b'')]>, 'd': <(1.5, byte 3, {'a', <int16 1>})>}";
    metadata.push("nested", Value::parse_text(None, text).unwrap());
    metadata
}

pub(crate) fn commit() -> Commit {
    Commit {
        metadata: metadata(),
        parent: Some(sum("parent").into()),
        related: vec![("r".into(), sum("related"))],
        subject: "subject".into(),
        body: "body\n".into(),
        timestamp: 0x0102_0304_0506_0708,
        tree: sum("tree").into(),
        meta: sum("meta").into(),
    }
}

pub(crate) fn summary() -> Summary {
    let entry = |name: &str| SummaryRef {
        name: name.into(),
        commit_size: 166,
        commit: sum(name).into(),
        metadata: [(
            "ostree.commit.timestamp".into(),
            Value::Uint64(5u64.swap_bytes()),
        )]
        .into_iter()
        .collect(),
    };
    let refs = vec![entry("a"), entry("a/b"), entry("b")];
    let mut metadata = metadata();
    metadata.push("ostree.summary.last-modified", 77u64.swap_bytes());
    let map = ostler_format::refs_to_value(&refs);
    let entry = Value::DictEntry(Box::new("org.example.Other".into()), Box::new(map));
    metadata.push(
        "ostree.summary.collection-map",
        Value::Array(entry.ty(), vec![entry]),
    );
    Summary { refs, metadata }
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}
