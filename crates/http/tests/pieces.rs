//! Large bodies that the network holds up: fetched in several pieces at once, and whole whatever becomes of the pieces.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::net::TcpStream;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ostler_http::{Fetcher, FetcherOptions, Mirrors, Part, Request, Transferred};
use support::{Record, Script, Seen, pattern, quick, run_one, say, say_status};

const SIZE: usize = 40 << 20;
/// Bytes of one write of a server that takes its time.
const STEP: usize = 256 << 10;

/// The first and last byte that are asked for.
fn range(seen: &Seen) -> Option<(usize, usize)> {
    let (first, last) = seen
        .header("range")?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let last = if last.is_empty() {
        SIZE - 1
    } else {
        last.parse().ok()?
    };
    Some((first.parse().ok()?, last))
}

/// Sends what is asked for, each step after a moment, as a far server does.
fn say_slowly(stream: &mut TcpStream, seen: &Seen, body: &[u8]) {
    let head = match range(seen) {
        Some((first, last)) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\
             Content-Length: {}\r\n",
            last - first + 1
        ),
        None => format!("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: {SIZE}\r\n"),
    };
    say(
        stream,
        format!("{head}ETag: \"one\"\r\nConnection: close\r\n\r\n"),
    );
    let (first, last) = range(seen).unwrap_or((0, SIZE - 1));
    for step in body[first..=last].chunks(STEP) {
        std::thread::sleep(Duration::from_millis(2));
        say(stream, step);
    }
}

fn options() -> FetcherOptions {
    let mut options = quick();
    options.limits.idle_timeout = Duration::from_secs(20);
    options
}

fn fetch(mirrors: Mirrors, part: Option<Part>, options: &FetcherOptions) -> (Record, Transferred) {
    let fetcher = Fetcher::new(options).unwrap();
    let mut request = Request::new(mirrors, "objects/aa/b.filez", 1 << 30);
    request.part = part;
    let (sink, result) = run_one(&fetcher, request, Record::default());
    (sink, result.unwrap())
}

/// How many bytes are sent at once, at most: the requests that are being answered.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtOnce {
    fn during(&self, work: impl FnOnce()) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        work();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_body_that_is_waited_for_comes_in_pieces_at_once() {
    let body = pattern(SIZE);
    let (sent, at_once) = (body.clone(), Arc::new(AtOnce::default()));
    let counted = Arc::clone(&at_once);
    let script = Script::new(move |_, seen, stream| {
        counted.during(|| say_slowly(stream, seen, &sent));
    });
    let (sink, done) = fetch(script.mirrors(), None, &options());
    assert!(sink.bytes == body);
    assert_eq!((sink.starts.len(), sink.finished), (1, 1));
    assert!(
        (6..=11).contains(&script.requests()),
        "{}",
        script.requests()
    );
    let most = at_once.most.load(Ordering::SeqCst);
    assert!((3..=6).contains(&most), "{most} at once");
    assert_eq!(done.attempts, 1);
}

#[test]
fn a_part_of_a_body_comes_in_pieces_too() {
    let body = pattern(SIZE);
    let sent = body.clone();
    let script = Script::new(move |_, seen, stream| say_slowly(stream, seen, &sent));
    let part = Part {
        first: 1000,
        length: (SIZE - 5000) as u64,
        whole: SIZE as u64,
    };
    let (sink, _) = fetch(script.mirrors(), Some(part), &options());
    assert!(sink.bytes == body[1000..SIZE - 4000]);
    assert!(script.requests() > 4, "{}", script.requests());
}

#[test]
fn pieces_that_do_not_come_are_asked_for_in_one_range() {
    let body = pattern(SIZE);
    for fate in ["404 Not Found", "200 without ranges", "another file", "cut"] {
        let sent = body.clone();
        let script = Script::new(move |number, seen, stream| {
            let is_piece = range(seen).is_some_and(|(_, last)| last < SIZE - 1);
            match fate {
                _ if number == 0 || !is_piece => say_slowly(stream, seen, &sent),
                "404 Not Found" => say_status(stream, "404 Not Found", ""),
                "200 without ranges" => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
                    say(stream, head);
                }
                "another file" => say(
                    stream,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123456789",
                ),
                _ => {
                    let (first, last) = range(seen).unwrap();
                    let head = format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\nContent-Length: {}\r\n\r\n",
                        last - first + 1
                    );
                    say(stream, head);
                    say(stream, &sent[first..first + 100_000]);
                }
            }
        });
        let (sink, done) = fetch(script.mirrors(), None, &options());
        assert!(sink.bytes == body, "{fate}");
        assert_eq!((sink.finished, done.attempts), (1, 1), "{fate}");
    }
}

#[test]
fn a_server_without_ranges_and_a_cap_on_the_rate_are_asked_once() {
    let body = pattern(SIZE);
    let sent = body.clone();
    let script = Script::new(move |_, _, stream| {
        say(
            stream,
            format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"),
        );
        for step in sent.chunks(STEP) {
            std::thread::sleep(Duration::from_millis(1));
            say(stream, step);
        }
    });
    let (sink, _) = fetch(script.mirrors(), None, &options());
    assert!(sink.bytes == body);
    assert_eq!(script.requests(), 1);

    let sent = body.clone();
    let script = Script::new(move |_, seen, stream| say_slowly(stream, seen, &sent));
    let mut capped = options();
    capped.limits.bytes_per_second = NonZeroU64::new(1 << 30);
    let (sink, _) = fetch(script.mirrors(), None, &capped);
    assert!(sink.bytes == body);
    assert_eq!(script.requests(), 1);
}

#[test]
fn pieces_come_from_several_mirrors() {
    let body = pattern(SIZE);
    let (one, other) = (body.clone(), body.clone());
    let near = Script::new(move |_, seen, stream| say_slowly(stream, seen, &one));
    let far = Script::new(move |_, seen, stream| say_slowly(stream, seen, &other));
    let urls = [near.address, far.address].map(|address| format!("http://{address}"));
    let fetcher = Fetcher::new(&options()).unwrap();
    let mirrors = Mirrors::parse(urls).unwrap();
    let request = Request::new(mirrors, "objects/aa/b.filez", 1 << 30);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    assert_eq!(result.unwrap().total_bytes, SIZE as u64);
    assert!(sink.bytes == body);
    assert!(near.requests() > 1 && far.requests() > 0);
}
