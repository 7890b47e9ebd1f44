//! The server against `curl`, our own client and sockets that send whatever they like.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use ostler_http::{
    Access, Conditional, Fetched, Fetcher, Opened, Request, ServeOptions, ServerHandle, Source,
    Stopped, serve,
};
use support::{Record, mirrors, pattern, quick, raw, read_head, serve_folder};

struct Served {
    folder: tempfile::TempDir,
    server: ServerHandle,
}

impl Served {
    /// A root with `small` (5 bytes), `empty`, `big` (3 MB) and `sub/x`, beside a file that is nobody's business.
    fn new(options: ServeOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(folder.path().join("secret"), "SECRET").unwrap();
        std::fs::write(root.join("small"), "small").unwrap();
        std::fs::write(root.join("empty"), "").unwrap();
        std::fs::write(root.join("sub/x"), "x").unwrap();
        std::fs::write(root.join("big"), pattern(3_000_000)).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let small = File::options()
            .append(true)
            .open(root.join("small"))
            .unwrap();
        small.set_modified(old).unwrap();
        let server = serve_folder(&root, options);
        Self { folder, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn curl(&self, arguments: &[&str]) -> Vec<u8> {
        let base = format!("http://{}", self.address());
        let expanded = arguments
            .iter()
            .map(|argument| argument.replace("BASE", &base));
        let mut command = Command::new("curl");
        command.args(["--silent", "--noproxy", "*", "--max-time", "20"]);
        let output = command.args(expanded).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn curl_text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.curl(arguments)).unwrap()
    }

    fn raw(&self, request: &str) -> String {
        raw(self.address(), request)
    }
}

fn get(target: &str, extra: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{extra}\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn curl_gets_files_parts_and_heads() {
    let served = Served::new(ServeOptions::default());
    let big = pattern(3_000_000);
    assert_eq!(served.curl(&["BASE/big"]), big);
    assert_eq!(served.curl(&["-r", "100-199", "BASE/big"]), big[100..200]);
    assert_eq!(
        served.curl(&["-r", "2999990-", "BASE/big"]),
        big[2_999_990..]
    );
    assert_eq!(served.curl(&["-r", "-7", "BASE/big"]), big[2_999_993..]);
    assert_eq!(served.curl(&["-r", "0-0,9-9", "BASE/big"]), big);
    assert_eq!(served.curl(&["BASE/empty"]), b"");
    let head = served.curl_text(&["-I", "BASE/small"]);
    for line in [
        "HTTP/1.1 200 OK",
        "content-length: 5",
        "accept-ranges: bytes",
        "last-modified: Sun, 09 Sep 2001 01:46:40 GMT",
        "etag: \"",
        "date: ",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let codes = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
    for (arguments, expected) in [
        (&["-r", "5-", "BASE/small"][..], "416 0"),
        (&["-r", "0-", "BASE/empty"], "416 0"),
        (
            &["-z", "Sun, 09 Sep 2001 01:46:40 GMT", "BASE/small"],
            "304 0",
        ),
        (
            &["-z", "Sun, 09 Sep 2001 01:46:39 GMT", "BASE/small"],
            "200 5",
        ),
        (&["BASE/absent"], "404 9"),
        (&["BASE/sub"], "404 9"),
        (&["BASE/small/x"], "404 9"),
        (&["BASE/"], "404 9"),
        (&["-I", "BASE/absent"], "404 0"),
        (&["BASE/sub/x?query=1"], "200 1"),
    ] {
        let answer = served.curl_text(&[&codes, arguments].concat());
        assert_eq!(answer, expected, "{arguments:?}");
    }
    let range = served.curl_text(&["-D", "-", "-o", "/dev/null", "-r", "9-", "BASE/small"]);
    assert!(range.contains("content-range: bytes */5"), "{range}");
}

#[test]
fn curl_keeps_one_connection_and_an_etag() {
    let served = Served::new(ServeOptions::default());
    let format = "%{http_code}/%{num_connects} ";
    let mut arguments = vec!["-w", format];
    for name in [
        "BASE/small",
        "BASE/absent",
        "BASE/empty",
        "BASE/big",
        "BASE/sub/x",
    ] {
        arguments.extend(["-o", "/dev/null", name]);
    }
    let answer = served.curl_text(&arguments);
    assert_eq!(answer, "200/1 404/0 200/0 200/0 200/0 ");

    let etag = served.folder.path().join("etag");
    let etag = etag.to_str().unwrap();
    let file = served.folder.path().join("root/small");
    let code = ["-o", "/dev/null", "-w", "%{http_code}"];
    let save = [&code[..], &["--etag-save", etag, "BASE/small"]].concat();
    let compare = [&code[..], &["--etag-compare", etag, "BASE/small"]].concat();
    assert_eq!(served.curl_text(&save), "200");
    assert_eq!(served.curl_text(&compare), "304");
    std::fs::write(file, "SMALL").unwrap();
    assert_eq!(served.curl_text(&compare), "200");
}

#[test]
fn our_client_sees_the_same_document_as_unmodified() {
    let served = Served::new(ServeOptions::default());
    let fetcher = Fetcher::new(&quick()).unwrap();
    let mirrors = mirrors(served.address());
    let fetch = |unless: &Conditional| fetcher.fetch_bytes(&mirrors, "small", 5, unless).unwrap();
    let Fetched::Body(document) = fetch(&Conditional::default()) else {
        panic!("nothing was known before");
    };
    assert_eq!(document.bytes, b"small");
    let by_etag = Conditional {
        etag: document.etag,
        last_modified: None,
    };
    let by_date = Conditional {
        etag: None,
        last_modified: document.last_modified,
    };
    assert!(by_date.last_modified.is_some());
    assert_eq!(fetch(&by_etag), Fetched::NotModified);
    assert_eq!(fetch(&by_date), Fetched::NotModified);
    let other = Conditional {
        etag: Some("\"other\"".into()),
        last_modified: by_date.last_modified,
    };
    assert!(matches!(fetch(&other), Fetched::Body(_)));
    assert_eq!(
        fetcher.fetch_bytes(&mirrors, "none", 5, &other).unwrap(),
        Fetched::NotFound { status: 404 }
    );
    assert_eq!(fetcher.counters().bytes, 10);
    assert_eq!(fetcher.counters().requests, 5);
}

#[test]
fn a_thousand_files_come_whole_over_few_connections() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        let content = pattern(number * 7 % 4000);
        std::fs::write(folder.path().join(number.to_string()), content).unwrap();
    }
    let (sender, peers) = mpsc::channel();
    let log = Arc::new(move |access: &Access| sender.send(access.peer).unwrap());
    let options = ServeOptions {
        access_log: Some(log),
        ..ServeOptions::default()
    };
    let server = serve_folder(folder.path(), options);
    let fetcher = Fetcher::new(&quick()).unwrap();
    let batch = fetcher.batch();
    let mirrors = mirrors(server.address());
    for number in 0..1000_usize {
        let request = Request::new(mirrors.clone(), number.to_string(), 4000);
        batch.submit(request, Record::default(), move |sink, result| {
            result.unwrap();
            assert_eq!(sink.bytes, pattern(number * 7 % 4000));
        });
    }
    batch.wait();
    server.stop(Duration::from_secs(5));
    let peers: std::collections::HashSet<SocketAddr> = peers.iter().collect();
    assert!(peers.len() <= 10, "{} connections", peers.len());
}

#[test]
fn no_path_leads_outside_the_root() {
    let served = Served::new(ServeOptions::default());
    for target in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E./secret",
        "/..%2fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/sub/%2e%2e%2f%2e%2e%2fsecret",
        "//secret",
        "/./small",
        "/small%00",
        "/small/",
        "/%c0%ae%c0%ae/secret",
        "/%",
        "*",
        "secret",
        "../secret",
        "http://h/../secret",
        "file:///etc/passwd",
        "/%252e%252e/secret",
        "/etc/passwd",
    ] {
        let answer = served.raw(&get(target, ""));
        assert!(
            matches!(status(&answer), "400" | "404"),
            "{target}: {answer}"
        );
        assert!(
            !answer.contains("SECRET") && !answer.contains("root:"),
            "{target}"
        );
    }
    assert_eq!(status(&served.raw(&get("http://h/small", ""))), "200");
}

#[test]
fn other_methods_are_refused_with_the_allowed_ones() {
    let served = Served::new(ServeOptions::default());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let request = format!(
            "{method} /small HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
        );
        let answer = served.raw(&request);
        assert_eq!(status(&answer), "405", "{answer}");
        assert!(answer.contains("allow: GET, HEAD"), "{answer}");
    }
    let kept = std::fs::read(served.folder.path().join("root/small")).unwrap();
    assert_eq!(kept, b"small");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = Served::new(ServeOptions::default());
    let head = "HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n";
    let first = "GET /small HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = served.raw(&format!("{first}{head}{}", get("/sub/x", "")));
    let lengths: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("content-length: "))
        .collect();
    assert_eq!(lengths, ["5", "3000000", "1"]);
    assert!(
        answer.contains("small") && answer.ends_with("\r\n\r\nx"),
        "{answer}"
    );
}

#[test]
fn old_and_broken_requests_are_answered_or_refused() {
    let options = ServeOptions {
        max_header_bytes: 8192,
        ..ServeOptions::default()
    };
    let served = Served::new(options);
    let old = served.raw("GET /small HTTP/1.0\r\n\r\n");
    assert!(
        old.starts_with("HTTP/1.0 200") && old.ends_with("small"),
        "{old}"
    );
    let long = format!("X-Long: {}\r\n", "y".repeat(10_000));
    assert_eq!(status(&served.raw(&get("/small", &long))), "431");
    let many = "X-Many: y\r\n".repeat(200);
    assert_eq!(status(&served.raw(&get("/small", &many))), "431");
    assert_eq!(
        status(&served.raw(&get(&format!("/{}", "a".repeat(9000)), ""))),
        "431"
    );
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /small HTTP/9.9\r\n\r\n",
    ] {
        let answer = served.raw(garbage);
        assert!(matches!(status(&answer), "400" | ""), "{answer}");
    }
    let smuggled = get(
        "/small",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    );
    assert!(matches!(status(&served.raw(&smuggled)), "200" | "400"));
    assert_eq!(status(&served.raw(&get("/small", ""))), "200");
}

#[test]
fn a_head_that_dribbles_and_a_connection_that_idles_are_closed() {
    let options = ServeOptions {
        header_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(400),
        ..ServeOptions::default()
    };
    let served = Served::new(options);
    let begun = Instant::now();
    let mut slow = TcpStream::connect(served.address()).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut closed = false;
    for _ in 0..100 {
        closed = slow.write_all(b"X").is_err() || matches!(slow.read(&mut [0; 512]), Ok(0));
        if closed {
            break;
        }
    }
    assert!(closed && begun.elapsed() < Duration::from_secs(3));

    let begun = Instant::now();
    let answer = served.raw("GET /small HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(answer.ends_with("small"));
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "kept open for {:?}",
        begun.elapsed()
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let (sender, ended) = mpsc::channel();
    let options = ServeOptions {
        idle_timeout: Duration::from_millis(400),
        access_log: Some(Arc::new(move |access: &Access| {
            let _ = sender.send(access.clone());
        })),
        ..ServeOptions::default()
    };
    let served = Served::new(options);
    let huge = File::create(served.folder.path().join("root/huge")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream
        .write_all(get("/huge", "User-Agent: me\r\n").as_bytes())
        .unwrap();
    let access = ended.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        access.bytes < 1 << 28,
        "{} bytes for a client that reads none",
        access.bytes
    );
    assert_eq!((access.status, access.target.as_str()), (200, "/huge"));
    assert_eq!(access.user_agent.as_deref(), Some("me"));
}

/// Says that its file is longer than it is.
struct Liar;

impl Source for Liar {
    fn open(&self, segments: &[&str]) -> io::Result<Option<Opened>> {
        let len = match segments {
            ["denied"] => return Err(io::ErrorKind::PermissionDenied.into()),
            ["broken"] => return Err(io::Error::other("disk on fire")),
            ["panic"] => panic!("one connection ends with it"),
            ["early"] => 1000,
            _ => 300_000,
        };
        let mut file = tempfile::tempfile()?;
        file.write_all(&vec![b'x'; len])?;
        Ok(Some(Opened {
            file,
            len: 600_000,
            modified: None,
            etag: Some("bad\"tag".into()),
        }))
    }
}

#[test]
fn a_file_that_shrinks_ends_the_connection_and_is_never_padded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(listener, Arc::new(Liar), ServeOptions::default()).unwrap();
    let request = "GET /late HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = raw(server.address(), request.repeat(2));
    assert!(answer.contains("content-length: 600000"), "{answer:.300}");
    assert!(
        !answer.contains("etag"),
        "a tag that cannot be quoted is not sent"
    );
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    assert!(body.len() <= 300_000 && body.bytes().all(|byte| byte == b'x'));
    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    for (name, code) in [
        ("early", "500"),
        ("denied", "403"),
        ("broken", "500"),
        ("panic", ""),
        ("broken", "500"),
    ] {
        assert_eq!(
            status(&raw(server.address(), get(&format!("/{name}"), ""))),
            code
        );
    }
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let options = ServeOptions {
        max_connections: 2,
        ..ServeOptions::default()
    };
    let served = Served::new(options);
    let mut held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(served.address()).unwrap();
            stream
                .write_all(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n")
                .unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            assert!(read_head(&mut reader).is_some());
            stream
        })
        .collect();
    let mut third = TcpStream::connect(served.address()).unwrap();
    third.write_all(get("/small", "").as_bytes()).unwrap();
    third
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(
        third.read(&mut [0; 16]).is_err(),
        "there was no place for it"
    );
    held.pop();
    third
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("small"));
}

fn begin_download(address: SocketAddr) -> (BufReader<TcpStream>, usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /huge HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader).unwrap();
    let length = head.header("content-length").unwrap().parse().unwrap();
    (reader, length)
}

fn with_huge_file() -> Served {
    let served = Served::new(ServeOptions::default());
    let huge = File::create(served.folder.path().join("root/huge")).unwrap();
    huge.set_len(64 << 20).unwrap();
    served
}

#[test]
fn a_stop_lets_answers_end_and_closes_idle_connections() {
    let served = with_huge_file();
    let address = served.address();
    let (mut reader, length) = begin_download(address);
    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut idle = BufReader::new(idle);
    assert!(read_head(&mut idle).is_some());
    let stopping = std::thread::spawn(move || served.server.stop(Duration::from_secs(20)));
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert_eq!(
        rest, b"small",
        "the idle connection was closed after its answer"
    );
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it still listens");
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    assert_eq!(body.len(), length);
    assert_eq!(stopping.join().unwrap(), Stopped::Clean);
}

#[test]
fn a_stop_that_runs_out_of_time_cuts_what_is_left() {
    let served = with_huge_file();
    let (mut reader, length) = begin_download(served.address());
    let begun = Instant::now();
    let stopped = served.server.stop(Duration::from_millis(200));
    assert_eq!(stopped, Stopped::Cut);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let mut received = 0;
    while let Ok(buffer) = reader.fill_buf() {
        let len = buffer.len();
        if len == 0 {
            break;
        }
        received += len;
        reader.consume(len);
    }
    assert!(received < length);
}
