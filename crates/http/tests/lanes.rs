//! How many requests are in flight: as many as the way to the server is worth.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ostler_http::{Fetcher, FetcherOptions, Request};
use support::{Record, Script, quick, say_ok, say_status};

/// How many of `count` requests are being answered at once, at most, by a server that takes so long; every `failing`-th is answered by an error.
fn most_at_once(delay: Duration, count: usize, failing: usize, options: &FetcherOptions) -> usize {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let script = Script::new(move |number, _, stream| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(delay);
        now.fetch_sub(1, Ordering::SeqCst);
        match (number + 1) % failing {
            0 => say_status(stream, "503 Service Unavailable", ""),
            _ => say_ok(stream, "", b"small"),
        }
    });
    let fetcher = Fetcher::new(options).unwrap();
    let mirrors = script.mirrors();
    let batch = fetcher.batch();
    for number in 0..count {
        let request = Request::new(mirrors.clone(), format!("objects/{number}"), 100);
        batch.submit(request, Record::default(), |sink, result| {
            result.unwrap();
            assert_eq!(sink.bytes, b"small");
        });
    }
    batch.wait();
    most.load(Ordering::SeqCst)
}

#[test]
fn a_far_server_is_asked_for_more_at_once_and_never_for_more_than_the_limit() {
    let mut options = quick();
    let far = most_at_once(Duration::from_millis(60), 600, usize::MAX, &options);
    assert!((10..=33).contains(&far), "{far}");
    options.limits.in_flight_most = 8;
    let limited = most_at_once(Duration::from_millis(60), 100, usize::MAX, &options);
    assert!(limited <= 9, "{limited}");
}

#[test]
fn a_server_that_fails_gets_no_more() {
    let failing = most_at_once(Duration::from_millis(60), 100, 6, &quick());
    assert!(failing <= 10, "{failing}");
}
