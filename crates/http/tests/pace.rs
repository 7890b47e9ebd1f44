//! A limit on the rate, against a real clock.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::num::NonZeroU64;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ostler_http::{Fetcher, Request};
use support::{Record, Script, pattern, quick, say_ok};

#[test]
fn two_connections_together_stay_below_the_limit_and_near_it() {
    const BODY: usize = 500_000;
    let body = pattern(BODY);
    let script = Script::new(move |_, _, stream| say_ok(stream, "", &body));
    let mut options = quick();
    options.limits.bytes_per_second = NonZeroU64::new(500_000);
    let fetcher = Fetcher::new(&options).unwrap();
    let batch = fetcher.batch();
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    for _ in 0..2 {
        let request = Request::new(script.mirrors(), "x", 1 << 20);
        let sender = sender.clone();
        batch.submit(request, Record::default(), move |sink, result| {
            sender.send((sink.bytes.len(), result)).unwrap();
        });
    }
    for _ in 0..2 {
        let (bytes, result) = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        result.unwrap();
        assert_eq!(bytes, BODY);
    }
    let elapsed = started.elapsed();
    assert_eq!(fetcher.counters().bytes, 2 * BODY as u64);
    // 2 seconds at the limit, less the burst at the beginning; a busy machine may take longer.
    assert!(elapsed > Duration::from_millis(1500), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(15), "{elapsed:?}");
}
