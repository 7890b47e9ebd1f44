use ostler_format::{
    Annotate, Commit, DirMeta, DirTree, DirTreeRef, FileHeader, Metadata, SizeEntry, Summary, Type,
    Value, Xattrs, read_varint,
};

use crate::samples::{self, Random};

/// Changes one to four bytes, or cuts, doubles or swaps a stretch.
pub(crate) fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(out.len() + 1);
        match random.below(7) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 if at < out.len() => out[at] = [0, 1, 0x7f, 0x80, 0xff, b'/', b'.'][random.below(7)],
            2 if at < out.len() => drop(out.remove(at)),
            3 => out.insert(at, random.below(256) as u8),
            4 => out.truncate(at),
            5 => {
                let stretch = out[at..(at + random.below(40)).min(out.len())].to_vec();
                out.splice(at..at, stretch);
            }
            _ if at < out.len() => out[at] = out[at].wrapping_add(1),
            _ => {}
        }
    }
    out
}

/// Runs `parse` on many broken forms of `bytes`; what it accepts it must give back as it was.
pub(crate) fn check(bytes: &[u8], rounds: usize, parse: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(parse(bytes).as_deref(), Some(bytes), "the unbroken bytes");
    let mut random = Random(bytes.len() as u64);
    let mut refused = 0;
    for _ in 0..rounds {
        let broken = mutate(bytes, &mut random);
        match parse(&broken) {
            Some(written) => assert_eq!(written, broken),
            None => refused += 1,
        }
    }
    assert!(refused > rounds / 4, "only {refused} of {rounds} refused");
}

const ROUNDS: usize = 5_000;

#[test]
fn broken_metadata_objects_are_refused_or_written_back_as_they_were() {
    let commit = samples::commit().to_bytes().unwrap();
    check(&commit, ROUNDS, |bytes| {
        Some(Commit::parse(bytes).ok()?.to_bytes().unwrap())
    });
    for files in [0, 3, 40] {
        let tree = samples::dirtree(files).to_bytes().unwrap();
        check(&tree, ROUNDS, |bytes| {
            Some(DirTree::parse(bytes).ok()?.to_bytes().unwrap())
        });
    }
    let meta = samples::dirmeta().to_bytes().unwrap();
    check(&meta, ROUNDS, |bytes| {
        Some(DirMeta::parse(bytes).ok()?.to_bytes().unwrap())
    });
    let metadata = samples::metadata().to_bytes().unwrap();
    check(&metadata, ROUNDS, |bytes| {
        Some(Metadata::parse(bytes).ok()?.to_bytes().unwrap())
    });
    let summary = samples::summary().to_bytes().unwrap();
    check(&summary, ROUNDS, |bytes| {
        let summary = Summary::parse(bytes).ok()?;
        let _ = (
            summary.collection_map(),
            summary.static_deltas(),
            summary.last_modified(),
        );
        Some(summary.to_bytes().unwrap())
    });
}

#[test]
fn broken_headers_are_refused_or_written_back_as_they_were() {
    for header in [
        samples::file_header(),
        samples::symlink_header("target"),
        samples::symlink_header(&"t".repeat(300)),
    ] {
        check(&header.to_bytes().unwrap(), ROUNDS, |bytes| {
            Some(FileHeader::parse(bytes).ok()?.to_bytes().unwrap())
        });
        let size = if header.is_symlink() { 0 } else { 5 };
        let prefix = header.archive_prefix(size).unwrap();
        check(&prefix, ROUNDS, |bytes| {
            let (header, size, end) = FileHeader::parse_archive_prefix(bytes).ok()?;
            let read = FileHeader::read_archive_prefix(&mut &bytes[..]).unwrap();
            assert_eq!(read, (header.clone(), size));
            Some([&header.archive_prefix(size).unwrap(), &bytes[end..]].concat())
        });
        let content = header.content_prefix().unwrap();
        check(&content, ROUNDS, |bytes| {
            let mut rest = bytes;
            let header = FileHeader::read_content_prefix(&mut rest).ok()?;
            Some([&header.content_prefix().unwrap(), rest].concat())
        });
    }
    let meta = samples::file_header().to_user_meta().unwrap();
    check(&meta, ROUNDS, |bytes| {
        Some(
            FileHeader::parse_user_meta(bytes)
                .ok()?
                .to_user_meta()
                .unwrap(),
        )
    });
    let xattrs = samples::xattrs().to_bytes();
    check(&xattrs, ROUNDS, |bytes| {
        Some(Xattrs::parse(bytes).ok()?.to_bytes())
    });
}

#[test]
fn broken_values_are_refused_or_written_back_as_they_were() {
    for (ty, text) in [
        (
            "a{sv}",
            "{'a': <1>, 'b': <@a{sv} {'c': <(b'x', [1, 2])>}>, 'd': <@mmas just nothing>}",
        ),
        (
            "(ymsx(qs)aas)",
            "(1, 'x', 2, (3, 'y'), [['a'], [], ['bc', '']])",
        ),
        ("a(yuam(bt))", "[(1, 2, [(true, 3), nothing]), (4, 5, [])]"),
        ("v", "<<<objectpath '/a/b'>>>"),
        ("(gomd{us})", "('a{sv}', '/', 1.5, {1, 'x'})"),
    ] {
        let ty = Type::parse(ty).unwrap();
        let bytes = Value::parse_text(Some(&ty), text)
            .unwrap()
            .to_bytes()
            .unwrap();
        check(&bytes, ROUNDS, |bytes| {
            let value = Value::parse(&ty, bytes).ok()?;
            let _ = (value.print(Annotate::Types), value.byteswapped());
            Some(value.to_bytes().unwrap())
        });
    }
}

#[test]
fn broken_text_is_refused_or_read_and_never_more() {
    let texts = [
        "{'version': <'39'>, 'size': <uint64 7>, 'l': <@a(say) [('x', b'y\\377')]>}",
        "[(1, 2.5e3, 'it\\'s\\u00e9'), (-0x1f, just nothing, objectpath '/a')]",
    ];
    let mut random = Random(1);
    for text in texts {
        for _ in 0..ROUNDS {
            let broken =
                String::from_utf8_lossy(&mutate(text.as_bytes(), &mut random)).into_owned();
            if let Ok(value) = Value::parse_text(None, &broken) {
                let again = Value::parse_text(None, &value.print(Annotate::Types));
                assert_eq!(
                    again.unwrap().print(Annotate::Types),
                    value.print(Annotate::Types),
                    "{broken}"
                );
            }
            let _ = Type::parse(&broken);
        }
    }
}

#[test]
fn broken_sizes_and_varints_never_panic() {
    let mut random = Random(2);
    for length in 0..60 {
        for _ in 0..500 {
            let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            let _ = (SizeEntry::parse(&bytes), read_varint(&bytes));
        }
    }
}

#[test]
fn what_parses_in_place_is_what_the_iterators_return() {
    let bytes = samples::dirtree(10).to_bytes().unwrap();
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let broken = mutate(&bytes, &mut random);
        if let Ok(tree) = DirTreeRef::parse(&broken) {
            assert_eq!(tree.files().count(), tree.files().len());
            assert_eq!(tree.dirs().count(), tree.dirs().len());
        }
    }
}

#[test]
fn small_bytes_never_become_large_memory() {
    let wide = format!("a(s{})", "y".repeat(60_000));
    let ty = Type::parse(&format!("a{wide}")).unwrap();
    let many_empty = vec![0; 1 << 20];
    let _ = Value::parse(&ty, &many_empty);
    let units = Type::parse(&format!("a{}{}", "(".repeat(60), ")".repeat(60))).unwrap();
    let error = Value::parse(&units, &vec![0; 8 << 20]).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
}

#[test]
fn nested_variants_deeper_than_the_limit_are_refused() {
    let mut bytes = b"\x01\0y".to_vec();
    for _ in 0..200 {
        bytes.extend(b"\0v");
    }
    assert!(
        Value::parse(&Type::Variant, &bytes)
            .unwrap_err()
            .to_string()
            .contains("deeper")
    );
}
