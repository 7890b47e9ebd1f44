//! From a request and an opened file to a status, headers and a part of the file.

use std::time::{Duration, SystemTime};

use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};
use hyper::{Method, StatusCode};

use crate::date;
use crate::range::{Wanted, parse_range};
use crate::server::Opened;

/// What a file is, as far as an answer depends on it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    len: u64,
    /// Whole seconds.
    modified: Option<SystemTime>,
    /// With quotes.
    etag: Option<HeaderValue>,
}

impl Facts {
    pub(super) fn of(opened: &Opened) -> Self {
        let quotable = |tag: &&str| {
            let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
            !tag.is_empty() && tag.bytes().all(visible)
        };
        let etag = opened.etag.as_deref().filter(quotable);
        Self {
            len: opened.len,
            modified: opened.modified.map(date::whole_seconds),
            etag: etag.and_then(|tag| HeaderValue::try_from(format!("\"{tag}\"")).ok()),
        }
    }
}

/// The head of an answer, and which part of the file is its body.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// First byte and length; empty where no body is sent.
    pub(super) first: u64,
    pub(super) len: u64,
}

/// Judges the conditions and the range of a GET or HEAD request, in HTTP's order. Pure.
pub(super) fn plan_answer(
    method: &Method,
    request: &HeaderMap,
    facts: &Facts,
    now: SystemTime,
) -> Plan {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(etag) = &facts.etag {
        headers.insert(ETAG, etag.clone());
    }
    if let Some(modified) = facts.modified.and_then(date::format) {
        put(&mut headers, LAST_MODIFIED, modified);
    }
    let bare = |status, headers| Plan {
        status,
        headers,
        first: 0,
        len: 0,
    };
    if let Some(status) = condition_failed(request, facts) {
        return bare(status, headers);
    }
    let wanted = match request.get(RANGE) {
        Some(range) if method == Method::GET && range_is_current(request, facts, now) => {
            parse_range(range.as_bytes(), facts.len)
        }
        _ => Wanted::Whole,
    };
    let (status, first, len) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, facts.len),
        Wanted::Part { first, len } => {
            let range = format!("bytes {first}-{}/{}", first + len - 1, facts.len);
            put(&mut headers, CONTENT_RANGE, range);
            (StatusCode::PARTIAL_CONTENT, first, len)
        }
        Wanted::Unsatisfiable => {
            put(
                &mut headers,
                CONTENT_RANGE,
                format!("bytes */{}", facts.len),
            );
            return bare(StatusCode::RANGE_NOT_SATISFIABLE, headers);
        }
    };
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, octets);
    put(&mut headers, CONTENT_LENGTH, len.to_string());
    let len = if method == Method::HEAD { 0 } else { len };
    Plan {
        status,
        headers,
        first,
        len,
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn condition_failed(request: &HeaderMap, facts: &Facts) -> Option<StatusCode> {
    if request.contains_key(IF_MATCH) {
        if !names_etag(request, IF_MATCH, facts, Comparison::Strong) {
            return Some(StatusCode::PRECONDITION_FAILED);
        }
    } else if let (Some(limit), Some(modified)) =
        (date_in(request, IF_UNMODIFIED_SINCE), facts.modified)
        && modified > limit
    {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    let unchanged = if request.contains_key(IF_NONE_MATCH) {
        names_etag(request, IF_NONE_MATCH, facts, Comparison::Weak)
    } else {
        let since = date_in(request, IF_MODIFIED_SINCE);
        matches!((since, facts.modified), (Some(since), Some(modified)) if modified <= since)
    };
    unchanged.then_some(StatusCode::NOT_MODIFIED)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn names_etag(
    request: &HeaderMap,
    name: HeaderName,
    facts: &Facts,
    comparison: Comparison,
) -> bool {
    let lists = request.get_all(name);
    let mut tags = lists.iter().flat_map(|list| split_tags(list.as_bytes()));
    let own = facts.etag.as_ref().map(HeaderValue::as_bytes);
    tags.any(|tag| match tag.strip_prefix(b"W/") {
        _ if tag == b"*" => true,
        Some(weak) => comparison == Comparison::Weak && Some(weak) == own,
        None => Some(tag) == own,
    })
}

/// Splits at commas; our own tags may hold none that matter, since a tag is compared whole.
fn split_tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

fn date_in(request: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    date::parse(request.get(name)?.to_str().ok()?)
}

/// Whether the client's beginning belongs to this very file, so that a part may follow it.
fn range_is_current(request: &HeaderMap, facts: &Facts, now: SystemTime) -> bool {
    let Some(condition) = request.get(IF_RANGE) else {
        return true;
    };
    if let Some(etag) = &facts.etag
        && condition == etag
    {
        return true;
    }
    let date = condition.to_str().ok().and_then(date::parse);
    // Within a second of the change, another change would leave the date as it is.
    let settled = |modified: SystemTime| now > modified + Duration::from_secs(1);
    date.is_some() && date == facts.modified && facts.modified.is_some_and(settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            len: 100,
            modified: date::parse("Sun, 06 Nov 1994 08:49:37 GMT"),
            etag: Some(HeaderValue::from_static("\"a,b\"")),
        }
    }

    fn status_of(method: &Method, headers: &[(&HeaderName, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::try_from(*value).unwrap());
        }
        let plan = plan_answer(method, &map, &facts(), SystemTime::now());
        plan.status.as_u16()
    }

    #[test]
    fn conditions_are_judged_in_the_order_that_http_gives_them() {
        const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
        const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let range = (&RANGE, "bytes=0-9");
        for (headers, expected) in [
            (&[][..], 200),
            (&[(&IF_NONE_MATCH, "\"a,b\"")], 304),
            (&[(&IF_NONE_MATCH, "\"x\", W/\"a,b\"")], 304),
            (&[(&IF_NONE_MATCH, "*")], 304),
            (&[(&IF_NONE_MATCH, "\"a\", \"b\"")], 200),
            (
                &[(&IF_NONE_MATCH, "\"x\""), (&IF_MODIFIED_SINCE, SAME)],
                200,
            ),
            (&[(&IF_MODIFIED_SINCE, SAME)], 304),
            (&[(&IF_MODIFIED_SINCE, EARLIER)], 200),
            (&[(&IF_MODIFIED_SINCE, "yesterday")], 200),
            (&[(&IF_MATCH, "\"a,b\"")], 200),
            (&[(&IF_MATCH, "W/\"a,b\"")], 412),
            (&[(&IF_UNMODIFIED_SINCE, EARLIER)], 412),
            (&[(&IF_UNMODIFIED_SINCE, SAME)], 200),
            (&[range, (&IF_NONE_MATCH, "\"a,b\"")], 304),
            (&[range, (&IF_RANGE, "\"a,b\"")], 206),
            (&[range, (&IF_RANGE, "W/\"a,b\"")], 200),
            (&[range, (&IF_RANGE, "\"x\"")], 200),
            (&[range, (&IF_RANGE, SAME)], 206),
            (&[range, (&IF_RANGE, EARLIER)], 200),
            (&[(&RANGE, "bytes=100-")], 416),
        ] {
            assert_eq!(status_of(&Method::GET, headers), expected, "{headers:?}");
        }
        assert_eq!(status_of(&Method::HEAD, &[range]), 200);
    }

    #[test]
    fn a_head_answer_has_the_length_and_no_body() {
        let plan = plan_answer(
            &Method::HEAD,
            &HeaderMap::new(),
            &facts(),
            SystemTime::now(),
        );
        assert_eq!(plan.headers[CONTENT_LENGTH], "100");
        assert_eq!(plan.len, 0);
    }

    #[test]
    fn a_date_of_this_second_does_not_prove_a_range() {
        let mut headers = HeaderMap::new();
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-9"));
        headers.insert(IF_RANGE, HeaderValue::from_static(date));
        let now = date::parse(date).unwrap() + Duration::from_millis(900);
        let plan = plan_answer(&Method::GET, &headers, &facts(), now);
        assert_eq!(plan.status, StatusCode::OK);
    }
}
