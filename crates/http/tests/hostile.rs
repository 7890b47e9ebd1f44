//! The client against servers that stall, lie and cut, and batches of many requests.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ostler_http::{BodyStart, Conditional, FetchFault, Fetcher, Mirrors, Request, Sink, SinkFault};
use support::{Record, Script, pattern, quick, run_one, say, say_ok, say_status};

fn fetch(script: &Script, cap: u64) -> (Record, Result<ostler_http::Transferred, FetchFault>) {
    let fetcher = Fetcher::new(&quick()).unwrap();
    let request = Request::new(script.mirrors(), "objects/aa/b.filez", cap);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    (sink, result.map_err(|error| error.fault))
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
    options.limits.in_flight_most = 1;
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
