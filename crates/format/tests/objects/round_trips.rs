use ostler_format::{
    Annotate, Checksum, DirEntry, DirTree, DirTreeRef, FileHeader, S_IFREG, Type, Value, Xattrs,
    read_varint, write_varint,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Types whose text form tells them apart from any other, up to a few levels deep.
fn types() -> impl Strategy<Value = Type> {
    let leaf = prop::sample::select("bynqiuxthdsogv".chars().collect::<Vec<_>>());
    let leaf = leaf.prop_map(|letter| Type::parse(&letter.to_string()).unwrap());
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select("bynqiuxthdsog".chars().collect::<Vec<_>>());
        prop_oneof![
            inner.clone().prop_map(Type::array),
            inner.clone().prop_map(Type::maybe),
            vec(inner.clone(), 0..4).prop_map(Type::tuple),
            (key, inner).prop_map(|(key, value)| {
                Type::dict_entry(Type::parse(&key.to_string()).unwrap(), value).unwrap()
            }),
        ]
    })
}

fn value_of(ty: Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Byte => any::<u8>().prop_map(Value::Byte).boxed(),
        Type::Int16 => any::<i16>().prop_map(Value::Int16).boxed(),
        Type::Uint16 => any::<u16>().prop_map(Value::Uint16).boxed(),
        Type::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        Type::Uint32 => any::<u32>().prop_map(Value::Uint32).boxed(),
        Type::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
        Type::Uint64 => any::<u64>().prop_map(Value::Uint64).boxed(),
        Type::Handle => any::<i32>().prop_map(Value::Handle).boxed(),
        Type::Double => {
            use prop::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, ZERO};
            (POSITIVE | NEGATIVE | NORMAL | ZERO | INFINITE)
                .prop_map(Value::Double)
                .boxed()
        }
        Type::String => any::<String>()
            .prop_map(|text| Value::Str(text.replace('\0', "'")))
            .boxed(),
        Type::ObjectPath => "(/[a-z0-9_]{1,9}){1,4}".prop_map(Value::ObjectPath).boxed(),
        Type::Signature => "(a?[ybnqiuxthdsogv]|a\\{sv\\}|\\(\\)){0,4}"
            .prop_map(Value::Signature)
            .boxed(),
        Type::Variant => prop_oneof![
            Just(Type::Uint32),
            Just(Type::vardict()),
            Just(Type::String)
        ]
        .prop_flat_map(value_of)
        .prop_map(Value::boxed)
        .boxed(),
        Type::Maybe(content) => {
            let inner = prop::option::of(value_of(Type::clone(&content)));
            inner
                .prop_map(move |inner| Value::Maybe(Type::clone(&content), inner.map(Box::new)))
                .boxed()
        }
        Type::Array(element) if *element == Type::Byte => {
            vec(any::<u8>(), 0..400).prop_map(Value::Bytes).boxed()
        }
        Type::Array(element) => {
            let items = vec(value_of(Type::clone(&element)), 0..5);
            items
                .prop_map(move |items| Value::Array(Type::clone(&element), items))
                .boxed()
        }
        Type::Tuple(members) => {
            let items: Vec<_> = members.types().iter().cloned().map(value_of).collect();
            items.prop_map(Value::Tuple).boxed()
        }
        Type::DictEntry(members) => {
            let (key, value) = (members.types()[0].clone(), members.types()[1].clone());
            let pair = (value_of(key), value_of(value));
            pair.prop_map(|(key, value)| Value::DictEntry(Box::new(key), Box::new(value)))
                .boxed()
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    types().prop_flat_map(value_of)
}

fn names() -> impl Strategy<Value = String> {
    "[^/\\x00]{1,40}".prop_filter("a file's name", |name| name != "." && name != "..")
}

proptest! {
    #[test]
    fn a_value_comes_back_from_its_bytes(value in values()) {
        let bytes = value.to_bytes().unwrap();
        prop_assert_eq!(Value::parse(&value.ty(), &bytes).unwrap(), value);
    }

    #[test]
    fn a_value_comes_back_from_its_text(value in values()) {
        let text = value.print(Annotate::Types);
        prop_assert_eq!(&Value::parse_text(None, &text).unwrap(), &value);
        let bare = value.print(Annotate::Nothing);
        prop_assert_eq!(&Value::parse_text(Some(&value.ty()), &bare).unwrap(), &value);
    }

    #[test]
    fn a_type_comes_back_from_its_text(ty in types()) {
        prop_assert_eq!(Type::parse(&ty.to_string()).unwrap(), ty);
    }

    #[test]
    fn swapping_bytes_twice_changes_nothing(value in values()) {
        prop_assert_eq!(value.byteswapped().byteswapped(), value);
    }

    #[test]
    fn a_listing_comes_back_from_its_bytes(names in prop::collection::btree_set(names(), 0..60), split in any::<u64>()) {
        let mut tree = DirTree::default();
        for (i, name) in names.into_iter().enumerate() {
            let sum = Checksum::of(name.as_bytes());
            if split >> (i % 64) & 1 == 0 {
                tree.files.push((name, sum.into()));
            } else {
                tree.dirs.push(DirEntry { name, tree: sum.into(), meta: sum.into() });
            }
        }
        let bytes = tree.to_bytes().unwrap();
        let found = DirTreeRef::parse(&bytes).unwrap();
        for (name, id) in &tree.files {
            prop_assert_eq!(found.file(name), Some(*id));
        }
        prop_assert_eq!(found.to_owned(), tree);
    }

    #[test]
    fn a_header_comes_back_from_its_bytes(
        pairs in prop::collection::btree_map(vec(1u8.., 1..200), vec(any::<u8>(), 0..500), 0..6),
        owner in any::<(u32, u32)>(),
        bits in 0u32..0o10000,
        size in any::<u64>(),
    ) {
        let header = FileHeader {
            uid: owner.0,
            gid: owner.1,
            mode: S_IFREG | bits,
            symlink_target: String::new(),
            xattrs: Xattrs::from_pairs(pairs.into_iter().rev().collect()).unwrap(),
        };
        let prefix = header.archive_prefix(size).unwrap();
        let found = FileHeader::read_archive_prefix(&mut &prefix[..]).unwrap();
        prop_assert_eq!(found, (header.clone(), size));
        prop_assert_eq!(FileHeader::parse(&header.to_bytes().unwrap()).unwrap(), header);
    }

    #[test]
    fn a_varint_comes_back_with_what_follows(number in any::<u64>(), rest in vec(any::<u8>(), 0..4)) {
        let mut bytes = Vec::new();
        write_varint(number, &mut bytes);
        prop_assert!(bytes.len() <= 10);
        bytes.extend(&rest);
        prop_assert_eq!(read_varint(&bytes), Some((number, &rest[..])));
    }
}
