//! Differences: read as written, and refused where they lie.

use std::io;

use ostler_format::delta::{Difference, Region};
use proptest::prelude::*;

fn region(old: usize, new: usize, length: usize) -> Region {
    Region { old, new, length }
}

fn apply(parts: &Difference<Vec<u8>>, old: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let parts = Difference {
        control: &parts.control[..],
        changes: &parts.changes[..],
        fresh: &parts.fresh[..],
    };
    parts.apply(old, length)
}

const OLD: &[u8] = b"call 1000; call 2000; return";
const NEW: &[u8] = b"enter; call 1040; call 2040; leave; return";

fn sample() -> Difference<Vec<u8>> {
    Difference::between(OLD, NEW, &[region(0, 7, 21), region(20, 34, 8)])
}

#[test]
fn a_difference_has_the_bytes_that_the_specification_shows() {
    let parts = sample();
    assert_eq!(parts.control, [7, 21, 0, 6, 8, 1]);
    assert_eq!(parts.changes, [7, 4, 10, 4]);
    assert_eq!(parts.fresh, b"enter;  leave");
    let bytes = parts.to_bytes();
    assert_eq!(bytes.len(), 2 + 6 + 4 + 13);
    let parsed = Difference::parse(&bytes).unwrap();
    assert_eq!(parsed.control, parts.control);
    assert_eq!(parsed.changes, parts.changes);
    assert_eq!(parsed.fresh, parts.fresh);
    assert_eq!(apply(&parts, OLD, NEW.len()).unwrap(), NEW);
}

#[test]
fn a_frame_that_is_shorter_than_its_parts_is_refused() {
    let bytes = sample().to_bytes();
    for length in 0..12 {
        assert!(Difference::parse(&bytes[..length]).is_err(), "{length}");
    }
    let huge = [&[0xff; 9][..], &[1, 0], b"rest"].concat();
    assert!(Difference::parse(&huge).is_err());
    assert!(Difference::parse(&[0xff; 20]).is_err());
}

/// What is wrong, and the part that says so.
type Lie = (&'static str, fn(&mut Difference<Vec<u8>>));

const LIES: [Lie; 13] = [
    ("a region before the old version", |parts| {
        parts.control = vec![7, 21, 1];
    }),
    ("a region behind the old version", |parts| {
        parts.control = vec![7, 21, 16];
    }),
    ("a region that moves further than numbers go", |parts| {
        parts.control = [&[0, 1][..], &[0xff; 9], &[1]].concat();
    }),
    ("a region longer than numbers go", |parts| {
        parts.control = [&[0][..], &[0xff; 9], &[1, 0]].concat();
    }),
    ("a region with nothing", |parts| {
        parts.control = vec![0, 0, 0];
    }),
    ("regions longer than the new version", |parts| {
        parts.control = [0, 21, 0].repeat(2);
        parts.control.extend([0, 1, 41]);
    }),
    ("half a region", |parts| {
        parts.control.truncate(4);
    }),
    ("an endless number", |parts| {
        parts.control = vec![0xff; 30];
    }),
    ("fresh bytes longer than the new version", |parts| {
        parts.control = vec![43, 1, 0];
    }),
    ("fresh bytes that are not there", |parts| {
        parts.fresh.truncate(5);
    }),
    ("fresh bytes that belong nowhere", |parts| {
        parts.fresh.push(b'x');
    }),
    ("a change behind the last region", |parts| {
        parts.changes.extend([20, 1]);
    }),
    ("a change to nothing", |parts| {
        parts.changes = vec![7];
    }),
];

#[test]
fn a_difference_that_lies_is_refused() {
    for (what, lie) in LIES {
        let mut parts = sample();
        lie(&mut parts);
        assert!(apply(&parts, OLD, NEW.len()).is_err(), "{what}");
    }
    for length in (0..NEW.len()).chain([NEW.len() + 1]) {
        assert!(apply(&sample(), OLD, length).is_err(), "{length} bytes");
    }
}

proptest! {
    #[test]
    fn the_new_version_comes_out_whatever_the_regions(
        old in proptest::collection::vec(0..4_u8, 1..300),
        pieces in proptest::collection::vec((0..300_usize, 1..40_usize, proptest::collection::vec(any::<u8>(), 0..9)), 0..20),
    ) {
        let (mut new, mut regions) = (Vec::new(), Vec::new());
        for (at, length, fresh) in pieces {
            let at = at % old.len();
            let length = length.min(old.len() - at);
            new.extend_from_slice(&fresh);
            regions.push(region(at, new.len(), length));
            let changed = old[at..at + length].iter().enumerate();
            new.extend(changed.map(|(number, byte)| if number % 7 == 3 { byte ^ 0x55 } else { *byte }));
        }
        new.extend_from_slice(b"the end");
        let parts = Difference::between(&old, &new, &regions);
        prop_assert_eq!(apply(&parts, &old, new.len()).unwrap(), new);
    }

    /// Whatever bytes there are: not more than asked for, and no panic.
    #[test]
    fn no_bytes_give_more_than_was_asked_for(
        control in proptest::collection::vec(0..40_u8, 0..60),
        changes in proptest::collection::vec(any::<u8>(), 0..60),
        fresh in proptest::collection::vec(any::<u8>(), 0..60),
        length in 0..200_usize,
    ) {
        let parts = Difference { control, changes, fresh };
        if let Ok(new) = apply(&parts, &[7; 50], length) {
            prop_assert_eq!(new.len(), length);
        }
    }
}
