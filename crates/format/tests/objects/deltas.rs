//! Static deltas: those of the real `ostree`, random ones, and broken ones.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use liblzma::read::XzDecoder;
use ostler_format::delta::{
    ByteOrder, Compression, DeltaIndex, DeltaName, ENDIANNESS_KEY, Fallback, FileOwner,
    MAX_TABLE_SIZE, Operation, Operations, Part, PartBuilder, PartHeader, PartLayout,
    SignedSuperblock, Superblock,
};
use ostler_format::{
    Checksum, CommitId, FileHeader, ObjectKind, ObjectName, S_IFREG, SignatureKind, Xattrs,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::mutations::check;
use crate::samples::{self, sum};
use crate::world::world;

/// The deltas that the real `ostree` left in `archive/deltas`.
fn real_deltas() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for prefix in fs::read_dir(world().dir.join("archive/deltas")).unwrap() {
        for delta in fs::read_dir(prefix.unwrap().path()).unwrap() {
            found.push(delta.unwrap().path());
        }
    }
    assert_eq!(found.len(), 2, "one delta from a commit, one from nothing");
    found
}

/// Has the real `ostree` make a delta in one file, `name`, and returns that file's bytes.
fn one_file_delta(name: &str, arguments: &[&str]) -> Vec<u8> {
    let file = format!("--filename={name}");
    let fixed = [
        "static-delta",
        "generate",
        "--inline",
        "--from=os/main^",
        "--to=os/main",
        &file,
    ];
    world().ostree("archive", &[&fixed[..], arguments].concat());
    world().read(name)
}

fn unpack(compression: Compression, rest: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    match compression {
        Compression::None => payload.extend_from_slice(rest),
        Compression::Xz => {
            XzDecoder::new(rest).read_to_end(&mut payload).unwrap();
        }
    }
    payload
}

/// The range of a part's data.
fn slice(data: &[u8], offset: u64, size: u64) -> &[u8] {
    &data[offset as usize..(offset + size) as usize]
}

/// Reads a payload, holds what it makes in one step to its checksum, and returns how many objects that were.
fn check_payload(payload: &[u8], objects: &[ObjectName]) -> usize {
    let part = Part::parse(payload).unwrap();
    assert_eq!(part.to_bytes(), payload);
    let mut whole = 0;
    let mut written = Vec::new();
    let mut operations = Operations::new(part.operations, objects);
    for step in &mut operations {
        let (operation, object) = step.unwrap();
        operation.write(&mut written);
        let made = match operation {
            Operation::WriteMetadata { size, offset } => {
                Checksum::of(slice(part.data, offset, size))
            }
            Operation::WriteFile {
                owner,
                xattrs,
                size,
                offset,
            } => {
                let owner = part.owners[owner as usize];
                let content = slice(part.data, offset, size);
                let mut header = FileHeader {
                    uid: owner.uid,
                    gid: owner.gid,
                    mode: owner.mode,
                    symlink_target: String::new(),
                    xattrs: part.xattrs.get(xattrs).unwrap(),
                };
                if header.is_symlink() {
                    header.symlink_target = String::from_utf8(content.to_vec()).unwrap();
                    header.file_id_of_symlink().unwrap().checksum()
                } else {
                    let mut hasher = header.hasher().unwrap();
                    hasher.update(content);
                    hasher.finish()
                }
            }
            _ => continue,
        };
        assert_eq!(made, object.unwrap().checksum);
        whole += 1;
    }
    assert_eq!(written, part.operations);
    assert!(operations.remaining_objects().is_empty(), "all are made");
    whole
}

#[test]
fn deltas_of_the_real_ostree_are_read_whole_and_written_back_byte_for_byte() {
    for dir in real_deltas() {
        let bytes = fs::read(dir.join("superblock")).unwrap();
        let superblock = Superblock::parse(&bytes).unwrap();
        assert_eq!(superblock.to_bytes().unwrap(), bytes);
        assert!(dir.ends_with(superblock.name.path()), "{dir:?}");
        let mut whole = 0;
        for (index, header) in superblock.parts.iter().enumerate() {
            let file = fs::read(dir.join(index.to_string())).unwrap();
            assert_eq!(Checksum::of(&file), header.checksum);
            assert_eq!(file.len() as u64, header.compressed_size);
            let compression = Compression::from_byte(file[0]).unwrap();
            whole += check_payload(&unpack(compression, &file[1..]), &header.objects);
        }
        assert!(whole > 0, "{dir:?} makes no object in one step");
    }
}

#[test]
fn parts_that_lie_in_the_superblock_are_found_under_their_path() {
    let bytes = one_file_delta("inline.delta", &[]);
    let superblock = Superblock::parse(&bytes).unwrap();
    assert!(!superblock.parts.is_empty());
    for (index, header) in superblock.parts.iter().enumerate() {
        let (compression, rest) = superblock.inline_part(index).unwrap().unwrap();
        let file = [&[compression.byte()], rest].concat();
        assert_eq!(Checksum::of(&file), header.checksum);
        check_payload(&unpack(compression, rest), &header.objects);
    }
    let after = superblock.parts.len();
    assert_eq!(superblock.inline_part(after).unwrap(), None);
    let note = superblock.detached_metadata().unwrap().unwrap();
    assert_eq!(note.get_str("note"), Some("kept apart"));
    let mut again = superblock.clone();
    let (compression, rest) = superblock.inline_part(0).unwrap().unwrap();
    again.insert_inline_part(0, compression, rest.to_vec());
    assert_eq!(again, superblock);
}

#[test]
fn sizes_are_the_same_in_either_byte_order_marked_or_not() {
    let little = Superblock::parse(&one_file_delta("l.delta", &["--set-endianness=l"])).unwrap();
    let bytes = one_file_delta("b.delta", &["--set-endianness=B"]);
    let mut big = Superblock::parse(&bytes).unwrap();
    assert_eq!(big.byte_order, ByteOrder::Big);
    assert_eq!(little.byte_order, ByteOrder::Little);
    assert_eq!(big.parts, little.parts);
    assert_eq!(big.fallbacks, little.fallbacks);
    for mut marked in [big.clone(), little] {
        marked.metadata.remove(ENDIANNESS_KEY);
        let unmarked = marked.to_bytes().unwrap();
        assert_eq!(Superblock::parse(&unmarked).unwrap(), marked);
    }
    big.byte_order = ByteOrder::Little;
    assert!(big.to_bytes().is_err(), "the mark says otherwise");
}

#[test]
fn a_signed_superblock_gives_the_bytes_that_are_signed() {
    let signed = SignedSuperblock {
        superblock: sample().to_bytes().unwrap(),
        signatures: {
            let mut signatures = ostler_format::Metadata::new();
            SignatureKind::Ed25519.write(&mut signatures, vec![vec![7; 64]]);
            signatures
        },
    };
    let bytes = signed.to_bytes().unwrap();
    assert!(SignedSuperblock::is_signed(&bytes));
    assert!(!SignedSuperblock::is_signed(&signed.superblock));
    assert_eq!(SignedSuperblock::parse(&bytes).unwrap(), signed);
    assert!(SignedSuperblock::parse(&signed.superblock).is_err());
}

#[test]
fn the_index_of_the_real_ostree_names_its_superblocks() {
    world();
    let mut found = 0;
    for dir in real_deltas() {
        let bytes = fs::read(dir.join("superblock")).unwrap();
        let name = Superblock::parse(&bytes).unwrap().name;
        let summary = ostler_format::Summary::parse(&world().read("archive/summary")).unwrap();
        let map = summary.metadata.get("ostree.static-deltas").unwrap();
        let index = DeltaIndex::from_value(map.clone()).unwrap();
        assert_eq!(index.find(&name), Some(Checksum::of(&bytes)));
        assert_eq!(index.to_value(), *map);
        assert_eq!(
            DeltaIndex::parse(&index.to_bytes().unwrap()).unwrap(),
            index
        );
        assert_eq!(name.to_string().parse(), Ok(name));
        found += 1;
    }
    assert_eq!(found, 2);
}

/// A superblock that uses every field.
fn sample() -> Superblock {
    let commit = samples::commit().to_bytes().unwrap();
    let to = CommitId::new(Checksum::of(&commit));
    let mut superblock = Superblock {
        metadata: samples::metadata(),
        timestamp: 1_700_000_000,
        name: DeltaName {
            to,
            from: Some(sum("from").into()),
        },
        commit,
        prerequisites: vec![(sum("a"), sum("b"))],
        parts: vec![PartHeader {
            checksum: sum("part"),
            compressed_size: 70,
            uncompressed_size: 5000,
            objects: [ObjectKind::DirMeta, ObjectKind::DirTree, ObjectKind::File]
                .map(|kind| ObjectName::new(sum("object"), kind))
                .to_vec(),
        }],
        fallbacks: vec![Fallback {
            object: ObjectName::new(sum("large"), ObjectKind::File),
            compressed_size: 9 << 20,
            uncompressed_size: 20 << 20,
        }],
        byte_order: ByteOrder::Little,
    };
    superblock.insert_inline_part(0, Compression::None, vec![0; 12]);
    superblock
}

const OWNER: FileOwner = FileOwner {
    uid: 0,
    gid: 0x0102_0304,
    mode: S_IFREG | 0o644,
};

fn sample_payload() -> Vec<u8> {
    let mut part = PartBuilder::new();
    let owner = part.owner_index(OWNER);
    let none = part.xattrs_index(&Xattrs::new());
    let some = part.xattrs_index(&samples::xattrs());
    assert_ne!(none, some);
    assert_eq!(part.owner_index(OWNER), owner, "no owner is listed twice");
    let offset = part.push_data(b"content");
    part.push(&Operation::WriteFile {
        owner,
        xattrs: some,
        size: 7,
        offset,
    });
    part.finish().unwrap()
}

#[test]
fn broken_deltas_are_refused_or_written_back_as_they_were() {
    let superblock = sample().to_bytes().unwrap();
    check(&superblock, 5_000, |bytes| {
        Some(Superblock::parse(bytes).ok()?.to_bytes().unwrap())
    });
    let signed = SignedSuperblock {
        superblock,
        signatures: samples::metadata(),
    };
    let bytes = signed.to_bytes().unwrap();
    assert_eq!(SignedSuperblock::parse(&bytes).unwrap(), signed);
    for cut in 0..bytes.len() {
        if let Ok(read) = SignedSuperblock::parse(&bytes[..cut]) {
            assert_eq!(read.to_bytes().unwrap(), bytes[..cut]);
        }
    }
    let payload = sample_payload();
    let mut random = samples::Random(7);
    for _ in 0..5_000 {
        let broken = crate::mutations::mutate(&payload, &mut random);
        if let Ok(part) = Part::parse(&broken) {
            assert_eq!(part.to_bytes(), broken);
        }
    }
}

#[test]
fn a_payloads_members_are_held_to_its_size_and_its_tables_to_a_limit() {
    let payload = sample_payload();
    let size = payload.len() as u64;
    let frame_len = PartLayout::frame_len(size).unwrap();
    let frame = &payload[payload.len() - frame_len..];
    let layout = PartLayout::parse(size, frame).unwrap();
    assert_eq!(layout.owners, 0..12);
    assert_eq!(layout.data.end, layout.operations.start);
    let outside = [255, 255, 255];
    assert!(PartLayout::parse(size, &outside).is_err(), "ends outside");
    let backwards = [frame[2], frame[1], frame[0]];
    assert!(PartLayout::parse(size, &backwards).is_err(), "ends fall");
    assert!(
        PartLayout::parse(size, &frame[1..]).is_err(),
        "frame is cut"
    );
    assert!(PartLayout::parse(2, &[0, 0, 0]).is_err(), "no room");
    assert!(Part::parse(&[]).is_err(), "no bytes");
    let end = (MAX_TABLE_SIZE as u32 + 12).to_le_bytes();
    let frame = [end, end, end].concat();
    assert!(PartLayout::parse(1 << 30, &frame).is_err(), "a large table");
    let part = Part::parse(&payload).unwrap();
    assert_eq!(part.xattrs.get(1).unwrap(), samples::xattrs());
    for index in [2, u64::MAX] {
        assert!(part.xattrs.get(index).is_err(), "entry {index}");
    }
}

#[test]
fn a_superblock_with_another_commit_than_its_target_is_refused() {
    let mut superblock = sample();
    superblock.name.to = sum("another").into();
    assert!(superblock.to_bytes().is_err());
    let id = Checksum::of(&sample().commit);
    let mut bytes = sample().to_bytes().unwrap();
    let at = bytes
        .windows(32)
        .position(|bytes| bytes == id.as_bytes())
        .unwrap();
    bytes[at] ^= 1;
    let error = Superblock::parse(&bytes).unwrap_err().to_string();
    assert!(error.contains("commit"), "{error}");
}

/// Operations with what the cursor must stand at.
fn steps() -> impl Strategy<Value = (Operation, ObjectKind)> {
    let number = || prop_oneof![0..300u64, any::<u64>()];
    let file = |operation| (operation, ObjectKind::File);
    prop_oneof![
        (number(), number()).prop_map(|(size, offset)| {
            (
                Operation::WriteMetadata { size, offset },
                ObjectKind::DirTree,
            )
        }),
        (number(), number(), number(), number()).prop_map(move |(owner, xattrs, size, offset)| {
            file(Operation::WriteFile {
                owner,
                xattrs,
                size,
                offset,
            })
        }),
        (number(), number(), number()).prop_map(move |(owner, xattrs, size)| {
            file(Operation::Open {
                owner,
                xattrs,
                size,
            })
        }),
        (number(), number())
            .prop_map(move |(size, offset)| file(Operation::Write { size, offset })),
        number().prop_map(move |offset| file(Operation::SetSource { offset })),
        Just(file(Operation::UnsetSource)),
        (number(), number())
            .prop_map(move |(offset, size)| file(Operation::Patch { offset, size })),
        Just(file(Operation::Close)),
    ]
}

proptest! {
    #[test]
    fn every_operation_reads_back(steps in vec(steps(), 0..40)) {
        let mut bytes = Vec::new();
        for (operation, _) in &steps {
            let before = bytes.len();
            operation.write(&mut bytes);
            prop_assert!(bytes.len() - before <= ostler_format::delta::MAX_OPERATION_SIZE);
        }
        let mut rest = &bytes[..];
        for (operation, kind) in &steps {
            let (read, after) = Operation::parse(rest, Some(*kind)).unwrap();
            prop_assert_eq!(read, *operation);
            rest = after;
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn every_payload_reads_back(
        owners in vec((any::<u32>(), any::<u32>(), any::<u32>()), 0..30),
        names in vec("[a-z]{1,9}", 0..30),
        data in vec(any::<u8>(), 0..70_000),
    ) {
        let mut builder = PartBuilder::new();
        let owners: Vec<_> = owners
            .into_iter()
            .map(|(uid, gid, mode)| FileOwner { uid, gid, mode })
            .collect();
        let owner_indexes: Vec<_> = owners.iter().map(|owner| builder.owner_index(*owner)).collect();
        let sets: Vec<_> = names
            .iter()
            .map(|name| Xattrs::from_pairs(vec![(name.clone().into_bytes(), b"v".to_vec())]).unwrap())
            .collect();
        let set_indexes: Vec<_> = sets.iter().map(|set| builder.xattrs_index(set)).collect();
        builder.push_data(&data);
        builder.push(&Operation::UnsetSource);
        let payload = builder.finish().unwrap();
        let part = Part::parse(&payload).unwrap();
        for (index, owner) in owner_indexes.into_iter().zip(owners) {
            prop_assert_eq!(part.owners[index as usize], owner);
        }
        for (index, set) in set_indexes.into_iter().zip(sets) {
            prop_assert_eq!(part.xattrs.get(index).unwrap(), set);
        }
        prop_assert_eq!(part.data, &data[..]);
        prop_assert_eq!(part.operations, b"R");
        prop_assert_eq!(part.to_bytes(), payload);
    }

    #[test]
    fn every_superblock_reads_back(
        sizes in vec((any::<u64>(), any::<u64>(), 0..5usize), 0..6),
        big in any::<bool>(),
        timestamp in any::<u64>(),
        from in any::<Option<[u8; 32]>>(),
    ) {
        let mut superblock = sample();
        superblock.byte_order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let mark = ostler_format::Value::Byte(superblock.byte_order.mark());
        superblock.metadata.insert(ENDIANNESS_KEY, mark);
        superblock.timestamp = timestamp;
        superblock.name.from = from.map(|bytes| Checksum::new(bytes).into());
        superblock.parts.clear();
        superblock.fallbacks.clear();
        for (compressed_size, uncompressed_size, objects) in sizes {
            let object = ObjectName::new(sum("o"), ObjectKind::File);
            superblock.parts.push(PartHeader {
                checksum: sum("p"),
                compressed_size,
                uncompressed_size,
                objects: vec![object; objects],
            });
            superblock.fallbacks.push(Fallback { object, compressed_size, uncompressed_size });
        }
        let bytes = superblock.to_bytes().unwrap();
        prop_assert_eq!(Superblock::parse(&bytes).unwrap(), superblock);
    }
}
