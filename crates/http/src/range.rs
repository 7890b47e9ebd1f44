//! Byte ranges: what a client asks for, what a server says it sends. Pure.

/// A `Range` header, seen against a body of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole body: no range, a range in another unit, several ranges, or bytes that are not a range.
    Whole,
    /// `first..first + len`, inside the body and not empty.
    Part {
        /// The first byte.
        first: u64,
        /// How many.
        len: u64,
    },
    /// A range that has no byte in the body.
    Unsatisfiable,
}

/// Reads a `Range` header. Several ranges are answered by the whole body, which HTTP allows.
pub(crate) fn parse_range(header: &[u8], body_len: u64) -> Wanted {
    let Some(spec) = range_spec(header) else {
        return Wanted::Whole;
    };
    let (first, last) = match spec {
        Spec::Suffix(0) => return Wanted::Unsatisfiable,
        Spec::Suffix(len) => (body_len.saturating_sub(len), u64::MAX),
        Spec::From(first) => (first, u64::MAX),
        Spec::Between(first, last) => (first, last),
    };
    if first >= body_len {
        return Wanted::Unsatisfiable;
    }
    let last = last.min(body_len - 1);
    Wanted::Part {
        first,
        len: last - first + 1,
    }
}

enum Spec {
    Suffix(u64),
    From(u64),
    Between(u64, u64),
}

fn range_spec(header: &[u8]) -> Option<Spec> {
    let text = std::str::from_utf8(header).ok()?.trim();
    let (unit, set) = text.split_once('=')?;
    if !unit.trim_end().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", len) => digits(len).map(Spec::Suffix),
        (first, "") => digits(first).map(Spec::From),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// A `Content-Range` of a partial answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The first byte sent.
    pub(crate) first: u64,
    /// The last byte sent, at least `first`.
    pub(crate) last: u64,
    /// The length of the whole body, greater than `last`; `None` for `*`.
    pub(crate) total: Option<u64>,
}

/// Reads `bytes FIRST-LAST/TOTAL`; anything that contradicts itself is `None`.
pub(crate) fn parse_content_range(header: &[u8]) -> Option<Given> {
    let text = std::str::from_utf8(header).ok()?.trim();
    let (unit, rest) = text.split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (digits(first)?, digits(last)?);
    let total = match total {
        "*" => None,
        total => Some(digits(total)?),
    };
    let fits = first <= last && total.is_none_or(|total| last < total);
    (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Given { first, last, total })
}

/// Decimal digits alone: `str::parse` would take a sign.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Whether an `ETag` may prove that two answers are the same bytes.
pub(crate) fn is_strong_etag(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_body_and_odd_ones_are_ignored() {
        let part = |first, len| Wanted::Part { first, len };
        for (header, body, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=2-", 10, part(2, 8)),
            ("bytes=2-99999999999999999999", 10, Wanted::Whole),
            ("bytes=2-99", 10, part(2, 8)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-30", 10, part(0, 10)),
            ("Bytes = 1 - 2 ", 10, part(1, 2)),
            ("bytes=10-", 10, Wanted::Unsatisfiable),
            ("bytes=-0", 10, Wanted::Unsatisfiable),
            ("bytes=0-", 0, Wanted::Unsatisfiable),
            ("bytes=-5", 0, Wanted::Unsatisfiable),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,4-5", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("lines=1-2", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            (
                "bytes=18446744073709551615-",
                u64::MAX,
                Wanted::Unsatisfiable,
            ),
        ] {
            assert_eq!(parse_range(header.as_bytes(), body), expected, "{header}");
        }
    }

    #[test]
    fn a_content_range_that_contradicts_itself_is_refused() {
        let given = |first, last, total| Some(Given { first, last, total });
        for (header, expected) in [
            ("bytes 5-9/10", given(5, 9, Some(10))),
            ("bytes 5-9/*", given(5, 9, None)),
            ("bytes 5-10/10", None),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("bytes -5/10", None),
            ("bytes 5-9", None),
            ("items 5-9/10", None),
            ("bytes 5-9/+10", None),
        ] {
            assert_eq!(parse_content_range(header.as_bytes()), expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_outside_the_body(
            header in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20},?",
            body in 0_u64..200,
        ) {
            if let Wanted::Part { first, len } = parse_range(header.as_bytes(), body) {
                proptest::prop_assert!(len > 0 && first < body && len <= body - first);
            }
        }
    }
}
