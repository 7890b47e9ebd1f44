//! An HTTP/1.1 server on raw sockets: it serves a folder, and lies where it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a request is answered with in place of the file.
pub(crate) enum Answer {
    /// The file as it is.
    Honest,
    /// This body, with its true length.
    Body(Vec<u8>),
    /// This status and no body.
    Status(u16),
    /// The head announces this length, then the body comes, then the connection ends.
    Announced(u64, Vec<u8>),
    /// No length; the first bytes, then the second ones again and again for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// The head and the first half of the file, then nothing.
    Stall,
    /// The head, and of what was asked for so many bytes, then the connection ends.
    Cut(usize),
    /// Not even a head.
    HangUp,
}

/// What was asked for, and from which byte on.
type Ranges = Arc<Mutex<Vec<(String, Option<usize>)>>>;

type Decide = dyn Fn(&str) -> Answer + Send + Sync;

/// Ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<String>>>,
    ranges: Ranges,
}

impl Server {
    /// Serves `root`; `decide` is asked for each path, without its leading slash.
    pub(crate) fn start(
        root: &Path,
        decide: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let log = Arc::new(Mutex::new(Vec::new()));
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let site = Arc::new(Site {
            ranges: Arc::clone(&ranges),
            root: root.to_owned(),
            decide: Box::new(decide),
            log: Arc::clone(&log),
            stopping: Arc::clone(&stopping),
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                if site.stopping.load(Ordering::Relaxed) {
                    break;
                }
                let (site, stream) = (Arc::clone(&site), stream.unwrap());
                // A client that went away is no fault of the test.
                thread::spawn(move || site.talk(stream).unwrap_or_default());
            }
        });
        Self {
            address,
            stopping,
            log,
            ranges,
        }
    }

    /// Serves `root` without a lie.
    pub(crate) fn honest(root: &Path) -> Self {
        Self::start(root, |_| Answer::Honest)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From which bytes a file was asked for so far, each time; `None` for all of it.
    pub(crate) fn asked_from(&self, path: &str) -> Vec<Option<usize>> {
        let ranges = self.ranges.lock().unwrap();
        let of_path = ranges.iter().filter(|(asked, _)| asked == path);
        of_path.map(|(_, from)| *from).collect()
    }

    /// The paths asked for so far that end with `suffix`.
    pub(crate) fn asked(&self, suffix: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|path| path.ends_with(suffix))
            .cloned()
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

struct Site {
    root: PathBuf,
    decide: Box<Decide>,
    log: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    ranges: Ranges,
}

impl Site {
    fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first)? == 0 {
                return Ok(());
            }
            let mut line = String::new();
            let mut range = None;
            while reader.read_line(&mut line)? > 0 && line != "\r\n" {
                range = range.or_else(|| asked_range(&line));
                line.clear();
            }
            let path = first
                .split(' ')
                .nth(1)
                .unwrap_or("/")
                .trim_start_matches('/');
            self.log.lock().unwrap().push(path.to_owned());
            let from = (path.to_owned(), range.map(|(first, _)| first));
            self.ranges.lock().unwrap().push(from);
            match self.answer(path, range, &mut writer)? {
                KeepAlive::Yes => {}
                KeepAlive::No => return Ok(()),
            }
        }
    }

    fn answer(
        &self,
        path: &str,
        range: Option<(usize, usize)>,
        out: &mut TcpStream,
    ) -> std::io::Result<KeepAlive> {
        let file = std::fs::read(self.root.join(path));
        match (self.decide)(path) {
            Answer::Honest => match file {
                Ok(bytes) => send_part(out, range, &bytes, usize::MAX)?,
                Err(_) => send(out, 404, 0, b"")?,
            },
            Answer::Cut(length) => {
                send_part(out, range, &file.unwrap(), length)?;
                return Ok(KeepAlive::No);
            }
            Answer::Body(bytes) => send(out, 200, bytes.len() as u64, &bytes)?,
            Answer::Status(status) => send(out, status, 0, b"")?,
            Answer::Announced(length, bytes) => {
                send(out, 200, length, &bytes)?;
                return Ok(KeepAlive::No);
            }
            Answer::Endless(start, again) => {
                out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                out.write_all(&start)?;
                while !self.stopping.load(Ordering::Relaxed) {
                    out.write_all(&again)?;
                }
                return Ok(KeepAlive::No);
            }
            Answer::Stall => {
                let bytes = file.unwrap();
                send(out, 200, bytes.len() as u64, &bytes[..bytes.len() / 2])?;
                while !self.stopping.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(KeepAlive::No);
            }
            Answer::HangUp => return Ok(KeepAlive::No),
        }
        Ok(KeepAlive::Yes)
    }
}

enum KeepAlive {
    Yes,
    No,
}

/// The first and last byte of a header that asks for some.
fn asked_range(line: &str) -> Option<(usize, usize)> {
    let (name, value) = line.trim_end().split_once(": ")?;
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let range = (first.parse().ok()?, last.parse().unwrap_or(usize::MAX));
    name.eq_ignore_ascii_case("range").then_some(range)
}

/// Sends the head of an answer with the file or the part of it that was asked for, and at most `length` bytes of that.
fn send_part(
    out: &mut TcpStream,
    range: Option<(usize, usize)>,
    file: &[u8],
    length: usize,
) -> std::io::Result<()> {
    let (status, first, end) = match range {
        Some((first, last)) if first < file.len() => {
            (206, first, (last.saturating_add(1)).min(file.len()))
        }
        _ => (200, 0, file.len()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nETag: \"{}\"\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{}/{}\r\n\r\n",
        file.len(),
        end - first,
        end.saturating_sub(1),
        file.len()
    );
    out.write_all(head.as_bytes())?;
    out.write_all(&file[first..end.min(first.saturating_add(length))])
}

fn send(out: &mut TcpStream, status: u16, length: u64, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n");
    out.write_all(head.as_bytes())?;
    out.write_all(body)
}
