//! The client against servers that stall, lie, cut and redirect without end.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ostler_http::{
    BodyStart, Conditional, Credentials, FetchFault, Fetched, Fetcher, Mirrors, Naming, Request,
    Resume, Sink, SinkFault, Validator,
};
use support::{Record, Script, Seen, pattern, quick, run_one, say, say_ok, say_status};

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
fn a_server_that_always_cuts_is_given_up_and_the_short_body_is_not_accepted() {
    let script = Script::new(|_, _, stream| {
        say(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        );
    });
    let (sink, result) = fetch(&script, 1 << 20);
    let fault = result.unwrap_err();
    let Fault { expected, received } = short(&fault);
    assert_eq!((expected, received), (1000, 5));
    assert_eq!(sink.finished, 0);
    assert_eq!(script.requests(), 6, "the first attempt and five retries");
}

struct Fault {
    expected: u64,
    received: u64,
}

fn short(fault: &FetchFault) -> Fault {
    match fault {
        FetchFault::Short {
            expected_bytes,
            received_bytes,
        } => Fault {
            expected: *expected_bytes,
            received: *received_bytes,
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_that_is_announced_too_long_is_refused_before_its_first_byte() {
    let script = Script::new(|_, _, stream| {
        say(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
        );
        std::thread::sleep(Duration::from_secs(5));
    });
    let begun = Instant::now();
    let (sink, result) = fetch(&script, 1000);
    assert!(matches!(
        result.unwrap_err(),
        FetchFault::TooLarge {
            announced_bytes: Some(_),
            ..
        }
    ));
    assert!(sink.starts.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(script.requests(), 1);
}

#[test]
fn an_endless_body_is_cut_at_the_cap() {
    let script = Script::new(|_, _, stream| {
        say(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        use std::io::Write;
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let (sink, result) = fetch(&script, 1_000_000);
    assert!(matches!(
        result.unwrap_err(),
        FetchFault::TooLarge {
            announced_bytes: None,
            ..
        }
    ));
    assert!(sink.bytes.len() <= 1_000_000);
}

#[test]
fn silence_and_dribbling_are_both_stalls() {
    for drip in [false, true] {
        let script = Script::new(move |_, _, stream| {
            say(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx",
            );
            for _ in 0..200 {
                std::thread::sleep(Duration::from_millis(50));
                if drip {
                    say(stream, "x");
                }
            }
        });
        let mut options = quick();
        options.retry.retries = 1;
        let fetcher = Fetcher::new(&options).unwrap();
        let request = Request::new(script.mirrors(), "x", 1 << 20);
        let begun = Instant::now();
        let (_, result) = run_one(&fetcher, request, Record::default());
        assert!(matches!(
            result.unwrap_err().fault,
            FetchFault::Stalled { .. }
        ));
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn a_head_that_never_ends_is_a_stall() {
    let script = Script::new(|_, _, stream| {
        say(stream, "HTTP/1.1 200 OK\r\n");
        for number in 0..200 {
            say(stream, format!("X-{number}: y\r\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut options = quick();
    options.retry.retries = 0;
    let fetcher = Fetcher::new(&options).unwrap();
    let begun = Instant::now();
    let (_, result) = run_one(
        &fetcher,
        Request::new(script.mirrors(), "x", 10),
        Record::default(),
    );
    assert!(matches!(
        result.unwrap_err().fault,
        FetchFault::Stalled { .. }
    ));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// Works longer on each chunk than a server may be silent.
struct SlowSink(Record);

impl Sink for SlowSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        self.0.start(start)
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        if self.0.bytes.is_empty() {
            std::thread::sleep(Duration::from_millis(1500));
        }
        self.0.chunk(bytes)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        self.0.finish()
    }
}

#[test]
fn a_slow_sink_is_not_taken_for_a_stalled_server() {
    let body = pattern(8 << 20);
    let sent = body.clone();
    let script = Script::new(move |_, _, stream| say_ok(stream, "", &sent));
    let mut options = quick();
    options.worker_threads = Some(1);
    options.retry.retries = 0;
    let fetcher = Fetcher::new(&options).unwrap();
    let request = Request::new(script.mirrors(), "x", 16 << 20);
    let (sink, result) = run_one(&fetcher, request, SlowSink(Record::default()));
    result.unwrap();
    assert_eq!(sink.0.bytes, body);
}

#[test]
fn server_faults_are_retried_and_refusals_are_not() {
    for (status, requests, works) in [
        ("500 Oops", 3, true),
        ("503 Busy", 3, true),
        ("408 Slow", 3, true),
        ("429 Enough", 3, true),
        ("400 Bad", 1, false),
        ("401 Who", 1, false),
        ("416 Range", 1, false),
        ("304 Same", 1, false),
        ("204 None", 1, false),
        ("404 No", 1, false),
        ("403 No", 1, false),
        ("410 Gone", 1, false),
    ] {
        let script = Script::new(move |number, _, stream| match number {
            0 | 1 => say_status(stream, status, "Retry-After: 0\r\n"),
            _ => say_ok(stream, "", b"fine"),
        });
        let (sink, result) = fetch(&script, 100);
        assert_eq!(result.is_ok(), works, "{status}: {result:?}");
        assert_eq!(script.requests(), requests, "{status}");
        assert_eq!(sink.bytes == b"fine", works);
    }
}

#[test]
fn redirects_are_followed_to_their_cap() {
    let script = Script::new(|number, seen, stream| {
        let hops: usize = seen.target().rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(number, 20 - hops.min(20));
        match hops {
            0 => say_ok(stream, "", b"there"),
            _ => say_status(
                stream,
                "302 Found",
                &format!("Location: /r/{}\r\n", hops - 1),
            ),
        }
    });
    let fetcher = Fetcher::new(&quick()).unwrap();
    let get =
        |path: &str| fetcher.fetch_bytes(&script.mirrors(), path, 100, &Conditional::default());
    let Ok(Fetched::Body(document)) = get("r/20") else {
        panic!("20 redirects are followed");
    };
    assert!(document.url.ends_with("/r/0"), "{}", document.url);

    let looping = Script::new(|_, _, stream| {
        say_status(stream, "301 Moved", "Location: /again\r\n");
    });
    let error = fetcher
        .fetch_bytes(&looping.mirrors(), "x", 100, &Conditional::default())
        .unwrap_err();
    assert!(matches!(
        error.fault,
        FetchFault::TooManyRedirects { limit: 20 }
    ));
    assert_eq!(looping.requests(), 21);
}

#[test]
fn a_redirect_to_another_scheme_is_not_followed() {
    for location in ["file:///etc/passwd", "ftp://h/x", "gopher:x", "http://", ""] {
        let script = Script::new(move |_, _, stream| {
            say_status(stream, "302 Found", &format!("Location: {location}\r\n"));
        });
        let (_, result) = fetch(&script, 100);
        assert!(
            matches!(result.unwrap_err(), FetchFault::BadRedirect { .. }),
            "{location}"
        );
    }
}

#[test]
fn secrets_are_not_carried_to_the_origin_that_a_redirect_names() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let other = Script::new(move |_, seen, stream| {
        let names = ["authorization", "x-token", "user-agent"];
        let got = names.map(|name| seen.header(name).is_some());
        log.lock().unwrap().push(got);
        say_ok(stream, "", b"x");
    });
    let target = other.address;
    let script = Script::new(move |_, seen, stream| {
        assert_eq!(seen.header("authorization"), Some("Basic dTpw"));
        assert_eq!(seen.header("x-token"), Some("t"));
        say_status(
            stream,
            "302 Found",
            &format!("Location: http://{target}/y\r\n"),
        );
    });
    let mut options = quick();
    options.headers = vec![("X-Token".into(), "t".into())];
    options.credentials = Some(Credentials::Basic {
        user: "u".into(),
        password: "p".into(),
    });
    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = script.mirrors();
    let first = fetcher.fetch_bytes(&mirrors, "x", 10, &Conditional::default());
    assert!(matches!(first, Ok(Fetched::Body(_))), "{first:?}");
    assert_eq!(*heard.lock().unwrap(), [[false, false, true]]);
}

#[test]
fn a_redirect_of_the_whole_tree_is_met_once() {
    let new_home = Script::new(|_, seen, stream| say_ok(stream, "", seen.target().as_bytes()));
    let target = new_home.address;
    let old_home = Script::new(move |_, seen, stream| {
        let path = seen.target();
        say_status(
            stream,
            "302 Found",
            &format!("Location: http://{target}/cdn{path}\r\n"),
        );
    });
    let fetcher = Fetcher::new(&quick()).unwrap();
    let mirrors = old_home.mirrors();
    for number in 0..5 {
        let request = Request::new(mirrors.clone(), format!("objects/{number}"), 100);
        let (sink, result) = run_one(&fetcher, request, Record::default());
        result.unwrap();
        assert_eq!(sink.bytes, format!("/cdn/objects/{number}").as_bytes());
    }
    assert_eq!((old_home.requests(), new_home.requests()), (1, 5));
    let summary = fetcher.fetch_bytes(&mirrors, "summary", 100, &Conditional::default());
    assert!(summary.is_ok());
    assert_eq!(
        old_home.requests(),
        2,
        "a name that may change is always asked at home"
    );
}

#[test]
fn what_the_new_home_of_a_tree_lacks_is_asked_at_the_old_one() {
    let new_home = Script::new(|_, seen, stream| match seen.target() {
        "/cdn/objects/2" => say_status(stream, "404 No", ""),
        target => say_ok(stream, "", target.as_bytes()),
    });
    let target = new_home.address;
    let old_home = Script::new(move |_, seen, stream| match seen.target() {
        "/objects/2" => say_ok(stream, "", b"old"),
        path => {
            let location = format!("Location: http://{target}/cdn{path}\r\n");
            say_status(stream, "302 Found", &location);
        }
    });
    let fetcher = Fetcher::new(&quick()).unwrap();
    let mirrors = old_home.mirrors();
    for (number, expected) in [(1, "/cdn/objects/1"), (2, "old"), (3, "/cdn/objects/3")] {
        let request = Request::new(mirrors.clone(), format!("objects/{number}"), 100);
        let (sink, result) = run_one(&fetcher, request, Record::default());
        result.unwrap();
        assert_eq!(sink.bytes, expected.as_bytes());
    }
}

#[test]
fn mirrors_are_failed_over_and_the_working_one_is_remembered() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead_address = dead.local_addr().unwrap();
    drop(dead);
    let empty = Script::new(|_, _, stream| say_status(stream, "404 No", ""));
    let full = Script::new(|_, _, stream| say_ok(stream, "", b"here"));
    let mirrors = Mirrors::parse([
        format!("http://{dead_address}/a"),
        format!("http://{}/b/", empty.address),
        format!("http://{}/c", full.address),
    ])
    .unwrap();
    let fetcher = Fetcher::new(&quick()).unwrap();
    for _ in 0..3 {
        let request = Request::new(mirrors.clone(), "x", 100);
        let (sink, result) = run_one(&fetcher, request, Record::default());
        assert_eq!(sink.bytes, b"here");
        assert!(result.unwrap().url.ends_with("/c/x"));
    }
    assert_eq!((empty.requests(), full.requests()), (1, 3));
}

#[test]
fn not_found_is_said_only_if_every_mirror_says_so() {
    let empty = || Script::new(|_, _, stream| say_status(stream, "404 No", ""));
    let broken = Script::new(|_, _, stream| say_status(stream, "500 Oops", ""));
    let (one, two) = (empty(), empty());
    let fetcher = Fetcher::new(&quick()).unwrap();
    let get = |scripts: [&Script; 2]| {
        let urls = scripts.map(|script| format!("http://{}", script.address));
        let mirrors = Mirrors::parse(urls).unwrap();
        fetcher.fetch_bytes(&mirrors, "x", 10, &Conditional::default())
    };
    assert!(matches!(
        get([&one, &two]),
        Ok(Fetched::NotFound { status: 404 })
    ));
    let error = get([&broken, &one]).unwrap_err();
    assert!(
        matches!(error.fault, FetchFault::Status { status: 500, .. }),
        "{error}"
    );
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

/// Accepts one content alone.
struct Picky(Vec<u8>);

impl Sink for Picky {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        assert_eq!(start.resumed_at, 0);
        self.0.clear();
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        match self.0.as_slice() {
            b"good" => Ok(()),
            b"full" => Err(SinkFault::Fatal("disk full".into())),
            _ => Err(SinkFault::Wrong("checksum differs".into())),
        }
    }
}

#[test]
fn wrong_bytes_are_asked_of_another_mirror_and_a_fault_of_ours_ends_it() {
    let bad = Script::new(|_, _, stream| say_ok(stream, "", b"evil"));
    let good = Script::new(|_, _, stream| say_ok(stream, "", b"good"));
    let full = Script::new(|_, _, stream| say_ok(stream, "", b"full"));
    let fetcher = Fetcher::new(&quick()).unwrap();
    let get = |scripts: &[&Script]| {
        let urls = scripts
            .iter()
            .map(|script| format!("http://{}", script.address));
        let request = Request::new(Mirrors::parse(urls).unwrap(), "x", 10);
        run_one(&fetcher, request, Picky(Vec::new())).1
    };
    assert_eq!(get(&[&bad, &good]).unwrap().attempts, 2);
    assert!(matches!(
        get(&[&bad]).unwrap_err().fault,
        FetchFault::Wrong(_)
    ));
    assert_eq!(bad.requests(), 3, "one for the first, two for the second");
    let error = get(&[&full, &good]).unwrap_err();
    assert!(matches!(error.fault, FetchFault::Sink(_)));
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(good.requests(), 1);
}

#[test]
fn a_cancelled_batch_ends_what_is_in_flight_and_what_is_queued() {
    let script = Script::new(|_, _, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
        std::thread::sleep(Duration::from_secs(30));
    });
    let mut options = quick();
    options.limits.idle_timeout = Duration::from_secs(30);
    let fetcher = Fetcher::new(&options).unwrap();
    let batch = fetcher.batch();
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 0..50 {
        let sender = sender.clone();
        let request = Request::new(script.mirrors(), format!("{number}"), 10);
        batch.submit(request, Record::default(), move |_, result| {
            sender.send(result.unwrap_err().is_cancelled()).unwrap();
        });
    }
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    batch.cancel();
    batch.wait();
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(sender);
    let ended: Vec<bool> = receiver.iter().collect();
    assert_eq!(ended, vec![true; 50]);
}

#[test]
fn metadata_overtakes_content_that_was_queued_before_it() {
    let script = Script::new(|_, seen, stream| {
        std::thread::sleep(Duration::from_millis(30));
        say_ok(stream, "", seen.target().as_bytes());
    });
    let mut options = quick();
    options.limits.in_flight = 1;
    let fetcher = Fetcher::new(&options).unwrap();
    let batch = fetcher.batch();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mirrors = script.mirrors();
    for (name, priority) in [
        ("first", ostler_http::Priority::Content),
        ("content", ostler_http::Priority::Content),
        ("part", ostler_http::Priority::Delta),
        ("tree", ostler_http::Priority::Metadata),
    ] {
        let mut request = Request::new(mirrors.clone(), name, 100);
        request.priority = priority;
        let order = Arc::clone(&order);
        batch.submit(request, Record::default(), move |sink, _| {
            order
                .lock()
                .unwrap()
                .push(String::from_utf8(sink.bytes).unwrap());
        });
        while script.requests() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    batch.wait();
    assert_eq!(
        *order.lock().unwrap(),
        ["/first", "/tree", "/part", "/content"]
    );
}

#[test]
fn an_unreachable_server_is_named_with_its_url_and_without_its_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mirrors = Mirrors::parse([format!("http://user:secret@{address}/repo")]).unwrap();
    let fetcher = Fetcher::new(&quick()).unwrap();
    let error = fetcher
        .fetch_bytes(&mirrors, "summary", 10, &Conditional::default())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!("`http://{address}/repo/summary`")),
        "{text}"
    );
    assert!(
        text.contains("refused") && text.contains("attempt 6"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_blocking_fetch_inside_a_completion_is_refused_not_deadlocked() {
    let script = Script::new(|_, _, stream| say_ok(stream, "", b"x"));
    let fetcher = Fetcher::new(&quick()).unwrap();
    let (inner, mirrors) = (fetcher.clone(), script.mirrors());
    let batch = fetcher.batch();
    let (sender, receiver) = std::sync::mpsc::channel();
    batch.submit(
        Request::new(mirrors.clone(), "x", 10),
        Record::default(),
        move |_, _| {
            let result = inner.fetch_bytes(&mirrors, "x", 10, &Conditional::default());
            sender
                .send(matches!(result.unwrap_err().fault, FetchFault::Reentrant))
                .unwrap();
        },
    );
    assert!(receiver.recv_timeout(Duration::from_secs(5)).unwrap());
}
