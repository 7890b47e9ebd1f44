//! A request's path as plain segments. Pure.

use std::borrow::Cow;

/// Why a path names nothing that could exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadPath;

/// Splits at `/`, then decodes each segment once. The root has no segment.
///
/// Refused are empty segments, `.` and `..`, and whatever decodes to a slash, a backslash, a NUL or anything but UTF-8.
pub(super) fn parse_path(path: &str) -> Result<Vec<Cow<'_, str>>, BadPath> {
    let rest = path.strip_prefix('/').ok_or(BadPath)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    rest.split('/').map(parse_segment).collect()
}

fn parse_segment(segment: &str) -> Result<Cow<'_, str>, BadPath> {
    let decoded = decode(segment)?;
    let forbidden = |byte: u8| matches!(byte, b'/' | b'\\' | 0);
    if matches!(&*decoded, "" | "." | "..") || decoded.bytes().any(forbidden) {
        return Err(BadPath);
    }
    Ok(decoded)
}

fn decode(segment: &str) -> Result<Cow<'_, str>, BadPath> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex).ok_or(BadPath)?;
            let low = rest.next().and_then(hex).ok_or(BadPath)?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| BadPath)
}

fn hex(byte: u8) -> Option<u8> {
    // A hexadecimal digit is below 16, so it fits.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_exactly_once() {
        for (path, expected) in [
            ("/", &[][..]),
            ("/summary", &["summary"][..]),
            ("/objects/aa/bb.filez", &["objects", "aa", "bb.filez"]),
            ("/a%20b/%C3%A9", &["a b", "é"]),
            ("/%252e%252e/x", &["%2e%2e", "x"]),
            ("/...", &["..."]),
        ] {
            assert_eq!(parse_path(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn whatever_could_climb_or_confuse_is_refused() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "/a/",
            "/a//b",
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/.",
            "/%2e%2e/x",
            "/.%2E/x",
            "/%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\..\\b",
            "/a%00",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/%ff",
            "/%c0%ae%c0%ae/x",
            "/%C0%AF",
        ] {
            assert_eq!(parse_path(path), Err(BadPath), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_becomes_a_segment_that_climbs(path in "(/|%2[eEfF]|%5c|%00|\\.|[a-z%\\\\]|\\PC){0,24}") {
            for segment in parse_path(&path).unwrap_or_default() {
                let climbs = matches!(&*segment, "" | "." | "..");
                proptest::prop_assert!(!climbs && !segment.contains(['/', '\\', '\0']));
            }
        }
    }
}
