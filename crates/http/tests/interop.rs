//! The real `ostree` pulls from our server, and our client fetches from its server.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use ostler_http::{
    Access, Conditional, Credentials, Fetched, Fetcher, FetcherOptions, Mirrors, Request,
    ServeOptions,
};
use support::{Record, pattern, quick, serve_folder};

const TRIVIAL_HTTPD: &str = "/usr/libexec/libostree/ostree-trivial-httpd";

fn ostree(arguments: &[&str]) -> String {
    let mut command = Command::new("ostree");
    command.args(arguments).env_remove("http_proxy");
    let output = command.output().expect("`ostree` is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ostree {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A tree of many small files and a large one, committed to an archive repository with a summary.
fn make_repository(folder: &Path) -> String {
    let (tree, repo) = (folder.join("tree"), folder.join("repo"));
    for number in 0..300 {
        let directory = tree.join(format!("dir{}", number % 17));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(number.to_string()), pattern(number * 31)).unwrap();
    }
    std::fs::write(tree.join("large"), pattern(20_000_000)).unwrap();
    std::fs::write(tree.join("empty"), "").unwrap();
    std::os::unix::fs::symlink("large", tree.join("link")).unwrap();
    let repo = format!("--repo={}", repo.display());
    ostree(&[&repo, "init", "--mode=archive"]);
    ostree(&[&repo, "config", "set", "core.fsync", "false"]);
    let source = format!("--tree=dir={}", tree.display());
    let commit = ostree(&[&repo, "commit", "-b", "os/stable", &source]);
    ostree(&[&repo, "summary", "-u"]);
    commit.trim().to_owned()
}

#[test]
fn the_real_ostree_pulls_and_pulls_again_from_our_server() {
    let folder = tempfile::tempdir().unwrap();
    let commit = make_repository(folder.path());
    let log = Arc::new(Mutex::new(Vec::new()));
    let entries = Arc::clone(&log);
    let options = ServeOptions {
        access_log: Some(Arc::new(move |access: &Access| {
            entries.lock().unwrap().push(access.clone());
        })),
        ..ServeOptions::default()
    };
    let server = serve_folder(&folder.path().join("repo"), options);
    let url = format!("http://{}", server.address());
    let client = format!("--repo={}", folder.path().join("client").display());
    ostree(&[&client, "init", "--mode=bare-user"]);
    ostree(&[&client, "config", "set", "core.fsync", "false"]);
    ostree(&[&client, "remote", "add", "--no-gpg-verify", "r", &url]);
    ostree(&[&client, "pull", "r", "os/stable"]);
    assert_eq!(
        ostree(&[&client, "rev-parse", "r:os/stable"]).trim(),
        commit
    );
    ostree(&[&client, "fsck", "-q"]);
    let first = std::mem::take(&mut *log.lock().unwrap());
    assert!(first.len() > 300, "{} requests", first.len());
    assert!(
        first
            .iter()
            .all(|access| matches!(access.status, 200 | 404))
    );
    let peers: std::collections::HashSet<_> = first.iter().map(|access| access.peer).collect();
    assert!(peers.len() * 4 < first.len(), "{} connections", peers.len());

    ostree(&[&client, "pull", "r", "os/stable"]);
    let second = std::mem::take(&mut *log.lock().unwrap());
    assert!(second.len() < 10, "{second:?}");
    assert!(second.iter().any(|access| access.target == "/summary"));

    let mirror = format!("--repo={}", folder.path().join("mirror").display());
    ostree(&[&mirror, "init", "--mode=archive"]);
    ostree(&[&mirror, "config", "set", "core.fsync", "false"]);
    ostree(&[&mirror, "remote", "add", "--no-gpg-verify", "r", &url]);
    ostree(&[&mirror, "pull", "--mirror", "r"]);
    ostree(&[&mirror, "fsck", "-q"]);
}

/// ostree's own test server.
struct TrivialHttpd {
    child: Child,
    url: String,
}

impl TrivialHttpd {
    fn new(root: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(TRIVIAL_HTTPD)
            .arg("--port-file=-")
            .args(arguments)
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .expect("`ostree-tests` is installed");
        let mut port = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Self { child, url }
    }
}

impl Drop for TrivialHttpd {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fetches every file below `root` and compares it.
fn fetch_all(options: &FetcherOptions, url: &str, root: &Path) -> u64 {
    let fetcher = Fetcher::new(options).unwrap();
    let mirrors = Mirrors::parse([url]).unwrap();
    let batch = fetcher.batch();
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with(".lock") {
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let request = Request::new(mirrors.clone(), name, 1 << 30);
            let wrong = Arc::clone(&wrong);
            batch.submit(request, Record::default(), move |sink, result| {
                let whole = result.is_ok() && sink.bytes == std::fs::read(&path).unwrap();
                if !whole {
                    wrong.lock().unwrap().push((path, result));
                }
            });
        }
    }
    batch.wait();
    let wrong = wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    fetcher.counters().retries
}

#[test]
fn our_client_fetches_from_the_test_server_of_ostree_whatever_it_throws() {
    let folder = tempfile::tempdir().unwrap();
    make_repository(folder.path());
    let repo = folder.path().join("repo");
    let plain = TrivialHttpd::new(&repo, &[]);
    assert_eq!(fetch_all(&quick(), &plain.url, &repo), 0);
    for fault in ["--random-500s=20", "--random-408s=20"] {
        let server = TrivialHttpd::new(&repo, &[fault]);
        let mut options = quick();
        options.retry.retries = 10;
        assert!(fetch_all(&options, &server.url, &repo) > 10, "{fault}");
    }
}

#[test]
fn halves_of_objects_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    make_repository(folder.path());
    let repo = folder.path().join("repo");
    let server = TrivialHttpd::new(folder.path(), &["--force-range-requests"]);
    let url = format!("{}/repo/objects", server.url);
    assert!(fetch_all(&quick(), &url, &repo.join("objects")) > 300);
}

#[test]
fn the_test_server_of_ostree_sees_our_password_cookie_and_header() {
    let folder = tempfile::tempdir().unwrap();
    make_repository(folder.path());
    let repo = folder.path().join("repo");
    let cookies = folder.path().join("cookies.txt");
    std::fs::write(&cookies, "127.0.0.1\tFALSE\t/\tFALSE\t0\tfoo\tbar\n").unwrap();
    let arguments = [
        "--require-basic-auth",
        "--expected-cookies=foo=bar",
        "--expected-header=X-Flavour=vanilla",
    ];
    let server = TrivialHttpd::new(&repo, &arguments);
    let mut options = quick();
    options.cookies = Some(cookies);
    options.headers = vec![("X-Flavour".into(), "vanilla".into())];
    options.credentials = Some(Credentials::Basic {
        user: "foouser".into(),
        password: "barpw".into(),
    });
    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = Mirrors::parse([&server.url]).unwrap();
    let got = fetcher.fetch_bytes(&mirrors, "summary", 1 << 20, &Conditional::default());
    assert!(matches!(got, Ok(Fetched::Body(_))), "{got:?}");
}
