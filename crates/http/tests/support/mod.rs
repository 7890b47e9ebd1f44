//! What the suites share: a folder as a source, sinks that remember, servers that misbehave on purpose.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each suite uses its own part, and a test ends where it fails"
)]

pub mod tls;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ostler_http::{
    BodyStart, FetchError, Fetcher, FetcherOptions, Mirrors, Opened, Request, RetryPolicy,
    ServeOptions, ServerHandle, Sink, SinkFault, Source, Transferred, serve,
};

/// Serves the regular files of a trusted folder.
pub struct Folder(pub PathBuf);

impl Source for Folder {
    fn open(&self, segments: &[&str]) -> io::Result<Option<Opened>> {
        let mut path = self.0.clone();
        path.extend(segments);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let etag = format!(
            "{:x}-{:x}-{:x}.{:x}",
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        Ok(Some(Opened {
            file,
            len: metadata.len(),
            modified: metadata.modified().ok(),
            etag: Some(etag),
        }))
    }
}

pub fn serve_folder(path: &Path, options: ServeOptions) -> ServerHandle {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    serve(listener, Arc::new(Folder(path.to_owned())), options).unwrap()
}

pub fn mirrors(address: SocketAddr) -> Mirrors {
    Mirrors::parse([format!("http://{address}")]).unwrap()
}

/// Options that fail fast and never look at the environment.
pub fn quick() -> FetcherOptions {
    let mut options = FetcherOptions {
        proxy: ostler_http::ProxyChoice::Direct,
        retry: RetryPolicy {
            backoff: Duration::from_millis(5),
            ..RetryPolicy::default()
        },
        ..FetcherOptions::default()
    };
    options.limits.idle_timeout = Duration::from_millis(800);
    options
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub struct Record {
    pub bytes: Vec<u8>,
    pub starts: Vec<BodyStart>,
    pub finished: usize,
}

impl Sink for Record {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        let kept = self.bytes.len() as u64;
        assert!(
            start.resumed_at == 0 || start.resumed_at == kept,
            "{start:?} after {kept}"
        );
        if start.resumed_at == 0 {
            self.bytes.clear();
        }
        self.starts.push(start.clone());
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        assert!(!bytes.is_empty());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        self.finished += 1;
        Ok(())
    }
}

/// Runs one request and returns what became of it.
pub fn run_one<S: Sink + 'static>(
    fetcher: &Fetcher,
    request: Request,
    sink: S,
) -> (S, Result<Transferred, FetchError>) {
    let (sender, receiver) = mpsc::channel();
    let batch = fetcher.batch();
    batch.submit(request, sink, move |sink, result| {
        sender.send((sink, result)).unwrap();
    });
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// A request as a hand-made server sees it.
#[derive(Debug)]
pub struct Seen {
    /// The first line.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

pub fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Seen {
        line: line.trim_end().to_owned(),
        headers,
    })
}

/// A server whose every answer is a function of the request and its number; it closes after each.
pub struct Script {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Script {
    pub fn new(answer: impl Fn(usize, &Seen, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    if let Some(seen) = read_head(&mut reader) {
                        let number = count.fetch_add(1, Ordering::SeqCst);
                        answer(number, &seen, &mut stream);
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub fn mirrors(&self) -> Mirrors {
        mirrors(self.address)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Writes and ignores that the client may have left.
pub fn say(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = stream.write_all(bytes.as_ref());
    let _ = stream.flush();
}

/// A whole answer with the right length.
pub fn say_ok(stream: &mut TcpStream, extra: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    say(stream, [head.as_bytes(), body].concat());
}

pub fn say_status(stream: &mut TcpStream, status: &str, extra: &str) {
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{extra}Content-Length: 0\r\n\r\n");
    say(stream, head);
}

/// Sends `request` as it stands and returns all that comes until the server closes.
pub fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_ref()).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Bytes that repeat at no power of two.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i % 251) as u8 ^ (i / 65_537) as u8)
        .collect()
}
