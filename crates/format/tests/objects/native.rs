//! Native deltas and their lists: read as written, and refused where they lie.

use ostler_format::delta::{
    Coding, DeltaFrame, DeltaGroup, MAX_FRAME, MAX_NATIVE_INDEX, MAX_PREFIX, MIN_FRAME,
    NATIVE_HEAD, NativeDelta, NativeEntry, NativeList, Source, SourceRange,
};
use ostler_format::pack::{MAX_GROUP_SIZE, Pack, PackMember};
use ostler_format::{Checksum, CommitId, ObjectKind, ObjectName};
use proptest::prelude::*;

fn name(text: &[u8], kind: ObjectKind) -> ObjectName {
    ObjectName::new(Checksum::of(text), kind)
}

fn member(text: &[u8], kind: ObjectKind, size: u64) -> PackMember {
    let name = Some(name(text, kind));
    PackMember { name, size }
}

fn range(source: u32, offset: u64, length: u32) -> SourceRange {
    SourceRange {
        source,
        offset,
        length,
    }
}

fn sample() -> NativeDelta {
    let to = CommitId::new(Checksum::of(b"to"));
    NativeDelta {
        from: CommitId::new(Checksum::of(b"from")),
        to,
        sources: vec![
            Source {
                name: name(b"old", ObjectKind::File),
                size: 50_000_000,
            },
            Source {
                name: name(b"tree", ObjectKind::DirTree),
                size: 700,
            },
        ],
        groups: vec![
            DeltaGroup {
                members: vec![
                    member(b"to", ObjectKind::Commit, 300),
                    member(b"to", ObjectKind::CommitMeta, 20),
                ],
                frames: vec![DeltaFrame {
                    coding: Coding::AfterPrefix,
                    packed: 200,
                    unpacked: 320,
                    prefix: Vec::new(),
                }],
            },
            DeltaGroup {
                members: vec![
                    member(b"a", ObjectKind::DirTree, 720),
                    member(b"b", ObjectKind::File, 30),
                ],
                frames: vec![DeltaFrame {
                    coding: Coding::Difference,
                    packed: 90,
                    unpacked: 750,
                    prefix: vec![range(1, 0, 700), range(0, 49_999_999, 1)],
                }],
            },
            DeltaGroup {
                members: vec![member(b"c", ObjectKind::File, MAX_FRAME + 7)],
                frames: vec![
                    DeltaFrame {
                        coding: Coding::Difference,
                        packed: 1000,
                        unpacked: MAX_FRAME,
                        prefix: vec![range(0, 0, MAX_PREFIX as u32)],
                    },
                    DeltaFrame {
                        coding: Coding::AfterPrefix,
                        packed: 20,
                        unpacked: 7,
                        prefix: Vec::new(),
                    },
                ],
            },
        ],
    }
}

fn list() -> NativeList {
    let entry = |text: &[u8], size, index_size| NativeEntry {
        from: CommitId::new(Checksum::of(text)),
        file: Pack {
            checksum: Checksum::of(text),
            size,
        },
        index_size,
    };
    let mut deltas = vec![entry(b"x", 1 << 40, 1 << 20), entry(b"y", 700, 600)];
    deltas.sort_by_key(|entry| entry.from);
    NativeList { deltas }
}

#[test]
fn a_delta_and_a_list_are_read_as_they_were_written() {
    let delta = sample();
    let bytes = delta.to_bytes();
    assert_eq!(NativeDelta::parse(&bytes).unwrap(), delta);
    assert_eq!(
        NativeDelta::index_size(bytes.first_chunk::<NATIVE_HEAD>().unwrap()),
        Some(bytes.len() as u64)
    );
    assert_eq!(delta.groups[2].packed(), 1020);
    assert_eq!(delta.groups[1].frames[0].prefix_bytes(), 701);
    let list = list();
    assert_eq!(NativeList::parse(&list.to_bytes()).unwrap(), list);
    let path = NativeList::path(CommitId::new(Checksum::of(b"x")));
    assert!(path.starts_with("native-deltas/2d/711642b726b0"), "{path}");
}

#[test]
fn a_cut_or_changed_file_is_refused() {
    fn assert_refused(bytes: &[u8], is_one: impl Fn(&[u8]) -> bool) {
        assert!(is_one(bytes));
        for length in 0..bytes.len() {
            assert!(!is_one(&bytes[..length]), "{length}");
            let mut flipped = bytes.to_vec();
            flipped[length] ^= 0x10;
            assert!(!is_one(&flipped), "{length}");
        }
    }
    assert_refused(&sample().to_bytes(), |bytes| {
        NativeDelta::parse(bytes).is_ok()
    });
    assert_refused(&list().to_bytes(), |bytes| NativeList::parse(bytes).is_ok());
}

/// What is refused of an index whose checksum is right.
const LIES: [fn(&mut NativeDelta); 19] = [
    |delta| delta.to = delta.from,
    |delta| delta.sources[0].name.kind = ObjectKind::Commit,
    |delta| delta.sources[0].size = MAX_PREFIX - 1,
    |delta| delta.sources.truncate(1),
    |delta| delta.groups[0].members[0].name = Some(name(b"another", ObjectKind::Commit)),
    |delta| delta.groups[0].members[1].name = None,
    |delta| delta.groups[1].members.clear(),
    |delta| delta.groups[1].frames.clear(),
    |delta| delta.groups[1].members[0].size = 721,
    |delta| delta.groups[1].members[1].size = 0,
    |delta| delta.groups[1].frames[0].packed = 0,
    |delta| delta.groups[1].frames[0].packed = 1 << 20,
    |delta| delta.groups[1].frames[0].prefix[0] = range(0, u64::MAX, 1),
    |delta| delta.groups[1].frames[0].prefix[0] = range(1, 0, 701),
    |delta| delta.groups[1].frames[0].prefix[0] = range(1, 0, 0),
    |delta| delta.groups[2].frames[0].prefix.push(range(1, 0, 1)),
    |delta| {
        delta.groups[2].frames[0].unpacked += 1;
        delta.groups[2].frames[1].unpacked -= 1;
    },
    |delta| {
        delta.groups[2].members[0].size = MIN_FRAME;
        delta.groups[2].frames[0].unpacked = MIN_FRAME - 7;
    },
    |delta| {
        delta.groups[1].members[1].size = MAX_GROUP_SIZE;
        delta.groups[1].frames[0].unpacked = MAX_GROUP_SIZE + 720;
    },
];

#[test]
fn an_index_that_lies_is_refused() {
    for (number, lie) in LIES.into_iter().enumerate() {
        let mut delta = sample();
        lie(&mut delta);
        assert!(NativeDelta::parse(&delta.to_bytes()).is_err(), "{number}");
    }
    let mut bytes = sample().to_bytes();
    bytes[NATIVE_HEAD - 8] ^= 1;
    let body = bytes.len() - 32;
    let sum = Checksum::of(&bytes[..body]);
    bytes[body..].copy_from_slice(sum.as_bytes());
    assert!(
        NativeDelta::parse(&bytes).is_err(),
        "an index of another length"
    );
    let mut head = *bytes.first_chunk::<NATIVE_HEAD>().unwrap();
    head[NATIVE_HEAD - 8..].copy_from_slice(&(MAX_NATIVE_INDEX + 1).to_le_bytes());
    assert_eq!(NativeDelta::index_size(&head), None);
}

#[test]
fn a_delta_of_another_version_or_coding_is_refused() {
    fn sealed(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
        bytes[at] = byte;
        let body = bytes.len() - 32;
        let sum = Checksum::of(&bytes[..body]);
        bytes[body..].copy_from_slice(sum.as_bytes());
        bytes
    }
    let mut delta = sample();
    delta.groups.truncate(1);
    let bytes = delta.to_bytes();
    assert!(NativeDelta::parse(&sealed(bytes.clone(), 8, 2)).is_ok());
    for version in [0, 1, 3, 255] {
        let other = sealed(bytes.clone(), 8, version);
        assert!(NativeDelta::parse(&other).is_err(), "version {version}");
        let head = other.first_chunk::<NATIVE_HEAD>().unwrap();
        assert_eq!(NativeDelta::index_size(head), None);
    }
    // The coding, two lengths of two bytes each and a count come last.
    let coding = bytes.len() - 32 - 6;
    for (number, is_one) in [(0, true), (1, true), (2, false), (0x7f, false)] {
        let other = sealed(bytes.clone(), coding, number);
        assert_eq!(NativeDelta::parse(&other).is_ok(), is_one, "{number}");
    }
}

#[test]
fn a_list_that_lies_is_refused() {
    let lies: [fn(&mut NativeList); 4] = [
        |list| list.deltas.swap(0, 1),
        |list| list.deltas[1] = list.deltas[0],
        |list| list.deltas[0].index_size = MAX_NATIVE_INDEX + 1,
        |list| list.deltas[0].file.size = list.deltas[0].index_size - 1,
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut list = list();
        lie(&mut list);
        assert!(NativeList::parse(&list.to_bytes()).is_err(), "{number}");
    }
}

proptest! {
    /// Whatever bytes are changed: what is accepted holds what the readers of groups go by.
    #[test]
    fn what_is_accepted_is_within_bounds(changes in proptest::collection::vec((17..1000_usize, any::<u8>()), 1..6)) {
        let mut bytes = sample().to_bytes();
        let body = bytes.len() - 32;
        for (at, byte) in changes {
            bytes[at % body] = byte;
        }
        let sum = Checksum::of(&bytes[..body]);
        bytes[body..].copy_from_slice(sum.as_bytes());
        if let Ok(delta) = NativeDelta::parse(&bytes) {
            for group in &delta.groups {
                let unpacked: u64 = group.frames.iter().map(|frame| frame.unpacked).sum();
                let members: u64 = group.members.iter().map(|member| member.size).sum();
                prop_assert_eq!(unpacked, members);
                for frame in &group.frames {
                    prop_assert!(frame.unpacked <= MAX_FRAME && frame.prefix_bytes() <= MAX_PREFIX);
                    for range in &frame.prefix {
                        let source = delta.sources[range.source as usize];
                        prop_assert!(range.offset + u64::from(range.length) <= source.size);
                    }
                }
            }
            prop_assert_eq!(NativeDelta::parse(&delta.to_bytes()).unwrap(), delta);
        }
    }
}
