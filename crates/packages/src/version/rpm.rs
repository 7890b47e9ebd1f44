//! rpm's versions: `[EPOCH:]VERSION[-RELEASE]`.
//!
//! Version and release are each cut into runs of digits and of letters; what is between them only separates. A run of digits is newer than one of
//! letters, and whoever has one more run is newer; `~` makes what follows older than nothing, `^` newer than nothing but older than any
//! further run.

use std::cmp::Ordering;

use super::{compare_numbers, split_run};

/// Says which version is newer. No release is older than any.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (Parts::of(one), Parts::of(other));
    let releases = || match (one.release, other.release) {
        (Some(one), Some(other)) => compare_part(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    };
    compare_numbers(one.epoch, other.epoch)
        .then_with(|| compare_part(one.version, other.version))
        .then_with(releases)
}

struct Parts<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let (epoch, rest) = match split_run(bytes, |byte| byte.is_ascii_digit()) {
            (epoch, [b':', rest @ ..]) => (epoch, rest),
            _ => (&[][..], bytes),
        };
        let hyphen = rest.iter().rposition(|byte| *byte == b'-');
        Self {
            epoch,
            version: hyphen.map_or(rest, |hyphen| &rest[..hyphen]),
            release: hyphen.map(|hyphen| &rest[hyphen + 1..]),
        }
    }
}

/// Compares a version without epoch and release, or a release.
#[must_use]
pub fn compare_part(mut one: &[u8], mut other: &[u8]) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    loop {
        (_, one) = split_run(one, is_separator);
        (_, other) = split_run(other, is_separator);
        match mark(one).cmp(&mark(other)) {
            Ordering::Equal if matches!(mark(one), Mark::Tilde | Mark::Caret) => {
                (one, other) = (&one[1..], &other[1..]);
                continue;
            }
            Ordering::Equal if mark(one) == Mark::End => return Ordering::Equal,
            Ordering::Equal => {}
            order => return order,
        }
        let order;
        (order, one, other) = compare_runs(one, other);
        if order.is_ne() {
            return order;
        }
    }
}

/// What a version goes on with, the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Tilde,
    End,
    Caret,
    Run,
}

fn mark(rest: &[u8]) -> Mark {
    match rest.first() {
        Some(b'~') => Mark::Tilde,
        None => Mark::End,
        Some(b'^') => Mark::Caret,
        Some(_) => Mark::Run,
    }
}

fn is_separator(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^'))
}

/// Compares the runs that both begin with; what follows them is returned, too.
fn compare_runs<'a, 'b>(one: &'a [u8], other: &'b [u8]) -> (Ordering, &'a [u8], &'b [u8]) {
    let number = one[0].is_ascii_digit();
    let is = |byte: u8| match number {
        true => byte.is_ascii_digit(),
        false => byte.is_ascii_alphabetic(),
    };
    let (first, one) = split_run(one, is);
    let (second, other) = split_run(other, is);
    let order = match (number, second.is_empty()) {
        (true, true) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (true, false) => compare_numbers(first, second),
        (false, false) => first.cmp(second),
    };
    (order, one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_rpms_order() {
        let ascending = [
            "1.0~rc1",
            "1.0",
            "1.0^20240101",
            "1.0^20240101.1",
            "1.0.a",
            "1.0.1",
            "1.1",
            "1.10",
            "2.a",
            "2.0",
            "1:0~",
            "1:0",
            "10:0",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&other_at), "{one} {other}");
            }
        }
        for (one, other) in [("1.0", "1_0"), ("0:1", "1"), ("1.01", "1.1"), ("1.", "1")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
        assert_eq!(compare("1-1.fc40", "1-2.fc39"), Ordering::Less);
        assert_eq!(compare("1", "1-0"), Ordering::Less);
    }
}
