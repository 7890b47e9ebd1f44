//! A pull killed while a large object comes, and what the next one asks the server for.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ostler_format::Checksum;
use ostler_format::pack::PackIndex;
use ostler_tests::{Repo, Scratch};

use crate::ostler;

/// What the program gathers before it keeps it.
const PIECE: usize = 256 << 10;

/// Serves a repository; of files longer than a piece it sends `until` bytes and then nothing.
struct Slow {
    url: String,
    until: Arc<Mutex<usize>>,
    sent: Sent,
    /// Each path that was asked for.
    asked: Asked,
}

/// From where to where a large file was sent, each time.
type Sent = Arc<Mutex<Vec<(usize, usize)>>>;
type Asked = Arc<Mutex<Vec<String>>>;

impl Slow {
    fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let until = Arc::new(Mutex::new(usize::MAX));
        let (sent, asked) = (Sent::default(), Asked::default());
        let (root, limit, log) = (root.to_owned(), Arc::clone(&until), Arc::clone(&sent));
        let paths = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, limit, log) = (root.clone(), Arc::clone(&limit), Arc::clone(&log));
                let paths = Arc::clone(&paths);
                // A client that was killed is what this is about.
                thread::spawn(move || talk(stream.unwrap(), &root, &limit, (&log, &paths)));
            }
        });
        Self {
            url,
            until,
            sent,
            asked,
        }
    }
}

fn talk(
    mut out: TcpStream,
    root: &Path,
    limit: &Mutex<usize>,
    (log, asked): (&Sent, &Asked),
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
        asked.lock().unwrap().push(path.to_owned());
        let Ok(body) = fs::read(root.join(path)) else {
            out.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let range = head.lines().find_map(|line| {
            let asked = line.to_ascii_lowercase();
            let (from, to) = asked.strip_prefix("range: bytes=")?.split_once('-')?;
            let to = to.parse::<usize>().map_or(body.len(), |last| last + 1);
            Some((from.parse::<usize>().ok()?, to))
        });
        let (from, to) = range.unwrap_or((0, body.len()));
        let (status, size) = (if range.is_some() { 206 } else { 200 }, body.len());
        write!(
            out,
            "HTTP/1.1 {status} X\r\nETag: \"{size}\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{size}\r\n\r\n",
            to - from,
            to.saturating_sub(1)
        )?;
        // The listings in a pack are no large file.
        if size <= PIECE || path.ends_with(".pack") && to - from <= PIECE / 2 {
            out.write_all(&body[from..to])?;
            continue;
        }
        let until = (*limit.lock().unwrap()).clamp(from, to);
        log.lock().unwrap().push((from, until));
        out.write_all(&body[from..until])?;
        if until < to {
            // Until the client is gone.
            let _ = reader.read_line(&mut String::new());
            return Ok(());
        }
    }
}

/// The longest file of what is kept.
fn kept(repo: &Repo) -> Option<PathBuf> {
    let tmp = fs::read_dir(repo.path().join("tmp")).ok()?;
    let folders = tmp.map(|entry| entry.unwrap().path().join("partial"));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok());
    let files = files.flatten().map(|entry| entry.unwrap().path());
    files.max_by_key(|path| fs::metadata(path).map_or(0, |stat| stat.len()))
}

fn kept_bytes(repo: &Repo) -> u64 {
    let length = kept(repo).and_then(|path| fs::metadata(path).ok());
    length.map_or(0, |length| length.len())
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    bytes.take(length).collect()
}

/// Starts a pull of `main`, and kills it when as many bytes as that are kept of what comes.
fn killed(repo: &Repo, server: &Slow, wanted: u64) {
    let mut pull = ostler().command(["pull", "origin", "main", "--repo"]);
    let mut pull = pull.arg(repo.path()).spawn().unwrap();
    let started = Instant::now();
    while server.sent.lock().unwrap().is_empty() || kept_bytes(repo) < wanted {
        assert!(started.elapsed() < Duration::from_secs(60), "{wanted}");
        thread::sleep(Duration::from_millis(5));
    }
    pull.kill().unwrap();
    pull.wait().unwrap();
}

#[test]
fn a_pull_killed_inside_a_part_of_a_delta_goes_on_there_and_asks_for_nothing_again() {
    let program = ostler();
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("small"), "small").unwrap();
    let published = program.init_quick(&scratch.join("published"), "archive");
    published.commit("main", &tree, &[]);
    let server = Slow::start(published.path());
    let pristine = program.init_quick(&scratch.join("pristine"), "bare-user");
    pristine.run("remote add", ["--no-gpg-verify", "origin", &server.url]);
    pristine.run("pull", ["origin", "main"]);
    let size = 3 << 20;
    fs::write(tree.join("large"), noise(size)).unwrap();
    let id = published.commit("main", &tree, &[]);
    published.run("static-delta generate", ["--min-fallback-size=0", "main"]);
    published.run("summary", ["-u"]);
    // All of them are more than the superblock, which is kept, too.
    for until in [4097, PIECE - 1, PIECE, 5 * PIECE + 7, size - 1] {
        let path = scratch.join(format!("{until}"));
        crate::case::copy(pristine.path(), &path);
        let repo = program.repo(&path);
        *server.until.lock().unwrap() = until;
        server.sent.lock().unwrap().clear();
        killed(&repo, &server, until as u64);
        *server.until.lock().unwrap() = usize::MAX;
        server.asked.lock().unwrap().clear();
        repo.run("pull", ["--require-static-deltas", "origin", "main"]);
        assert_eq!(repo.rev_parse("origin:main"), id);
        repo.fsck();
        let sent = server.sent.lock().unwrap().clone();
        let [(0, first), (again, _)] = sent[..] else {
            panic!("{until}: {sent:?}");
        };
        assert_eq!((first, again), (until, until), "{sent:?}");
        let asked = server.asked.lock().unwrap().clone();
        let of_delta: Vec<_> = asked.iter().filter(|it| it.starts_with("deltas")).collect();
        assert_eq!(of_delta.len(), 1, "{until}: {asked:?}");
        assert_eq!(kept(&repo), None, "{until}: something is left");
    }
}

#[test]
fn a_pull_killed_inside_a_large_object_of_a_pack_goes_on_there() {
    let program = ostler();
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("large"), noise(5 << 20)).unwrap();
    fs::write(tree.join("small"), "small").unwrap();
    let published = program.init_quick(&scratch.join("published"), "archive");
    let id = published.commit("main", &tree, &[]);
    published.run("pack create", ["main"]);
    let index = published
        .path()
        .join(PackIndex::path(id.parse::<Checksum>().unwrap().into()));
    let index = PackIndex::parse(&fs::read(index).unwrap()).unwrap();
    let large = index
        .groups
        .iter()
        .max_by_key(|group| group.packed)
        .unwrap();
    let begins = usize::try_from(large.offset).unwrap();
    let server = Slow::start(published.path());
    for until in [1, PIECE, 5 * PIECE + 7, 11 * PIECE + 1] {
        let repo = program.init_quick(&scratch.join(format!("{until}")), "bare-user");
        repo.run("remote add", ["--no-gpg-verify", "origin", &server.url]);
        *server.until.lock().unwrap() = begins + until;
        server.sent.lock().unwrap().clear();
        let expected = until - until % PIECE;
        let wanted = if expected == 0 { 0 } else { expected + 512 };
        killed(&repo, &server, wanted as u64);
        *server.until.lock().unwrap() = usize::MAX;
        repo.run("pull", ["origin", "main"]);
        assert_eq!(repo.rev_parse("origin:main"), id);
        repo.fsck();
        let sent = server.sent.lock().unwrap().clone();
        let [(first, cut), (again, _)] = sent[..] else {
            panic!("{until}: {sent:?}");
        };
        assert_eq!((first, cut), (begins, begins + until), "{sent:?}");
        assert_eq!(again, begins + expected, "{sent:?}");
        assert_eq!(kept(&repo), None, "{until}: something is left");
    }
}

#[test]
fn a_pull_killed_inside_a_large_object_goes_on_there() {
    let program = ostler();
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("large"), noise(3 << 20)).unwrap();
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
        let expected = until - until % PIECE;
        let wanted = if expected == 0 { 0 } else { expected + 512 };
        killed(&repo, &server, wanted as u64);
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
