//! What is refused, and that the error says what and where.

use ostler_format::{
    Checksum, Commit, DirEntry, DirMeta, DirTree, FileHeader, MAX_HEADER_SIZE, Metadata,
    ObjectError, S_IFDIR, S_IFREG, Summary, Type, Value, VariantError, Xattrs, read_varint,
};

use crate::samples::{self, sum};

fn text_of(error: impl ToString) -> String {
    error.to_string()
}

#[test]
fn names_that_leave_their_directory_are_refused_when_read_and_when_written() {
    for name in ["", ".", "..", "a/b", "/", "nul\0"] {
        for as_directory in [false, true] {
            let mut tree = DirTree::default();
            if as_directory {
                tree.dirs.push(DirEntry {
                    name: name.into(),
                    tree: sum("t").into(),
                    meta: sum("m").into(),
                });
            } else {
                tree.files.push((name.into(), sum("f").into()));
            }
            assert!(
                matches!(tree.to_bytes(), Err(ObjectError::Name { .. })),
                "{name:?}"
            );
            if name.contains('\0') {
                continue;
            }
            let sums = vec![Value::Bytes(vec![7; 32]); 1 + usize::from(as_directory)];
            let mut list = vec![Value::from(name)];
            list.extend(sums);
            let item = Value::Tuple(list);
            let (full, empty) = (Value::Array(item.ty(), vec![item]), |ty| {
                Value::Array(Type::parse(ty).unwrap(), vec![])
            });
            let tree = if as_directory {
                vec![empty("(say)"), full]
            } else {
                vec![full, empty("(sayay)")]
            };
            let bytes = Value::Tuple(tree).to_bytes().unwrap();
            assert!(
                matches!(DirTree::parse(&bytes), Err(ObjectError::Name { .. })),
                "{name:?}"
            );
        }
    }
}

#[test]
fn listings_out_of_order_or_with_a_name_twice_are_refused() {
    let file = |name: &str| (name.to_owned(), sum(name).into());
    let dir = |name: &str| DirEntry {
        name: name.into(),
        tree: sum("t").into(),
        meta: sum("m").into(),
    };
    let cases = [
        DirTree {
            files: vec![file("b"), file("a")],
            dirs: vec![],
        },
        DirTree {
            files: vec![file("a"), file("a")],
            dirs: vec![],
        },
        DirTree {
            files: vec![],
            dirs: vec![dir("b"), dir("B")],
        },
        DirTree {
            files: vec![file("a"), file("m"), file("z")],
            dirs: vec![dir("b"), dir("m"), dir("y")],
        },
    ];
    for mut tree in cases {
        assert!(
            matches!(tree.to_bytes(), Err(ObjectError::Order { .. })),
            "{tree:?}"
        );
        let both = tree
            .files
            .iter()
            .map(|(name, _)| name)
            .chain(tree.dirs.iter().map(|dir| &dir.name));
        let distinct = both.collect::<std::collections::BTreeSet<_>>().len();
        let repeated = distinct < tree.files.len() + tree.dirs.len();
        tree.sort();
        assert_eq!(tree.to_bytes().is_err(), repeated);
    }
}

#[test]
fn a_listing_read_out_of_order_is_refused() {
    let good = DirTree {
        files: vec![("a".into(), sum("a").into()), ("b".into(), sum("b").into())],
        dirs: vec![],
    };
    let mut bytes = good.to_bytes().unwrap();
    let at = bytes.iter().position(|&byte| byte == b'b').unwrap();
    for (name, refused) in [(b'c', false), (b'a', true), (b'A', true)] {
        bytes[at] = name;
        assert_eq!(
            DirTree::parse(&bytes).is_err(),
            refused,
            "{}",
            char::from(name)
        );
    }
}

#[test]
fn modes_of_another_type_or_with_stray_bits_are_refused() {
    for (mode, allowed) in [
        (S_IFDIR | 0o7777, true),
        (S_IFDIR, true),
        (0o755, false),
        (S_IFREG | 0o755, false),
        (S_IFDIR | 0o755 | 1 << 16, false),
        (S_IFDIR | 0o755 | 1 << 31, false),
    ] {
        let meta = DirMeta {
            mode,
            ..samples::dirmeta()
        };
        assert_eq!(meta.to_bytes().is_ok(), allowed, "{mode:o}");
        let mut bytes = samples::dirmeta().to_bytes().unwrap();
        bytes[8..12].copy_from_slice(&mode.to_be_bytes());
        assert_eq!(DirMeta::parse(&bytes).is_ok(), allowed, "{mode:o}");
    }
    for mode in [
        0o644,
        S_IFDIR | 0o755,
        0o060644,
        0o010644,
        0o140644,
        S_IFREG | 0o644 | 1 << 20,
    ] {
        let header = FileHeader {
            mode,
            ..samples::file_header()
        };
        assert!(
            header.to_bytes().is_err()
                && header.archive_prefix(0).is_err()
                && header.to_user_meta().is_err()
        );
        let mut bytes = samples::file_header().to_bytes().unwrap();
        bytes[8..12].copy_from_slice(&mode.to_be_bytes());
        assert!(
            matches!(FileHeader::parse(&bytes), Err(ObjectError::Mode { .. })),
            "{mode:o}"
        );
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let symlink = samples::symlink_header("t");
    let cases = [
        FileHeader {
            symlink_target: String::new(),
            ..symlink.clone()
        },
        FileHeader {
            symlink_target: "a\0b".into(),
            ..symlink.clone()
        },
        FileHeader {
            symlink_target: "t".into(),
            ..samples::file_header()
        },
    ];
    for header in cases {
        assert!(header.to_bytes().is_err(), "{header:?}");
    }
    assert!(symlink.archive_prefix(1).is_err(), "a symlink with content");
    assert!(samples::file_header().file_id_of_symlink().is_err());
    let mut bytes = symlink.to_bytes().unwrap();
    bytes[15] = 1;
    assert!(text_of(FileHeader::parse(&bytes).unwrap_err()).contains("device number"));
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_it_is_read() {
    let mut bytes = (MAX_HEADER_SIZE as u32 + 1).to_be_bytes().to_vec();
    bytes.extend([0; 64]);
    let error = FileHeader::read_archive_prefix(&mut &bytes[..]).unwrap_err();
    assert!(text_of(error).contains("the limit is 4194304"));
    let mut bytes = samples::file_header().archive_prefix(3).unwrap();
    bytes[5] = 1;
    assert!(FileHeader::parse_archive_prefix(&bytes).is_err());
    let long = FileHeader {
        symlink_target: "x".repeat(MAX_HEADER_SIZE as usize),
        ..samples::symlink_header("t")
    };
    assert!(matches!(
        long.content_prefix(),
        Err(ObjectError::TooLarge { .. })
    ));
}

#[test]
fn xattrs_are_sorted_when_built_and_read_in_any_order_without_repeats() {
    let pairs = |names: &[&[u8]]| {
        names
            .iter()
            .map(|name| (name.to_vec(), vec![1]))
            .collect::<Vec<_>>()
    };
    let sorted = Xattrs::from_pairs(pairs(&[b"user.b", b"user.a"])).unwrap();
    assert_eq!(
        sorted.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        [b"user.a", b"user.b"]
    );
    for names in [&[&b"a"[..], b"a"][..], &[b""], &[b"a\0b"], &[&[b'n'; 256]]] {
        assert!(Xattrs::from_pairs(pairs(names)).is_err(), "{names:?}");
    }
    assert!(Xattrs::from_pairs(vec![(b"a".to_vec(), vec![0; 65537])]).is_err());
    let raw = |names: &[&str]| {
        let pair = |name: &&str| {
            Value::Tuple(vec![
                Value::Bytes(name.as_bytes().to_vec()),
                Value::Bytes(vec![]),
            ])
        };
        Value::Array(
            Type::parse("(ayay)").unwrap(),
            names.iter().map(pair).collect(),
        )
        .to_bytes()
        .unwrap()
    };
    for names in [["a\0", "b\0"], ["b\0", "a\0"]] {
        let bytes = raw(&names);
        assert_eq!(Xattrs::parse(&bytes).unwrap().to_bytes(), bytes);
    }
    let mut labelled = Xattrs::parse(&raw(&["c\0", "d\0", "a\0"])).unwrap();
    labelled.insert(b"a", b"1").unwrap();
    assert_eq!(labelled.get(b"a"), Some(&b"1"[..]));
    assert_eq!(labelled.iter().next(), Some((&b"a"[..], &b"1"[..])));
    for names in [
        &["a\0", "b\0", "a\0"][..],
        &["a\0", "a\0"],
        &["\0"],
        &["a"],
        &[""],
        &["a\0b\0"],
    ] {
        assert!(Xattrs::parse(&raw(names)).is_err(), "{names:?}");
    }
}

#[test]
fn checksums_of_another_length_are_refused() {
    for length in [0, 31, 33, 64] {
        let commit = Value::Tuple(vec![
            Value::vardict([]),
            Value::Bytes(vec![]),
            Value::Array(Type::parse("(say)").unwrap(), vec![]),
            "".into(),
            "".into(),
            0u64.into(),
            Value::Bytes(vec![1; length]),
            Value::Bytes(vec![2; 32]),
        ]);
        let error = Commit::parse(&commit.to_bytes().unwrap()).unwrap_err();
        assert_eq!(
            error,
            ObjectError::ChecksumLength {
                object: "commit",
                found: length
            }
        );
        let file = Value::Tuple(vec!["f".into(), Value::Bytes(vec![1; length])]);
        let files = Value::Array(file.ty(), vec![file]);
        let tree = Value::Tuple(vec![
            files,
            Value::Array(Type::parse("(sayay)").unwrap(), vec![]),
        ]);
        let error = DirTree::parse(&tree.to_bytes().unwrap()).unwrap_err();
        assert_eq!(
            error,
            ObjectError::ChecksumLength {
                object: "dirtree",
                found: length
            }
        );
    }
}

#[test]
fn what_can_not_be_serialized_is_an_error_and_not_other_bytes() {
    let nul = Commit {
        subject: "a\0b".into(),
        ..samples::commit()
    };
    assert!(nul.to_bytes().is_err() && nul.id().is_err());
    let mut metadata = Metadata::new();
    metadata.push("", "empty key");
    assert!(metadata.to_bytes().is_err());
    assert!(Metadata::parse(&metadata.to_value().to_bytes().unwrap()).is_err());
    for (value, expected) in [
        (Value::Str("\0".into()), "type `s`"),
        (Value::ObjectPath("x".into()), "type `o`"),
        (Value::Signature("m".into()), "type `g`"),
        (
            Value::Array(Type::String, vec![Value::Byte(1)]),
            "where type `s` is declared",
        ),
        (
            Value::Maybe(Type::Byte, Some(Box::new(Value::Bool(true)))),
            "where type `y` is declared",
        ),
        (
            Value::Array(Type::Byte, vec![Value::Byte(1)]),
            "`ay as bytes`",
        ),
        (
            Value::DictEntry(Box::new(Value::Tuple(vec![])), Box::new(Value::Byte(1))),
            "a basic type",
        ),
    ] {
        let error = value.to_bytes().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut summary = samples::summary();
    summary.refs.swap(0, 1);
    assert!(matches!(summary.to_bytes(), Err(ObjectError::Order { .. })));
}

#[test]
fn wider_framing_than_needed_is_refused() {
    // 252 bytes of text, NUL and an end of two bytes make 255, which one byte could have said.
    let mut bytes = vec![b'x'; 252];
    bytes.extend([0, 253, 0]);
    assert_eq!(bytes.len(), 255);
    let ty = Type::parse("as").unwrap();
    assert!(Value::parse(&ty, &bytes).is_err());
    // 253 and NUL with one byte make 255, with two 256: only the first is right.
    let one = [&vec![b'x'; 253][..], &[0, 254]].concat();
    let two = [&vec![b'x'; 253][..], &[0, 254, 0]].concat();
    assert!(Value::parse(&ty, &one).is_ok());
    let error = Value::parse(&ty, &two).unwrap_err();
    assert_eq!(
        error,
        VariantError::NotNormal {
            rule: "framing offsets are wider than needed"
        }
    );
}

#[test]
fn a_summary_whose_refs_are_out_of_order_is_refused() {
    let mut refs = samples::summary().refs;
    refs.reverse();
    let parts = vec![ostler_format::refs_to_value(&refs), Value::vardict([])];
    let bytes = Value::Tuple(parts).to_bytes().unwrap();
    assert!(matches!(
        Summary::parse(&bytes),
        Err(ObjectError::Order { .. })
    ));
}

#[test]
fn varints_that_do_not_end_or_do_not_fit_are_refused() {
    assert_eq!(read_varint(&[]), None);
    assert_eq!(read_varint(&[0x80; 20]), None);
    let mut largest = [0xff; 10];
    largest[9] = 1;
    assert_eq!(read_varint(&largest), Some((u64::MAX, &[][..])));
    largest[9] = 2;
    assert_eq!(read_varint(&largest), None);
}

#[test]
fn metadata_keeps_duplicates_and_removes_and_replaces_as_it_says() {
    let mut metadata: Metadata = [("k", 1u32), ("l", 2), ("k", 3)]
        .map(|(k, v)| (k.to_owned(), v.into()))
        .into_iter()
        .collect();
    let bytes = metadata.to_bytes().unwrap();
    assert_eq!(Metadata::parse(&bytes).unwrap(), metadata);
    assert_eq!(metadata.get("k"), Some(&Value::Uint32(1)));
    metadata.insert("k", 9u32);
    metadata.insert("m", "new");
    assert_eq!(
        metadata.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["k", "l", "k", "m"]
    );
    assert_eq!(metadata.remove("k"), Some(Value::Uint32(9)));
    assert_eq!(
        metadata.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["l", "m"]
    );
    assert_eq!(
        Checksum::of(&Metadata::new().to_bytes().unwrap()),
        Checksum::of(b"")
    );
}
