//! Large objects that were cut: what the next pull asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ostler_store::RepoMode;

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::{Answer, Server};

/// What is gathered before it is kept.
const PIECE: usize = 256 << 10;

/// A server whose large object is cut after so many bytes until it is told otherwise.
struct Cutting {
    server: Server,
    path: String,
    size: usize,
    cut: Arc<AtomicUsize>,
}

impl Cutting {
    fn new(published: &Published) -> Self {
        let path = published.object_path(published.large.into());
        let size = published.object(published.large.into()).len();
        let cut = Arc::new(AtomicUsize::new(0));
        let (object, after) = (path.clone(), Arc::clone(&cut));
        let server = Server::start(&published.path, move |asked| {
            match after.load(Ordering::Relaxed) {
                usize::MAX => Answer::Honest,
                cut if asked == object => Answer::Cut(cut),
                _ => Answer::Honest,
            }
        });
        Self {
            server,
            path,
            size,
            cut,
        }
    }
}

#[test]
fn wherever_a_large_object_is_cut_nothing_that_came_is_fetched_again() {
    let root = scratch();
    let published = Published::new(root.path());
    let site = Cutting::new(&published);
    let last = site.size - 1;
    for (number, mode) in [RepoMode::Bare, RepoMode::Archive].into_iter().enumerate() {
        for cut in [0, 1, PIECE - 1, PIECE, PIECE + 1, 1_000_000, last] {
            let mut client = Client::new(root.path(), &format!("{number}-{cut}"), mode);
            client.set_origin(&site.server.url());
            let mut options = of_main();
            options.mirror = mode == RepoMode::Archive;
            site.cut.store(cut, Ordering::Relaxed);
            client.pull(&options).unwrap_err();
            let before = site.server.asked_from(&site.path).len();
            site.cut.store(usize::MAX, Ordering::Relaxed);
            client.pull(&options).unwrap();
            let asked = site.server.asked_from(&site.path).split_off(before);
            let from = (cut >= PIECE).then_some(cut);
            assert_eq!(asked, [from], "{mode} cut at {cut} of {}", site.size);
            client.assert_whole(published.commit);
            let left = std::fs::read_dir(client.path.join("tmp")).unwrap();
            let left = left.map(|entry| entry.unwrap().file_name());
            let staging =
                |name: &std::ffi::OsString| name.to_string_lossy().starts_with("staging-");
            assert_eq!(left.filter(staging).count(), 0, "staging is left");
        }
    }
}

#[test]
fn an_object_is_carried_on_over_several_pulls() {
    let root = scratch();
    let published = Published::new(root.path());
    let site = Cutting::new(&published);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&site.server.url());
    site.cut.store(PIECE + 1000, Ordering::Relaxed);
    let mut pulls = 1;
    while client.pull(&of_main()).is_err() {
        pulls += 1;
        assert!(pulls < 20, "it gets no further");
    }
    let step = PIECE + 1000;
    let expected: Vec<Option<usize>> = (0..pulls)
        .map(|pull| (pull > 0).then_some(pull * step))
        .collect();
    assert_eq!(site.server.asked_from(&site.path), expected);
    assert_eq!(pulls, site.size.div_ceil(step));
    client.assert_whole(published.commit);
}

#[test]
fn a_server_without_ranges_sends_all_of_it() {
    let root = scratch();
    let published = Published::new(root.path());
    let site = Cutting::new(&published);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&site.server.url());
    site.cut.store(1_000_000, Ordering::Relaxed);
    client.pull(&of_main()).unwrap_err();
    let whole = published.object(published.large.into());
    let object = site.path.clone();
    let other = Server::start(&published.path, move |asked| match asked == object {
        true => Answer::Body(whole.clone()),
        false => Answer::Honest,
    });
    client.set_origin(&other.url());
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
}

#[test]
fn a_beginning_of_another_file_is_found_out_and_the_object_comes_whole() {
    let root = scratch();
    let published = Published::new(root.path());
    let path = published.object_path(published.large.into());
    let whole = published.object(published.large.into());
    let cuts = Arc::new(AtomicBool::new(true));
    let (object, cutting) = (path.clone(), Arc::clone(&cuts));
    let server = Server::start(&published.path, move |asked| {
        match asked == object && cutting.load(Ordering::Relaxed) {
            // Without an `ETag`: the length is all that there is to go by.
            true => Answer::Announced(whole.len() as u64, whole[..400_000].to_vec()),
            false => Answer::Honest,
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap_err();
    // As if they were of another file of that length.
    let kept = kept(&client.path.join("tmp"));
    let mut bytes = std::fs::read(&kept).unwrap();
    bytes[100_000] ^= 0xff;
    std::fs::write(&kept, bytes).unwrap();
    cuts.store(false, Ordering::Relaxed);
    let mut options = of_main();
    options.network.retries = 2;
    client.pull(&options).unwrap();
    let asked = server.asked_from(&path);
    assert_eq!(asked, [None, Some(400_000), None]);
    client.assert_whole(published.commit);
}

/// The one file below a folder named `partial`.
fn kept(tmp: &std::path::Path) -> std::path::PathBuf {
    let mut found = Vec::new();
    for staging in std::fs::read_dir(tmp).unwrap().map(Result::unwrap) {
        let folder = staging.path().join("partial");
        if let Ok(entries) = std::fs::read_dir(folder) {
            found.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
