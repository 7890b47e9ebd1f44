//! Debian's versions: `[EPOCH:]UPSTREAM[-REVISION]`.
//!
//! Upstream version and revision are each compared by turns: a run without digits by the order of its characters, where `~` is before the end,
//! the end before letters and letters before all else; then a run of digits as a number.

use std::cmp::Ordering;

use super::{compare_numbers, split_run};

/// Says which version is newer.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (Parts::of(one), Parts::of(other));
    compare_numbers(one.epoch, other.epoch)
        .then_with(|| compare_part(one.upstream, other.upstream))
        .then_with(|| compare_part(one.revision, other.revision))
}

struct Parts<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let (epoch, rest) = match split_run(bytes, |byte| byte.is_ascii_digit()) {
            (epoch, [b':', rest @ ..]) if !epoch.is_empty() => (epoch, rest),
            _ => (&[][..], bytes),
        };
        let hyphen = rest.iter().rposition(|byte| *byte == b'-');
        let (upstream, revision) = match hyphen {
            Some(hyphen) => (&rest[..hyphen], &rest[hyphen + 1..]),
            None => (rest, &[][..]),
        };
        Self {
            epoch,
            upstream,
            revision,
        }
    }
}

fn compare_part(mut one: &[u8], mut other: &[u8]) -> Ordering {
    while !(one.is_empty() && other.is_empty()) {
        let (first, second);
        (first, one) = split_run(one, |byte| !byte.is_ascii_digit());
        (second, other) = split_run(other, |byte| !byte.is_ascii_digit());
        let text = compare_text(first, second);
        let (first, second);
        (first, one) = split_run(one, |byte| byte.is_ascii_digit());
        (second, other) = split_run(other, |byte| byte.is_ascii_digit());
        let order = text.then_with(|| compare_numbers(first, second));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_text(one: &[u8], other: &[u8]) -> Ordering {
    let longest = one.len().max(other.len());
    let weight = |text: &[u8], at: usize| text.get(at).map_or(0, |byte| weight(*byte));
    (0..longest)
        .map(|at| weight(one, at).cmp(&weight(other, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The end of a run counts as 0.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => i32::from(letter),
        other => i32::from(other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_of_the_policy() {
        let ascending = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0+",
            "0.1~rc1-1",
            "0.1-0~bpo1",
            "0.1-1~",
            "0.1-1",
            "0.1-1+b1",
            "0.1-2",
            "0.1-10",
            "0.1.1-1",
            "0.10",
            "1:0",
            "2:0-1",
            "10:0",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&other_at), "{one} {other}");
            }
        }
        for (one, other) in [("1.0", "1.0-0"), ("0:1", "1"), ("1.01", "1.1"), ("", "0")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
    }
}
