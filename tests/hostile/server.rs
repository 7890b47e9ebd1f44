//! HTTP servers that stall, cut, lie, or never end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ostler_tests::Program;

use crate::forge::{DIRECTORY, Forge};
use crate::ground::Ground;

/// Answers a request for a path, on its connection.
type Answer = dyn Fn(&str, &mut TcpStream) + Send + Sync;

/// A server on loopback; its threads end with the process.
pub(crate) struct Enemy {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Enemy {
    pub(crate) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer: Arc<Answer> = Arc::new(answer);
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(path) = request(&mut stream) {
                        counted.fetch_add(1, Ordering::Relaxed);
                        answer(&path, &mut stream);
                    }
                });
            }
        });
        Self { url, requests }
    }
}

/// Reads one request and returns its path.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    Some(head.split(' ').nth(1)?.to_owned())
}

/// Whether the client is gone does not matter to an enemy.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

pub(crate) fn send_whole(stream: &mut TcpStream, body: &[u8]) {
    send(
        stream,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
    );
    send(stream, body);
}

pub(crate) fn send_missing(stream: &mut TcpStream) {
    send(
        stream,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    );
}

pub(crate) fn endless(stream: &mut TcpStream, head: &str) {
    send(stream, head.as_bytes());
    let chunk = [b'a'; 0x1000];
    let length: &[u8] = if head.contains("chunked") {
        b"1000\r\n"
    } else {
        b""
    };
    let end: &[u8] = if head.contains("chunked") {
        b"\r\n"
    } else {
        b""
    };
    while send(stream, length) && send(stream, &chunk) && send(stream, end) {}
}

fn hang_up(stream: &mut TcpStream) {
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

/// The files of a good repository, of which an enemy spoils some.
fn good(ground: &Ground) -> Forge {
    let forge = Forge::new(&ground.join("served"));
    let file = forge.file(b"content");
    let sub = forge.dirtree(&[("file", &file)], &[]);
    // Not one that everybody has.
    let meta = forge.dirmeta(DIRECTORY | 0o1000);
    let tree = forge.dirtree(&[("other", &forge.file(b"other"))], &[("sub", &sub, &meta)]);
    forge.publish(&tree);
    forge
}

/// What of a repository is spoilt.
const KINDS: [&str; 6] = [
    "/config",
    "/refs/heads/main",
    ".commit",
    ".dirtree",
    ".dirmeta",
    ".filez",
];

/// Pulls from a server whose answers for paths with `kind` in them are `spoilt`, given the true body.
fn pull_is_refused(
    ground: &Ground,
    forge: &Forge,
    kind: &'static str,
    spoilt: impl Fn(&[u8], &mut TcpStream) + Send + Sync + 'static,
) {
    let served = forge.repo().path().to_owned();
    let enemy = Enemy::start(move |path, stream| {
        match std::fs::read(served.join(path.trim_start_matches('/'))) {
            Ok(body) if path.contains(kind) => spoilt(&body, stream),
            Ok(body) => send_whole(stream, &body),
            Err(_) => send_missing(stream),
        }
    });
    refuse_pull(ground, &enemy);
}

fn refuse_pull(ground: &Ground, enemy: &Enemy) {
    let victim = ground.victim();
    let (commit, objects) = (victim.rev_parse("main"), victim.objects());
    // What an earlier attempt fetched is not asked for again.
    std::fs::remove_dir_all(victim.path().join("tmp")).unwrap();
    victim.run(
        "remote add",
        ["--force", "--no-gpg-verify", "origin", &enemy.url],
    );
    let into = format!("--repo={}", victim.path().display());
    let port = enemy.url.rsplit(':').next().unwrap();
    ground.refuse(
        &["pull", &into, "--network-retries=1", "origin", "main"],
        &[
            port,
            ".commit",
            ".dirtree",
            ".dirmeta",
            ".file",
            "main",
            "config",
            "127.0.0.1:1/",
            "gopher",
        ],
    );
    assert!(
        enemy.requests.load(Ordering::Relaxed) < 60,
        "the enemy is asked without end"
    );
    assert_eq!(victim.run("refs", ["--list"]), "main", "no ref is written");
    assert_eq!(victim.rev_parse("main"), commit);
    let after = victim.objects();
    assert!(
        objects.iter().all(|object| after.contains(object)),
        "objects are lost"
    );
    victim.with(&Program::ostree()).fsck();
}

#[test]
fn answers_that_end_early_or_are_other_than_they_say_are_refused() {
    let ground = Ground::new();
    let forge = good(&ground);
    for kind in KINDS {
        println!("{kind}");
        pull_is_refused(&ground, &forge, kind, |_, stream| hang_up(stream));
        pull_is_refused(&ground, &forge, kind, |body, stream| {
            send(
                stream,
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    body.len() + 10
                )
                .as_bytes(),
            );
            send(stream, body);
            hang_up(stream);
        });
        pull_is_refused(&ground, &forge, kind, |body, stream| {
            send_whole(stream, &body[..body.len() / 2])
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            send_whole(stream, b"<html>Not here</html>")
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| send_whole(stream, b""));
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            send(stream, b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
            hang_up(stream);
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            send(stream, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            send(
                stream,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx",
            );
            hang_up(stream);
        });
    }
}

#[test]
fn objects_with_a_flipped_bit_are_refused() {
    let ground = Ground::new();
    let forge = good(&ground);
    for kind in [".commit", ".dirtree", ".dirmeta", ".filez"] {
        for place in [0, 4, 9, 17, 30, usize::MAX] {
            println!("{kind}, byte {place}");
            pull_is_refused(&ground, &forge, kind, move |body, stream| {
                let mut body = body.to_vec();
                // The last bits of a deflate stream mean nothing.
                let place = place.min(body.len() - 4);
                body[place] ^= 0x10;
                send_whole(stream, &body);
            });
        }
    }
}

#[test]
fn answers_without_an_end_are_cut_off() {
    let ground = Ground::new();
    let forge = good(&ground);
    for kind in KINDS {
        println!("{kind}");
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            endless(stream, "HTTP/1.1 200 OK\r\n\r\n")
        });
        pull_is_refused(&ground, &forge, kind, |_, stream| {
            endless(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
            )
        });
    }
    pull_is_refused(&ground, &forge, ".commit", |_, stream| {
        endless(stream, "HTTP/1.1 200 OK\r\nX-Header: ")
    });
}

#[test]
fn redirects_lead_neither_in_circles_nor_to_files() {
    let ground = Ground::new();
    let forge = good(&ground);
    let secret = format!("file://{}", ground.canary().join("ref").display());
    for target in [
        "/config".to_owned(),
        "/refs/heads/main".to_owned(),
        secret,
        "http://127.0.0.1:1/".to_owned(),
        "gopher://x/".to_owned(),
    ] {
        for kind in ["/config", "/refs/heads/main", ".commit"] {
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
            pull_is_refused(&ground, &forge, kind, move |_, stream| {
                send(stream, answer.as_bytes());
            });
        }
    }
}

#[test]
fn a_silent_server_is_given_up() {
    let ground = Ground::new();
    let forge = good(&ground);
    // One at the start and one in the middle of a body; each costs the whole time that silence is borne.
    thread::scope(|scope| {
        for (kind, number) in [("/config", 0), (".filez", 1)] {
            let forge = &forge;
            scope.spawn(move || {
                let ground = Ground::new();
                let victim = ground.victim();
                let served = forge.repo().path().to_owned();
                let enemy = Enemy::start(move |path, stream| {
                    let body = std::fs::read(served.join(path.trim_start_matches('/')));
                    match body {
                        Ok(body) if path.contains(kind) => {
                            if number == 1 {
                                send(
                                    stream,
                                    format!(
                                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                                        body.len()
                                    )
                                    .as_bytes(),
                                );
                                send(stream, &body[..10]);
                            }
                            thread::sleep(std::time::Duration::from_secs(3600));
                        }
                        Ok(body) => send_whole(stream, &body),
                        Err(_) => send_missing(stream),
                    }
                });
                victim.run("remote add", ["--no-gpg-verify", "origin", &enemy.url]);
                let into = format!("--repo={}", victim.path().display());
                let port = enemy.url.rsplit(':').next().unwrap();
                ground.refuse(
                    &["pull", &into, "--network-retries=0", "origin", "main"],
                    &[port],
                );
                assert_eq!(victim.run("refs", ["--list"]), "main");
                victim.fsck();
            });
        }
    });
}
