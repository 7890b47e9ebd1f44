//! Redirects, mirrors, and who gets to see a secret on the way.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::sync::{Arc, Mutex};

use ostler_http::{
    BodyStart, Conditional, Credentials, FetchFault, Fetched, Fetcher, Mirrors, Request, Sink,
    SinkFault,
};
use support::{Record, Script, quick, run_one, say_ok, say_status};

fn fetch(script: &Script, cap: u64) -> (Record, Result<ostler_http::Transferred, FetchFault>) {
    let fetcher = Fetcher::new(&quick()).unwrap();
    let request = Request::new(script.mirrors(), "objects/aa/b.filez", cap);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    (sink, result.map_err(|error| error.fault))
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
