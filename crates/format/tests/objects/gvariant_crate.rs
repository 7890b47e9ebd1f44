use gvariant::{Marker as _, Structure as _, VariantWrap, gv};
use ostler_format::{Checksum, Type, Value};

use crate::samples;

#[test]
fn dirtrees_of_every_framing_width_are_the_crates_bytes() {
    for count in [0, 1, 4, 5, 6, 200, 1300, 1500, 1600, 3000] {
        let tree = samples::dirtree(count);
        let bytes = |sum: Checksum| sum.as_bytes().to_vec();
        let files = tree
            .files
            .iter()
            .map(|(name, id)| (name.as_str(), bytes(id.checksum())));
        let files: Vec<_> = files.collect();
        let files: Vec<_> = files.iter().map(|(name, id)| (*name, &id[..])).collect();
        let dirs = tree.dirs.iter().map(|dir| {
            (
                dir.name.as_str(),
                bytes(dir.tree.checksum()),
                bytes(dir.meta.checksum()),
            )
        });
        let dirs: Vec<_> = dirs.collect();
        let dirs: Vec<_> = dirs
            .iter()
            .map(|(name, tree, meta)| (*name, &tree[..], &meta[..]))
            .collect();
        let theirs = gv!("(a(say)a(sayay))").serialize_to_vec(&(&files[..], &dirs[..]));
        assert_eq!(tree.to_bytes().unwrap(), theirs, "{count} files");
    }
}

const SUM: [u8; 32] = [0xab; 32];

#[test]
fn commits_and_headers_are_the_crates_bytes() {
    let sum = Checksum::new(SUM);
    let mut commit = samples::commit();
    commit.metadata = [
        ("k".into(), "v".into()),
        ("lang".into(), "w".repeat(70).into()),
    ]
    .into_iter()
    .collect();
    commit.parent = Some(sum.into());
    commit.related = vec![("r".into(), sum)];
    commit.tree = sum.into();
    commit.meta = sum.into();
    let long = "w".repeat(70);
    let metadata = [("k", "v"), ("lang", long.as_str())]
        .map(|(key, value)| (key, VariantWrap(gv!("s"), value)));
    let related = [("r", &SUM[..])];
    let time = commit.timestamp.swap_bytes();
    let theirs = (
        &metadata[..],
        &SUM[..],
        &related[..],
        "subject",
        "body\n",
        time,
        &SUM[..],
        &SUM[..],
    );
    let theirs = gv!("(a{sv}aya(say)sstayay)").serialize_to_vec(&theirs);
    assert_eq!(commit.to_bytes().unwrap(), theirs);

    let header = samples::file_header();
    let xattrs: Vec<_> = header
        .xattrs
        .iter()
        .map(|(name, value)| ([name, b"\0"].concat(), value))
        .collect();
    let xattrs: Vec<_> = xattrs
        .iter()
        .map(|(name, value)| (&name[..], *value))
        .collect();
    let [uid, gid, mode] = [header.uid, header.gid, header.mode].map(u32::swap_bytes);
    let theirs = gv!("(uuuusa(ayay))").serialize_to_vec(&(uid, gid, mode, 0u32, "", &xattrs[..]));
    assert_eq!(header.to_bytes().unwrap(), theirs);
    let theirs = (9u64.swap_bytes(), uid, gid, mode, 0u32, "", &xattrs[..]);
    let theirs = gv!("(tuuuusa(ayay))").serialize_to_vec(&theirs);
    assert_eq!(header.archive_prefix(9).unwrap()[8..], theirs);
    let theirs = gv!("(uuua(ayay))").serialize_to_vec(&(uid, gid, mode, &xattrs[..]));
    assert_eq!(header.to_user_meta().unwrap(), theirs);
}

#[test]
fn the_crate_reads_a_commit_as_it_was_meant() {
    let bytes = samples::commit().to_bytes().unwrap();
    let view = gv!("(a{sv}aya(say)sstayay)").from_bytes(&bytes);
    let (metadata, parent, related, subject, body, timestamp, tree, _) = view.to_tuple();
    let keys: Vec<_> = metadata
        .iter()
        .map(|entry| entry.to_tuple().0.to_str())
        .collect();
    assert_eq!(keys, ["version", "n", "list", "n", "nested"]);
    assert_eq!(parent, samples::sum("parent").as_bytes());
    assert_eq!(related.len(), 1);
    assert_eq!((subject.to_str(), body.to_str()), ("subject", "body\n"));
    assert_eq!(timestamp.swap_bytes(), 0x0102_0304_0506_0708);
    assert_eq!(tree, samples::sum("tree").as_bytes());
}

#[test]
fn values_of_many_shapes_are_the_crates_bytes() {
    macro_rules! same {
        ($ty:literal, $text:expr, $theirs:expr) => {{
            let ty = Type::parse($ty).unwrap();
            let text = $text;
            let value = Value::parse_text(Some(&ty), &text)
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            let theirs = gv!($ty).serialize_to_vec($theirs);
            assert_eq!(value.to_bytes().unwrap(), theirs, "{text}");
        }};
    }
    for length in [
        251, 252, 253, 254, 255, 256, 65_527, 65_528, 65_529, 65_530, 65_531, 65_532, 65_533,
        65_534,
    ] {
        let text = "x".repeat(length);
        same!("as", format!("['{text}']"), [text.as_str()]);
        same!("as", format!("['{text}', '']"), [text.as_str(), ""]);
        same!(
            "(ssy)",
            format!("('{text}', '', 7)"),
            &(text.as_str(), "", 7u8)
        );
    }
    same!("as", "[]", [""; 0]);
    same!("aay", "[[], [], []]", [b""; 3]);
    same!(
        "a(sut)",
        "[('abc', 1, 2), ('', 3, 4)]",
        &[("abc", 1u32, 2u64), ("", 3, 4)]
    );
    same!(
        "a(suy)",
        "[('abc', 1, 2), ('', 3, 4)]",
        &[("abc", 1u32, 2u8), ("", 3, 4)]
    );
    same!("ms", "nothing", &None::<&str>);
    same!("ms", "''", &Some(""));
    same!("amt", "[nothing, 1, 2]", &[None, Some(1u64), Some(2)]);
    same!(
        "a{ss}",
        "{'a': 'b', 'cc': 'dd'}",
        &[("a", "b"), ("cc", "dd")]
    );
    same!("v", "<uint16 3>", VariantWrap(gv!("q"), 3u16));
    same!(
        "v",
        "<<'x'>>",
        VariantWrap(gv!("v"), VariantWrap(gv!("s"), "x"))
    );
    same!("(sas)", "('', [])", &("", [""; 0]));
    same!("(yaty)", "(1, [], 2)", &(1u8, &[0u64; 0][..], 2u8));
    same!("(yaty)", "(1, [3], 2)", &(1u8, &[3u64][..], 2u8));
    same!("(yat)", "(1, [])", &(1u8, &[0u64; 0][..]));
    same!(
        "a(ya(yt))",
        "[(1, [(2, 3)]), (4, [])]",
        &[(1u8, &[(2u8, 3u64)][..]), (4, &[][..])]
    );
}
