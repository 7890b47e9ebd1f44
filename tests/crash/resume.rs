//! A pull killed while a large object comes, and what the next one asks the server for.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ostler_tests::{Repo, Scratch};

use crate::ostler;

/// What the program gathers before it keeps it.
const PIECE: usize = 256 << 10;

/// Serves a repository; of files longer than a piece it sends `until` bytes and then nothing.
struct Slow {
    url: String,
    until: Arc<Mutex<usize>>,
    /// From where to where a large file was sent.
    sent: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Slow {
    fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let until = Arc::new(Mutex::new(usize::MAX));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (root, limit, log) = (root.to_owned(), Arc::clone(&until), Arc::clone(&sent));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, limit, log) = (root.clone(), Arc::clone(&limit), Arc::clone(&log));
                // A client that was killed is what this is about.
                thread::spawn(move || talk(stream.unwrap(), &root, &limit, &log));
            }
        });
        Self { url, until, sent }
    }
}

fn talk(
    mut out: TcpStream,
    root: &Path,
    limit: &Mutex<usize>,
    log: &Mutex<Vec<(usize, usize)>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(out.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap().trim_start_matches('/');
        let Ok(body) = fs::read(root.join(path)) else {
            out.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let range = head.lines().find_map(|line| {
            let asked = line.to_ascii_lowercase();
            let from = asked.strip_prefix("range: bytes=")?.strip_suffix('-')?;
            from.parse::<usize>().ok()
        });
        let from = range.unwrap_or(0);
        let (status, size) = (if range.is_some() { 206 } else { 200 }, body.len());
        write!(
            out,
            "HTTP/1.1 {status} X\r\nETag: \"{size}\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{size}\r\n\r\n",
            size - from,
            size.saturating_sub(1)
        )?;
        if size <= PIECE {
            out.write_all(&body)?;
            continue;
        }
        let until = (*limit.lock().unwrap()).clamp(from, size);
        log.lock().unwrap().push((from, until));
        out.write_all(&body[from..until])?;
        if until < size {
            // Until the client is gone.
            let _ = reader.read_line(&mut String::new());
            return Ok(());
        }
    }
}

fn kept(repo: &Repo) -> Option<PathBuf> {
    let tmp = fs::read_dir(repo.path().join("tmp")).ok()?;
    let folders = tmp.map(|entry| entry.unwrap().path().join("partial"));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok());
    files.flatten().map(|entry| entry.unwrap().path()).next()
}

fn kept_bytes(repo: &Repo) -> u64 {
    let length = kept(repo).and_then(|path| fs::metadata(path).ok());
    length.map_or(0, |length| length.len())
}

#[test]
fn a_pull_killed_inside_a_large_object_goes_on_there() {
    let program = ostler();
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    fs::write(tree.join("large"), noise.take(3 << 20).collect::<Vec<u8>>()).unwrap();
    fs::write(tree.join("small"), "small").unwrap();
    let published = program.init_quick(&scratch.join("published"), "archive");
    let id = published.commit("main", &tree, &[]);
    let server = Slow::start(published.path());
    for (number, until) in [1, PIECE - 1, PIECE, PIECE + 7, 5 * PIECE, 11 * PIECE + 1]
        .into_iter()
        .enumerate()
    {
        let repo = program.init_quick(&scratch.join(format!("{number}")), "bare-user");
        repo.run("remote add", ["--no-gpg-verify", "origin", &server.url]);
        *server.until.lock().unwrap() = until;
        server.sent.lock().unwrap().clear();
        let mut pull = program.command(["pull", "origin", "main", "--repo"]);
        let mut pull = pull.arg(repo.path()).spawn().unwrap();
        let expected = until - until % PIECE;
        let wanted = if expected == 0 { 0 } else { expected + 512 };
        let started = Instant::now();
        while server.sent.lock().unwrap().is_empty() || kept_bytes(&repo) < wanted as u64 {
            assert!(started.elapsed() < Duration::from_secs(60), "{until}");
            thread::sleep(Duration::from_millis(5));
        }
        pull.kill().unwrap();
        pull.wait().unwrap();
        *server.until.lock().unwrap() = usize::MAX;
        repo.run("pull", ["origin", "main"]);
        assert_eq!(repo.rev_parse("origin:main"), id);
        repo.fsck();
        let sent = server.sent.lock().unwrap().clone();
        let [(0, first), (again, _)] = sent[..] else {
            panic!("{until}: {sent:?}");
        };
        assert_eq!((first, again), (until, expected), "{until}: {sent:?}");
        assert_eq!(kept(&repo), None, "{until}: something is left");
    }
}
