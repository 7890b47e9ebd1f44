//! Bodies that are cut, changed and joined: what is resumed, and by which proof.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::net::TcpStream;

use ostler_http::{
    Conditional, FetchFault, Fetched, Fetcher, Mirrors, Naming, Request, Resume, Validator,
};
use support::{Record, Script, Seen, pattern, quick, run_one, say, say_ok};

fn fetch(script: &Script, cap: u64) -> (Record, Result<ostler_http::Transferred, FetchFault>) {
    let fetcher = Fetcher::new(&quick()).unwrap();
    let request = Request::new(script.mirrors(), "objects/aa/b.filez", cap);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    (sink, result.map_err(|error| error.fault))
}

/// Sends `body[from..]` up to `until` under a head that promises all of it.
fn say_part(stream: &mut TcpStream, seen: &Seen, body: &[u8], extra: &str, until: usize) {
    let len = body.len();
    match range_start(seen) {
        Some(from) => {
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n{extra}\
                 Content-Range: bytes {from}-{}/{len}\r\nContent-Length: {}\r\n\r\n",
                len - 1,
                len - from
            );
            say(
                stream,
                [head.as_bytes(), &body[from..until.max(from)]].concat(),
            );
        }
        None => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\n{extra}Content-Length: {len}\r\n\r\n"
            );
            say(stream, [head.as_bytes(), &body[..until]].concat());
        }
    }
}

fn range_start(seen: &Seen) -> Option<usize> {
    let range = seen.header("range")?;
    range
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}

#[test]
fn a_body_that_is_cut_is_resumed_where_it_stopped() {
    let body = pattern(300_000);
    let sent = body.clone();
    let script = Script::new(move |number, seen, stream| {
        assert_eq!(seen.header("if-range").is_some(), number > 0);
        let until = [100_000, 200_000, 300_000][number.min(2)];
        say_part(stream, seen, &sent, "ETag: \"one\"\r\n", until);
    });
    let (sink, result) = fetch(&script, 1 << 20);
    let done = result.unwrap();
    assert_eq!(sink.bytes, body);
    assert_eq!((done.attempts, done.moved_bytes), (3, 300_000));
    let offsets: Vec<_> = sink.starts.iter().map(|start| start.resumed_at).collect();
    assert_eq!(offsets, [0, 100_000, 200_000]);
    assert_eq!(sink.finished, 1);
}

#[test]
fn a_body_that_changed_since_the_cut_is_taken_from_its_beginning() {
    let (old, new) = (pattern(100_000), vec![7; 90_000]);
    let (before, after) = (old.clone(), new.clone());
    let script = Script::new(move |number, seen, stream| match number {
        0 => say_part(stream, seen, &before, "ETag: \"one\"\r\n", 40_000),
        // As HTTP asks: the condition does not hold, so the whole body comes.
        _ => say_ok(stream, "ETag: \"two\"\r\n", &after),
    });
    let (sink, result) = fetch(&script, 1 << 20);
    result.unwrap();
    assert_eq!(sink.bytes, new);
    assert_eq!(sink.starts.last().unwrap().resumed_at, 0);
}

#[test]
fn a_part_of_another_body_is_never_joined_even_if_the_server_ignores_the_condition() {
    let (old, new) = (pattern(100_000), vec![7; 100_000]);
    for naming in [Naming::ByContent, Naming::ByName] {
        let (before, after) = (old.clone(), new.clone());
        let script = Script::new(move |number, seen, stream| match number {
            0 => say_part(stream, seen, &before, "ETag: \"one\"\r\n", 40_000),
            _ => say_part(stream, seen, &after, "ETag: \"two\"\r\n", 100_000),
        });
        let fetcher = Fetcher::new(&quick()).unwrap();
        let mut request = Request::new(script.mirrors(), "x", 1 << 20);
        request.naming = naming;
        let (sink, result) = run_one(&fetcher, request, Record::default());
        result.unwrap();
        assert_eq!(sink.bytes, new, "{naming:?}");
    }
}

#[test]
fn without_an_etag_a_mutable_document_is_not_resumed() {
    let body = pattern(100_000);
    let sent = body.clone();
    let script = Script::new(move |number, seen, stream| {
        assert_eq!(seen.header("range"), None);
        say_part(
            stream,
            seen,
            &sent,
            "",
            if number == 0 { 50_000 } else { 100_000 },
        );
    });
    let fetcher = Fetcher::new(&quick()).unwrap();
    let got = fetcher
        .fetch_bytes(
            &script.mirrors(),
            "summary",
            1 << 20,
            &Conditional::default(),
        )
        .unwrap();
    assert!(matches!(got, Fetched::Body(document) if document.bytes == body));
}

#[test]
fn a_partial_answer_that_does_not_fit_restarts_the_body() {
    for wrong in [
        "bytes 0-99999/100000",
        "bytes 50000-99999/100001",
        "bytes */100000",
        "",
    ] {
        let body = pattern(100_000);
        let sent = body.clone();
        let script = Script::new(move |number, seen, stream| match number {
            1 => {
                let range = match wrong {
                    "" => String::new(),
                    wrong => format!("Content-Range: {wrong}\r\n"),
                };
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n{range}Content-Length: 50000\r\n\r\n"
                );
                say(stream, [head.as_bytes(), &[0; 50_000]].concat());
            }
            _ => say_part(
                stream,
                seen,
                &sent,
                "",
                if number == 0 { 50_000 } else { 100_000 },
            ),
        });
        let (sink, result) = fetch(&script, 1 << 20);
        assert_eq!(result.unwrap().attempts, 3, "{wrong}");
        assert_eq!(sink.bytes, body, "{wrong}");
        assert_eq!(
            sink.starts.len(),
            2,
            "the wrong part never reached the sink"
        );
    }
}

#[test]
fn a_cut_body_goes_on_at_another_mirror_if_the_name_proves_the_content() {
    let body = pattern(100_000);
    let (first_half, rest) = (body.clone(), body.clone());
    let first = Script::new(move |number, seen, stream| {
        assert_eq!(number, 0);
        say_part(stream, seen, &first_half, "ETag: \"a\"\r\n", 50_000);
    });
    let second = Script::new(move |_, seen, stream| {
        assert_eq!(range_start(seen), Some(50_000));
        assert_eq!(seen.header("if-range"), None);
        say_part(stream, seen, &rest, "ETag: \"b\"\r\n", 100_000);
    });
    let urls = [&first, &second].map(|script| format!("http://{}", script.address));
    let fetcher = Fetcher::new(&quick()).unwrap();
    let request = Request::new(Mirrors::parse(urls).unwrap(), "x", 1 << 20);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    assert_eq!(result.unwrap().moved_bytes, 100_000);
    assert_eq!(sink.bytes, body);
}

#[test]
fn bytes_of_an_earlier_run_are_kept_if_their_validator_still_holds() {
    let body = pattern(1000);
    for (validator, kept) in [
        (Validator::Etag("\"e\"".into()), true),
        (Validator::TotalBytes(1000), true),
        (Validator::Etag("\"old\"".into()), false),
        (Validator::TotalBytes(999), false),
    ] {
        let sent = body.clone();
        let script = Script::new(move |_, seen, stream| {
            let holds = seen.header("if-range").is_none_or(|etag| etag == "\"e\"");
            if holds {
                say_part(stream, seen, &sent, "ETag: \"e\"\r\n", 1000);
            } else {
                say_ok(stream, "ETag: \"e\"\r\n", &sent);
            }
        });
        let fetcher = Fetcher::new(&quick()).unwrap();
        let mut request = Request::new(script.mirrors(), "x", 1000);
        request.resume = Some(Resume {
            offset: 400,
            validator: validator.clone(),
        });
        let sink = Record {
            bytes: body[..400].to_vec(),
            ..Record::default()
        };
        let (sink, result) = run_one(&fetcher, request, sink);
        let moved = result.unwrap().moved_bytes;
        assert_eq!(moved, if kept { 600 } else { 1000 }, "{validator:?}");
        assert_eq!(sink.bytes, body);
    }
}
