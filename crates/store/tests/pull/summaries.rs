//! Summaries: what is kept of them, and what a hostile one can do.

use std::os::unix::fs::MetadataExt as _;

use ostler_format::{Metadata, Summary, SummaryRef};
use ostler_store::pull::{NetworkOptions, PullError, SummaryCache};
use ostler_store::{RepoMode, pull, summary};

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::{Answer, Server};

#[test]
fn a_mirror_of_everything_has_the_signature_and_both_are_kept_while_they_are_the_same() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    std::fs::write(published.path.join("summary.sig"), "signed").unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "mirror", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.targets.clear();
    options.mirror = true;
    let cache = client.path.join("tmp/cache/summaries");
    let kept = |name: &str| std::fs::metadata(cache.join(name)).unwrap().ino();
    client.pull(&options).unwrap();
    let before = (kept("origin"), kept("origin.sig"));
    client.pull(&options).unwrap();
    assert_eq!(
        (kept("origin"), kept("origin.sig")),
        before,
        "written again"
    );
    let mirrored = std::fs::read(client.path.join("summary.sig")).unwrap();
    assert_eq!(mirrored, b"signed");
    // A summary without a signature now: the old signature must not stay beside it.
    std::fs::remove_file(published.path.join("summary.sig")).unwrap();
    let mut published = published;
    published.follow(Metadata::new(), 1_700_000_001);
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    client.pull(&options).unwrap();
    assert_eq!(client.rev("main"), Some(published.commit));
    assert!(!client.path.join("summary.sig").exists());
    assert!(!cache.join("origin.sig").exists());
}

#[test]
fn a_cache_elsewhere_is_used_and_no_cache_leaves_none() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let remote = client.repo.remote("origin", None).unwrap();
    let elsewhere = root.path().join("cache");
    for (cache, kept) in [
        (SummaryCache::Off, false),
        (SummaryCache::In(elsewhere.clone()), true),
    ] {
        let network = NetworkOptions {
            summary_cache: cache,
            ..NetworkOptions::default()
        };
        let found = pull::remote_summary(&client.repo, &remote, &network)
            .unwrap()
            .unwrap();
        assert_eq!(
            summary::read_bytes(&published.repo).unwrap(),
            Some(found.bytes)
        );
        assert_eq!(elsewhere.join("summaries/origin").exists(), kept);
        assert!(!client.path.join("tmp/cache/summaries/origin").exists());
    }
}

#[test]
fn a_hostile_summary_is_refused_and_moves_no_ref() {
    let root = scratch();
    let published = Published::new(root.path());
    let entry = |name: &str| SummaryRef {
        name: name.to_owned(),
        commit_size: u64::MAX,
        commit: published.commit,
        metadata: Metadata::new(),
    };
    let with = |names: &[&str]| {
        let refs = names.iter().map(|name| entry(name)).collect();
        let summary = Summary {
            refs,
            metadata: Metadata::new(),
        };
        summary.to_bytes().unwrap()
    };
    let climbing = with(&["../../config"]);
    let good = with(&["main", "other"]);
    let mut unsorted = good.clone();
    let at = |bytes: &[u8], name: &[u8]| bytes.windows(name.len()).position(|w| w == name).unwrap();
    let (main, other) = (at(&good, b"main\0"), at(&good, b"other\0"));
    unsorted[main..main + 4].copy_from_slice(b"zain");
    let mut cut = good.clone();
    cut.truncate(other);
    for (number, (body, mirror)) in [
        (climbing, true),
        (unsorted, false),
        (cut, false),
        (vec![0xff; 4096], false),
        (b"<html>not found</html>".to_vec(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let server = Server::start(&published.path, move |asked| match asked {
            "summary" => Answer::Body(body.clone()),
            _ => Answer::Honest,
        });
        let mut client = Client::new(root.path(), &format!("c{number}"), RepoMode::Archive);
        client.set_origin(&server.url());
        let config = std::fs::read(client.path.join("config")).unwrap();
        let mut options = of_main();
        if mirror {
            options.mirror = true;
            options.targets.clear();
        }
        let error = client.pull(&options).unwrap_err();
        assert!(client.is_empty(), "{number}: {error}");
        assert!(client.rev("origin:main").is_none() && client.rev("main").is_none());
        assert_eq!(std::fs::read(client.path.join("config")).unwrap(), config);
    }
}

#[test]
fn a_summary_without_end_stops_at_the_limit() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::start(&published.path, |asked| match asked {
        "summary" => Answer::Endless(Vec::new(), vec![0x20; 1 << 20]),
        _ => Answer::Honest,
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let error = client.pull(&of_main()).unwrap_err();
    assert!(matches!(error, PullError::Fetch(_)), "{error}");
    assert!(error.to_string().contains("134217728"), "{error}");
}

#[test]
fn a_commit_that_is_longer_than_the_summary_says_is_not_read_to_its_end() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let honest = published.object(published.commit.into());
    let path = published.object_path(published.commit.into());
    let long = honest.len() + 1;
    let server = Server::start(&published.path, move |asked| match asked == path {
        true => Answer::Body(vec![0; long]),
        false => Answer::Honest,
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let text = client.pull(&of_main()).unwrap_err().to_string();
    let limit = format!("maximum size of {} bytes", honest.len());
    assert!(text.contains(&limit), "{text}");
}
