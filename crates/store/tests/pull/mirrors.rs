//! Several mirrors of one remote at once.

use std::path::Path;
use std::sync::Mutex;

use ostler_store::RepoMode;
use ostler_store::progress::{Event, Sink};
use ostler_store::pull::{self, PullOptions};

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::{Answer, Server};

/// Remembers what a person was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn event(&self, event: Event) {
        if let Event::Notice(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

/// Pulls by a list of these mirrors, and returns what a person was told.
fn pull_from(root: &Path, published: &Published, urls: &[&str], retries: u32) -> Vec<String> {
    std::fs::write(published.path.join("mirrors"), urls.join("\n")).unwrap();
    let lists = Server::honest(&published.path);
    let mut client = Client::new(root, "client", RepoMode::Bare);
    client.set_origin(&format!("mirrorlist={}/mirrors", lists.url()));
    let mut options: PullOptions = of_main();
    options.network.retries = retries;
    let told = Told::default();
    let remote = client.repo.remote("origin", None).unwrap();
    pull::pull(&client.repo, &remote, &options, &told).unwrap();
    client.assert_whole(published.commit);
    told.0.into_inner().unwrap()
}

#[test]
fn content_comes_from_all_mirrors_and_each_object_once() {
    let root = scratch();
    let published = Published::new(root.path());
    let servers = [(); 3].map(|()| Server::honest(&published.path));
    let urls = servers.each_ref().map(Server::url);
    let told = pull_from(
        root.path(),
        &published,
        &urls.each_ref().map(String::as_str),
        0,
    );
    let asked = servers
        .each_ref()
        .map(|server| server.asked(".filez").len());
    assert_eq!(asked.iter().sum::<usize>(), 24, "{asked:?}");
    assert!(asked.iter().all(|count| *count > 0), "{asked:?}");
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn a_mirror_that_fails_is_left_out_and_a_person_is_told() {
    let root = scratch();
    let published = Published::new(root.path());
    let good = Server::honest(&published.path);
    let bad = Server::start(&published.path, |path| match path.ends_with("z") {
        true => Answer::Status(500),
        false => Answer::Honest,
    });
    let told = pull_from(root.path(), &published, &[&bad.url(), &good.url()], 5);
    assert_eq!(good.asked("z").len(), 24);
    let [text] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        text.contains(&bad.url()) && text.contains("left out"),
        "{text}"
    );
}

#[test]
fn mirrors_that_lack_a_part_make_up_for_each_other() {
    let root = scratch();
    let published = Published::new(root.path());
    let lacking = |of: char| {
        Server::start(&published.path, move |path| {
            let is_object = path.ends_with("z");
            match is_object && path.chars().nth(8).is_some_and(|c| (c < '8') == (of < '8')) {
                true => Answer::Status(404),
                false => Answer::Honest,
            }
        })
    };
    let (low, high) = (lacking('0'), lacking('f'));
    pull_from(root.path(), &published, &[&low.url(), &high.url()], 0);
}
