//! Servers that lie, stall and break off: a clear error, nothing taken, and the next pull finishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ostler_format::{Checksum, FileHeader, ObjectKind, ObjectName};
use ostler_store::pull::{PullError, PullTarget};
use ostler_store::{RepoMode, StoreError};

use crate::ground::{Client, Published, header, noise, of_main, scratch};
use crate::server::{Answer, Server};

const MODES: [RepoMode; 3] = [RepoMode::Bare, RepoMode::BareUser, RepoMode::Archive];

/// Pulls from a server that gives `answer` for one object, then from an honest one.
fn lied_to(
    name: impl Fn(&Published) -> ObjectName,
    answer: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static,
) -> String {
    let root = scratch();
    let published = Published::new(root.path());
    let name = name(&published);
    let path = published.object_path(name);
    let whole = published.object(name);
    let answer = Arc::new(answer);
    let mut text = String::new();
    for mode in MODES {
        let (path, whole, answer) = (path.clone(), whole.clone(), Arc::clone(&answer));
        let asked = path.clone();
        let liar = Server::start(&published.path, move |asked| {
            if asked == path {
                answer(whole.clone())
            } else {
                Answer::Honest
            }
        });
        let mut client = Client::new(root.path(), &format!("{mode}"), mode);
        client.set_origin(&liar.url());
        let error = client.pull(&of_main()).unwrap_err();
        text = error.to_string();
        assert!(
            text.contains(&asked) || text.contains(&name.checksum.to_hex()),
            "{mode}: the error names neither the URL nor the object: {text}"
        );
        assert_eq!(client.rev("origin:main"), None, "{mode}: the ref moved");
        assert!(client.is_empty(), "{mode}: objects were published");
        let honest = Server::honest(&published.path);
        client.set_origin(&honest.url());
        client.pull(&of_main()).unwrap();
        assert_eq!(client.rev("origin:main"), Some(published.commit));
        client.assert_whole(published.commit);
    }
    text
}

fn large(published: &Published) -> ObjectName {
    published.large.into()
}

fn root_tree(published: &Published) -> ObjectName {
    ObjectName::new(published.root_tree, ObjectKind::DirTree)
}

fn commit(published: &Published) -> ObjectName {
    published.commit.into()
}

#[test]
fn a_flipped_bit_is_refused_wherever_it_is() {
    for name in [large, root_tree, commit] {
        for place in [0.01, 0.5, 0.99] {
            lied_to(name, move |mut bytes| {
                let at = (bytes.len() as f64 * place) as usize;
                bytes[at] ^= 0x10;
                Answer::Body(bytes)
            });
        }
    }
}

#[test]
fn another_object_in_its_place_is_refused() {
    let text = lied_to(large, |_| {
        let other = header(0o755).archive_prefix(0).unwrap();
        Answer::Body([other, vec![3, 0]].concat())
    });
    assert!(text.contains("checksum"), "{text}");
}

#[test]
fn a_body_that_ends_early_is_refused() {
    for name in [large, root_tree, commit] {
        lied_to(name, |mut bytes| {
            let length = bytes.len() as u64;
            bytes.truncate(bytes.len() / 2);
            Answer::Announced(length, bytes)
        });
        lied_to(name, |mut bytes| {
            bytes.pop();
            Answer::Body(bytes)
        });
        lied_to(name, |_| Answer::Body(Vec::new()));
        lied_to(name, |_| Answer::HangUp);
    }
}

#[test]
fn a_length_that_is_a_lie_is_refused() {
    lied_to(large, |bytes| Answer::Announced(u64::MAX / 2, bytes));
    lied_to(large, |bytes| {
        Answer::Announced(bytes.len() as u64 - 5, bytes)
    });
    lied_to(large, |bytes| Answer::Body([bytes, vec![0; 3]].concat()));
    let text = lied_to(root_tree, |bytes| Answer::Announced(200 << 20, bytes));
    assert!(text.contains("maximum size of 134217728"), "{text}");
}

#[test]
fn content_that_is_longer_or_shorter_than_its_header_says_is_refused() {
    for size in [10, 2_999_999, 3_000_001] {
        lied_to(large, move |bytes| {
            let (real, _, end) = FileHeader::parse_archive_prefix(&bytes).unwrap();
            Answer::Body([real.archive_prefix(size).unwrap(), bytes[end..].to_vec()].concat())
        });
    }
}

#[test]
fn a_size_beyond_all_room_is_refused_before_anything_is_written() {
    let text = lied_to(large, |bytes| {
        let (real, _, end) = FileHeader::parse_archive_prefix(&bytes).unwrap();
        Answer::Body([real.archive_prefix(1 << 62).unwrap(), bytes[end..].to_vec()].concat())
    });
    assert!(!text.is_empty());
}

#[test]
fn a_header_that_never_ends_is_refused() {
    lied_to(large, |_| {
        Answer::Endless(
            [0xff; 4].into_iter().chain([0; 4]).collect(),
            noise(1 << 16, 3),
        )
    });
    lied_to(large, |_| {
        // Just below the limit, and nothing that could be a header.
        let start = (4_u32 << 20)
            .to_be_bytes()
            .into_iter()
            .chain([0; 4])
            .collect();
        Answer::Endless(start, vec![0; 1 << 16])
    });
}

#[test]
fn a_stream_of_empty_blocks_does_not_go_on_for_ever() {
    lied_to(large, |bytes| {
        let (_, _, end) = FileHeader::parse_archive_prefix(&bytes).unwrap();
        // A stored block of no bytes, not the last one.
        let block = [0, 0, 0, 0xff, 0xff].repeat(1000);
        Answer::Endless(bytes[..end].to_vec(), block)
    });
}

#[test]
fn a_small_body_that_inflates_without_end_stops_at_its_size() {
    use std::io::Write;
    let bomb = {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..200 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    lied_to(large, move |_| {
        Answer::Body([header(0o755).archive_prefix(1000).unwrap(), bomb.clone()].concat())
    });
}

#[test]
fn metadata_without_end_stops_at_the_limit() {
    let root = scratch();
    let published = Published::new(root.path());
    let path = published.object_path(root_tree(&published));
    let liar = Server::start(&published.path, move |asked| {
        if asked == path {
            Answer::Endless(Vec::new(), vec![0x20; 1 << 20])
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&liar.url());
    let text = client.pull(&of_main()).unwrap_err().to_string();
    assert!(text.contains("134217728"), "the limit is not named: {text}");
}

#[test]
fn a_stalled_server_is_given_up() {
    let root = scratch();
    let published = Published::new(root.path());
    let path = published.object_path(large(&published));
    let server = Server::start(&published.path, move |asked| {
        if asked == path {
            Answer::Stall
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.network.idle_timeout = Duration::from_millis(600);
    let started = Instant::now();
    let text = client.pull(&options).unwrap_err().to_string();
    assert!(text.contains("stalled"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(15));
    assert!(client.is_empty() && client.rev("origin:main").is_none());
}

#[test]
fn a_listing_with_a_climbing_name_never_comes_in() {
    let root = scratch();
    let mut published = Published::new(root.path());
    // ("../a", 32 bytes) as the only file: framed by hand, as the library refuses to write it.
    let mut tree = b"../a\0".to_vec();
    tree.extend([7; 32]);
    tree.push(5);
    tree.push(38);
    tree.push(39);
    let forged = published.forge_tree(&tree);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    let text = client.pull(&of_main()).unwrap_err().to_string();
    assert!(
        text.contains(&forged.to_hex()) && text.contains("../a"),
        "{text}"
    );
    let name = ObjectName::new(forged, ObjectKind::DirTree);
    assert!(!client.repo.has_object(&name).unwrap());
    let staged = std::process::Command::new("find")
        .arg(client.path.join("tmp"))
        .args(["-name", "*.dirtree"])
        .output()
        .unwrap();
    assert!(staged.stdout.is_empty(), "the listing is staged");
}

#[test]
fn a_missing_object_is_named_and_the_ref_stays() {
    let root = scratch();
    let published = Published::new(root.path());
    for name in [large(&published), root_tree(&published)] {
        let path = published.object_path(name);
        let server = Server::start(&published.path, move |asked| {
            if asked == path {
                Answer::Status(404)
            } else {
                Answer::Honest
            }
        });
        let mut client = Client::new(root.path(), &name.kind.to_string(), RepoMode::BareUser);
        client.set_origin(&server.url());
        let error = client.pull(&of_main()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&name.to_string()) && text.contains("404"),
            "{text}"
        );
        assert!(error.hint().is_some());
        assert_eq!(client.rev("origin:main"), None);
    }
}

#[test]
fn a_fault_that_passes_is_retried() {
    let root = scratch();
    let published = Published::new(root.path());
    let path = published.object_path(large(&published));
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    let count = AtomicUsize::new(0);
    let cut = published.object(large(&published));
    let server = Server::start(&published.path, move |asked| {
        if asked != path {
            return Answer::Honest;
        }
        match count.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Status(503),
            1 => Answer::HangUp,
            2 => Answer::Body(noise(5000, 9)),
            3 => Answer::Announced(cut.len() as u64, cut[..1000].to_vec()),
            _ => Answer::Honest,
        }
    });
    client.set_origin(&server.url());
    let mut options = of_main();
    options.network.retries = 5;
    client.pull(&options).unwrap();
    client.assert_whole(published.commit);
}

#[test]
fn a_file_that_is_no_ref_and_a_config_that_is_none_are_quoted() {
    let root = scratch();
    let published = Published::new(root.path());
    for (path, body, words) in [
        (
            "refs/heads/main",
            "<html>\nlots of html here",
            "lots of html here",
        ),
        ("config", "<html>", "config"),
        (
            "config",
            "[core]\nrepo_version=1\nmode=bare\n",
            "mode \"bare\"",
        ),
        ("config", "[core]\nrepo_version=1\nmode=fancy\n", "fancy"),
    ] {
        let server = Server::start(&published.path, move |asked| {
            if asked == path {
                Answer::Body(body.as_bytes().to_vec())
            } else {
                Answer::Honest
            }
        });
        let name = format!("client-{}", body.len());
        let mut client = Client::new(root.path(), &name, RepoMode::Bare);
        client.set_origin(&server.url());
        let text = client.pull(&of_main()).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_commit_of_another_id_is_refused() {
    let root = scratch();
    let published = Published::new(root.path());
    let wrong = Checksum::new([0xaa; 32]);
    let bytes = published.object(commit(&published));
    let server = Server::start(&published.path, move |asked| {
        if asked.ends_with(".commit") {
            Answer::Body(bytes.clone())
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.targets = vec![PullTarget::Commit(wrong.into())];
    let error = client.pull(&options).unwrap_err();
    let PullError::Corrupted { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        matches!(**source, StoreError::ChecksumMismatch { .. }),
        "{error}"
    );
}
