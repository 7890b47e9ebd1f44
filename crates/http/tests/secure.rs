//! TLS with an authority of our own, client certificates, HTTP/2, proxies, and who gets to see which secret.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostler_http::{
    ClientIdentity, Conditional, Credentials, FetchError, FetchFault, Fetched, Fetcher,
    FetcherOptions, Http2, Mirrors, Naming, ProxyChoice, Request, SetupError,
};
use support::tls::{Authority, ClientAuth, TlsServer};
use support::{Record, Script, pattern, quick, read_head, run_one, say, say_ok, say_status};

fn fetch(options: &FetcherOptions, url: &str) -> Result<Vec<u8>, FetchError> {
    let fetcher = Fetcher::new(options).unwrap();
    let mirrors = Mirrors::parse([url]).unwrap();
    match fetcher.fetch_bytes(&mirrors, "summary", 1 << 20, &Conditional::default())? {
        Fetched::Body(document) => Ok(document.bytes),
        other => panic!("{other:?}"),
    }
}

struct Files {
    _folder: tempfile::TempDir,
    ca: PathBuf,
    identity: ClientIdentity,
}

fn write_files(authority: &Authority) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    let (certificate, key) = authority.issue("client");
    std::fs::write(path("client.pem"), certificate.pem()).unwrap();
    std::fs::write(path("client.key"), key.serialize_pem()).unwrap();
    Files {
        ca: path("ca.pem"),
        identity: ClientIdentity {
            certificate: path("client.pem"),
            key: path("client.key"),
        },
        _folder: folder,
    }
}

#[test]
fn a_server_is_trusted_by_its_authority_alone() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = TlsServer::new(&ours, ClientAuth::None, &["h2", "http/1.1"], |_| {
        b"hello".to_vec()
    });
    let (our_files, their_files) = (write_files(&ours), write_files(&theirs));
    let mut options = quick();
    let mut with = |ca: Option<&PathBuf>, permissive| {
        options.tls.ca_file = ca.cloned();
        options.tls.permissive = permissive;
        fetch(&options, &server.url())
    };
    assert_eq!(with(Some(&our_files.ca), false).unwrap(), b"hello");
    for ca in [Some(&their_files.ca), None] {
        let error = with(ca, false).unwrap_err();
        assert!(matches!(error.fault, FetchFault::Certificate(_)), "{error}");
        assert_eq!(error.attempts, 1, "it would be refused again");
    }
    assert_eq!(with(None, true).unwrap(), b"hello");
    let by_number = server.url().replace("localhost", "127.0.0.1");
    options.tls.permissive = false;
    options.tls.ca_file = Some(our_files.ca.clone());
    let error = fetch(&options, &by_number).unwrap_err();
    assert!(
        matches!(error.fault, FetchFault::Certificate(_)),
        "the name differs: {error}"
    );
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let server = TlsServer::new(&authority, ClientAuth::Required, &["h2"], |_| {
        b"in".to_vec()
    });
    let mut options = quick();
    options.tls.ca_file = Some(files.ca.clone());
    options.tls.identity = Some(files.identity.clone());
    assert_eq!(fetch(&options, &server.url()).unwrap(), b"in");
    options.tls.identity = None;
    options.retry.retries = 0;
    fetch(&options, &server.url()).unwrap_err();
}

#[test]
fn a_file_that_is_not_what_the_options_say_is_named() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let mut absent = quick();
    absent.tls.ca_file = Some("/nonexistent/ca.pem".into());
    let mut key_as_ca = quick();
    key_as_ca.tls.ca_file = Some(files.identity.key.clone());
    let mut ca_as_key = quick();
    ca_as_key.tls.identity = Some(ClientIdentity {
        certificate: files.ca.clone(),
        key: files.ca.clone(),
    });
    for (options, expected) in [
        (absent, "/nonexistent/ca.pem"),
        (key_as_ca, "client.key"),
        (ca_as_key, "ca.pem"),
    ] {
        let error = Fetcher::new(&options).map(|_| ()).unwrap_err();
        assert!(matches!(
            error,
            SetupError::Read { .. } | SetupError::Pem { .. }
        ));
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn http2_shares_one_connection_between_many_requests() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = TlsServer::new(
        &authority,
        ClientAuth::None,
        &["h2", "http/1.1"],
        move |path| {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            running.fetch_sub(1, Ordering::SeqCst);
            path.as_bytes().repeat(100)
        },
    );
    for (http2, connections, in_flight) in [(Http2::Offered, 1, 32), (Http2::Refused, 40, 8)] {
        let mut options = quick();
        options.tls.ca_file = Some(files.ca.clone());
        options.http2 = http2;
        options.limits.in_flight_http2 = 32;
        options.limits.in_flight_most = 8;
        let fetcher = Fetcher::new(&options).unwrap();
        let mirrors = Mirrors::parse([server.url()]).unwrap();
        let before = server.connections();
        most.store(0, Ordering::SeqCst);
        fetcher
            .fetch_bytes(&mirrors, "config", 1 << 20, &Conditional::default())
            .unwrap();
        let batch = fetcher.batch();
        for number in 0..200 {
            let request = Request::new(mirrors.clone(), number.to_string(), 1 << 20);
            batch.submit(request, Record::default(), move |sink, result| {
                result.unwrap();
                assert_eq!(sink.bytes, format!("/{number}").repeat(100).as_bytes());
            });
        }
        batch.wait();
        let opened = server.connections() - before;
        assert!(opened <= connections, "{http2:?}: {opened} connections");
        assert_eq!(most.load(Ordering::SeqCst), in_flight, "{http2:?}");
    }
}

#[test]
fn a_large_body_gets_a_connection_of_its_own() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let server = TlsServer::new(&authority, ClientAuth::None, &["h2", "http/1.1"], |path| {
        pattern(if path == "/big" { 9 << 20 } else { 10 })
    });
    let mut options = quick();
    options.tls.ca_file = Some(files.ca.clone());
    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = Mirrors::parse([server.url()]).unwrap();
    let get = |path: &str, hint| {
        let mut request = Request::new(mirrors.clone(), path, 16 << 20);
        request.size_hint_bytes = Some(hint);
        let (sink, result) = run_one(&fetcher, request, Record::default());
        result.unwrap();
        sink.bytes.len()
    };
    assert_eq!(get("small", 10), 10);
    assert_eq!(get("big", 9 << 20), 9 << 20);
    assert_eq!(server.versions(), ["HTTP/2.0", "HTTP/1.1"]);
    assert_eq!(
        get("big", 10),
        9 << 20,
        "without a hint HTTP/2 brings it whole as well"
    );
    assert_eq!(server.versions().last().unwrap(), "HTTP/2.0");
}

#[test]
fn large_bodies_have_few_places_whatever_the_protocol_allows() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let protocols = ["h2", "http/1.1"];
    let server = TlsServer::new(&authority, ClientAuth::None, &protocols, move |_| {
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        now.fetch_sub(1, Ordering::SeqCst);
        b"x".to_vec()
    });
    let mut options = quick();
    options.tls.ca_file = Some(files.ca.clone());
    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = Mirrors::parse([server.url()]).unwrap();
    fetcher
        .fetch_bytes(&mirrors, "config", 10, &Conditional::default())
        .unwrap();
    let batch = fetcher.batch();
    for (size_hint_bytes, in_flight) in [(None, 30), (Some(9 << 20), 8)] {
        most.store(0, Ordering::SeqCst);
        for number in 0..30 {
            let mut request = Request::new(mirrors.clone(), number.to_string(), 100);
            request.size_hint_bytes = size_hint_bytes;
            batch.submit(request, Record::default(), |_, result| {
                assert!(result.is_ok());
            });
        }
        batch.wait();
        let peak = most.load(Ordering::SeqCst);
        assert!(
            peak <= in_flight && peak > in_flight / 2,
            "{peak}, not {in_flight}"
        );
    }
}

/// A request line and its `Proxy-Authorization`.
type Relayed = (String, Option<String>);

/// A proxy that notes what it relays.
struct ProxyServer {
    url: String,
    seen: Arc<Mutex<Vec<Relayed>>>,
}

impl ProxyServer {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log) = (stream.unwrap(), Arc::clone(&log));
                std::thread::spawn(move || relay(stream, &log));
            }
        });
        Self { url, seen }
    }

    fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(line, _)| line.clone()).collect()
    }
}

fn relay(mut client: TcpStream, log: &Mutex<Vec<Relayed>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let Some(head) = read_head(&mut reader) else {
        return;
    };
    let user = head.header("proxy-authorization").map(str::to_owned);
    log.lock().unwrap().push((head.line.clone(), user));
    if head.line.starts_with("CONNECT ") {
        let mut server = TcpStream::connect(head.target()).unwrap();
        say(&mut client, "HTTP/1.1 200 OK\r\n\r\n");
        let (mut up, mut down) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut server, &mut down));
        let _ = std::io::copy(&mut reader, &mut up);
        return;
    }
    let url = ostler_http::Url::parse(head.target()).unwrap();
    let address = format!("127.0.0.1:{}", url.port().unwrap());
    let mut server = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        url.path()
    );
    server.write_all(request.as_bytes()).unwrap();
    let _ = std::io::copy(&mut server, &mut client);
}

#[test]
fn a_proxy_carries_plain_requests_and_tunnels_tls() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let plain = Script::new(|_, seen, stream| say_ok(stream, "", seen.line.as_bytes()));
    let secure = TlsServer::new(&authority, ClientAuth::None, &["http/1.1"], |_| {
        b"s".to_vec()
    });
    let proxy = ProxyServer::new();
    let mut options = quick();
    options.tls.ca_file = Some(files.ca.clone());
    options.proxy = ProxyChoice::Url(proxy.url.replace("http://", "http://me:pass@"));
    let url = format!("http://{}", plain.address);
    assert_eq!(fetch(&options, &url).unwrap(), b"GET /summary HTTP/1.1");
    assert_eq!(fetch(&options, &secure.url()).unwrap(), b"s");
    let expected = [
        format!("GET {url}/summary HTTP/1.1"),
        format!(
            "CONNECT {} HTTP/1.1",
            secure.url().strip_prefix("https://").unwrap()
        ),
    ];
    assert_eq!(proxy.lines(), expected);
    let seen = proxy.seen.lock().unwrap();
    assert!(
        seen.iter()
            .all(|(_, user)| user.as_deref() == Some("Basic bWU6cGFzcw=="))
    );
}

const CHILD_URL: &str = "OSTLER_TEST_URL";

/// Runs this very test as a child, since a process must not change its own environment beside other threads.
#[test]
fn the_environment_names_the_proxy_and_the_exceptions() {
    let name = "the_environment_names_the_proxy_and_the_exceptions";
    if let Ok(url) = std::env::var(CHILD_URL) {
        let mut options = quick();
        options.proxy = ProxyChoice::Environment;
        assert_eq!(fetch(&options, &url).unwrap(), b"x");
        options.proxy = ProxyChoice::Direct;
        assert_eq!(fetch(&options, &url).unwrap(), b"x");
        return;
    }
    let plain = Script::new(|_, _, stream| say_ok(stream, "", b"x"));
    let proxy = ProxyServer::new();
    for (exceptions, relayed) in [("", 1), ("127.0.0.1", 1), ("other.example", 2)] {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(CHILD_URL, format!("http://{}", plain.address))
            .env("http_proxy", &proxy.url)
            .env("no_proxy", exceptions)
            .env_remove("NO_PROXY")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "no_proxy={exceptions}");
        assert_eq!(proxy.lines().len(), relayed, "no_proxy={exceptions}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_when_the_fetcher_is_made() {
    for url in ["socks5://h:1", "ftp://u:secret@h", "nonsense", "http://"] {
        let mut options = quick();
        options.proxy = ProxyChoice::Url(url.into());
        let error = Fetcher::new(&options).map(|_| ()).unwrap_err();
        assert!(matches!(error, SetupError::Proxy { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

/// Answers with the header that was asked for by the path.
fn echo_server() -> Script {
    Script::new(|_, seen, stream| {
        let all = seen
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        say_ok(
            stream,
            "Set-Cookie: fresh=1\r\n",
            all.collect::<String>().as_bytes(),
        );
    })
}

fn echoed(options: &FetcherOptions, url: &str) -> String {
    String::from_utf8(fetch(options, url).unwrap()).unwrap()
}

#[test]
fn credentials_come_from_the_url_then_the_options_then_netrc() {
    let server = echo_server();
    let folder = tempfile::tempdir().unwrap();
    let netrc = folder.path().join("netrc");
    std::fs::write(
        &netrc,
        "machine other login x password y\nmachine 127.0.0.1 login n password q\n",
    )
    .unwrap();
    let url = format!("http://{}/r", server.address);
    let with_user = url.replace("http://", "http://in:url@");
    let mut options = quick();
    assert!(!echoed(&options, &url).contains("authorization"));
    options.netrc = Some(netrc);
    assert!(echoed(&options, &url).contains("authorization: Basic bjpx\n"));
    options.credentials = Some(Credentials::Bearer("token".into()));
    assert!(echoed(&options, &url).contains("authorization: Bearer token\n"));
    assert!(echoed(&options, &with_user).contains("authorization: Basic aW46dXJs\n"));
    options.headers = vec![("Authorization".into(), "Custom 1".into())];
    let custom = echoed(&options, &url);
    assert_eq!(custom.matches("authorization").count(), 1);
    assert!(custom.contains("authorization: Custom 1\n"));
    assert!(!format!("{:?}", options.credentials).contains("token"));
}

#[test]
fn every_request_has_the_plain_headers() {
    let server = echo_server();
    let url = format!("http://{}", server.address);
    let mut options = quick();
    let plain = echoed(&options, &url);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        plain.contains(&format!("user-agent: ostler/{version}\n")),
        "{plain}"
    );
    assert!(plain.contains("accept-encoding: identity\n"), "{plain}");
    options.user_agent = Some("other/1".into());
    options.headers = vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into())];
    let other = echoed(&options, &url);
    assert!(other.contains("user-agent: other/1\n"));
    assert!(other.contains("x-a: 1\nx-a: 2\n"));
    options.headers = vec![("Bad Name".into(), "x".into())];
    let error = Fetcher::new(&options).map(|_| ()).unwrap_err();
    assert!(matches!(error, SetupError::Header { .. }));
}

#[test]
fn a_body_is_never_decompressed() {
    let server = Script::new(|_, _, stream| {
        say_ok(
            stream,
            "Content-Encoding: gzip\r\n",
            b"\x1f\x8b not really gzip",
        );
    });
    let bytes = fetch(&quick(), &format!("http://{}", server.address)).unwrap();
    assert_eq!(bytes, b"\x1f\x8b not really gzip");
}

#[test]
fn cookies_of_the_file_go_to_their_hosts_and_paths() {
    let server = echo_server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cookies.txt");
    std::fs::write(
        &file,
        "# HTTP Cookie File\n\
         127.0.0.1\tFALSE\t/repo\tFALSE\t4000000000\there\tyes\n\
         127.0.0.1\tFALSE\t/other\tFALSE\t4000000000\tpath\tno\n\
         127.0.0.1\tFALSE\t/\tFALSE\t1000\texpired\tno\n\
         .example.com\tTRUE\t/\tFALSE\t0\tforeign\tno\n",
    )
    .unwrap();
    let mut options = quick();
    options.cookies = Some(file.clone());
    let url = format!("http://{}/repo", server.address);
    let first = echoed(&options, &url);
    assert!(first.contains("cookie: here=yes\n"), "{first}");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains("fresh"), "the file is never written");

    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = Mirrors::parse([url]).unwrap();
    let mut request = Request::new(mirrors, "x", 1 << 20);
    request.naming = Naming::ByName;
    run_one(&fetcher, request.clone(), Record::default())
        .1
        .unwrap();
    let (second, _) = run_one(&fetcher, request, Record::default());
    let second = String::from_utf8(second.bytes).unwrap();
    let line = second
        .lines()
        .find(|line| line.starts_with("cookie"))
        .unwrap();
    assert!(
        line.contains("here=yes") && line.contains("fresh=1"),
        "{line}"
    );

    options.cookies = Some(folder.path().join("absent"));
    Fetcher::new(&options).unwrap();
    std::fs::write(&file, "not a cookie\n").unwrap();
    options.cookies = Some(file);
    let error = Fetcher::new(&options).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn a_redirect_may_lead_to_tls_and_be_refused_there() {
    let authority = Authority::new();
    let files = write_files(&authority);
    let server = TlsServer::new(&authority, ClientAuth::None, &["h2"], |path| path.into());
    let target = server.url();
    let plain = Script::new(move |_, seen, stream| {
        say_status(
            stream,
            "301 Moved",
            &format!("Location: {target}{}\r\n", seen.target()),
        );
    });
    let url = format!("http://{}/repo", plain.address);
    let mut options = quick();
    let error = fetch(&options, &url).unwrap_err();
    assert!(
        error.url.starts_with("https://localhost:"),
        "the URL that failed is named: {error}"
    );
    options.tls.ca_file = Some(files.ca.clone());
    assert_eq!(fetch(&options, &url).unwrap(), b"/repo/summary");
}
