//! Parts of a body: asked for by range, resumed inside, and refused where the server gives anything else.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use ostler_http::{FetchFault, Fetcher, Part, Request, ServeOptions, Transferred};
use support::{Record, Script, Seen, mirrors, pattern, quick, run_one, say, say_ok, serve_folder};

const WHOLE: u64 = 300_000;
const PART: Part = Part {
    first: 50_000,
    length: 200_000,
    whole: WHOLE,
};

fn fetch(script: &Script, part: Part) -> (Record, Result<Transferred, FetchFault>) {
    let fetcher = Fetcher::new(&quick()).unwrap();
    let mut request = Request::new(script.mirrors(), "packs/aa/b.pack", part.length);
    request.part = Some(part);
    let (sink, result) = run_one(&fetcher, request, Record::default());
    (sink, result.map_err(|error| error.fault))
}

fn asked(seen: &Seen) -> (usize, usize) {
    let range = seen.header("range").unwrap();
    let (first, last) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

fn head(first: usize, last: usize, whole: u64) -> String {
    format!(
        "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"one\"\r\n\
         Content-Range: bytes {first}-{last}/{whole}\r\nContent-Length: {}\r\n\r\n",
        last + 1 - first
    )
}

#[test]
fn parts_of_a_served_file_are_what_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    let body = pattern(300_000);
    std::fs::write(folder.path().join("file"), &body).unwrap();
    let server = serve_folder(folder.path(), ServeOptions::default());
    let fetcher = Fetcher::new(&quick()).unwrap();
    for (first, length) in [
        (0, 1),
        (0, WHOLE),
        (1, WHOLE - 1),
        (299_999, 1),
        (1000, 5000),
    ] {
        let mut request = Request::new(mirrors(server.address()), "file", length);
        request.part = Some(Part {
            first,
            length,
            whole: WHOLE,
        });
        let (sink, result) = run_one(&fetcher, request, Record::default());
        assert_eq!(result.unwrap().moved_bytes, length);
        let (from, to) = (first as usize, (first + length) as usize);
        assert_eq!(sink.bytes, body[from..to], "{first}+{length}");
        assert_eq!((sink.finished, sink.starts.len()), (1, 1));
        assert_eq!(sink.starts[0].total_bytes, Some(length));
    }
}

#[test]
fn a_part_that_is_cut_is_resumed_where_it_stopped() {
    let body = pattern(300_000);
    let sent = body.clone();
    let script = Script::new(move |number, seen, stream| {
        let (first, last) = asked(seen);
        assert_eq!(first, [50_000, 120_000, 180_000][number.min(2)]);
        assert_eq!(last, 249_999);
        assert_eq!(seen.header("if-range").is_some(), number > 0);
        let until = [120_000, 180_000, 250_000][number.min(2)];
        say(
            stream,
            [head(first, last, WHOLE).as_bytes(), &sent[first..until]].concat(),
        );
    });
    let (sink, result) = fetch(&script, PART);
    assert_eq!(result.unwrap().moved_bytes, PART.length);
    assert_eq!(sink.bytes, body[50_000..250_000]);
    let offsets: Vec<_> = sink.starts.iter().map(|start| start.resumed_at).collect();
    assert_eq!(offsets, [0, 70_000, 130_000]);
}

#[test]
fn another_answer_than_the_part_is_a_fault_and_nothing_of_it_reaches_the_sink() {
    let body = pattern(300_000);
    type Answer = fn(&mut std::net::TcpStream, &[u8]);
    let answers: [Answer; 5] = [
        // A server without ranges.
        |stream, body| say_ok(stream, "", body),
        |stream, body| {
            say(
                stream,
                [head(0, 199_999, WHOLE).as_bytes(), &body[..200_000]].concat(),
            )
        },
        |stream, body| {
            say(
                stream,
                [
                    head(50_000, 149_999, WHOLE).as_bytes(),
                    &body[50_000..150_000],
                ]
                .concat(),
            )
        },
        // Another file.
        |stream, body| {
            say(
                stream,
                [
                    head(50_000, 249_999, WHOLE + 1).as_bytes(),
                    &body[50_000..250_000],
                ]
                .concat(),
            )
        },
        |stream, _| {
            let answer = "HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            say(stream, answer);
        },
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let sent = body.clone();
        let script = Script::new(move |_, _, stream| answer(stream, &sent));
        let (sink, result) = fetch(&script, PART);
        let fault = result.unwrap_err();
        assert!(
            matches!(fault, FetchFault::BadRange { .. }),
            "{number}: {fault:?}"
        );
        assert!(sink.bytes.is_empty(), "{number}");
    }
}
