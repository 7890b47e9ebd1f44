//! Remotes that are configured by a metalink or a list of mirrors: honest ones and hostile ones.

use ostler_format::{Metadata, MetalinkError, MetalinkMismatch};
use ostler_store::pull::PullError;
use ostler_store::{RepoMode, summary};

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::{Answer, Server};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A server of one document, whatever it is asked for.
fn document(root: &std::path::Path, text: String) -> Server {
    Server::start(root, move |_| Answer::Body(text.clone().into_bytes()))
}

fn metalink(size: u64, sha256: &str, urls: &[String]) -> String {
    let url = |(index, url): (usize, &String)| {
        let preference = 100 - index;
        format!(
            "<url protocol=\"http\" type=\"http\" location=\"US\" preference=\"{preference}\">{url}</url>"
        )
    };
    let urls: String = urls.iter().enumerate().map(url).collect();
    format!(
        "<?xml version=\"1.0\"?><metalink version=\"3.0\"><files><file name=\"summary\"><size>{size}</size>\
         <verification><hash type=\"sha256\">{sha256}</hash></verification><resources>{urls}</resources></file>\
         </files></metalink>"
    )
}

/// The metalink of what `published` has as its summary.
fn honest(published: &Published, urls: &[String]) -> String {
    let bytes = summary::read_bytes(&published.repo).unwrap().unwrap();
    let sum = ostler_format::Checksum::of(&bytes).to_hex();
    metalink(bytes.len() as u64, &sum, urls)
}

#[test]
fn the_summary_comes_from_the_first_mirror_that_has_the_right_one_and_is_kept() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let whole = Server::honest(&published.path);
    let stale = Server::start(&published.path, |asked| match asked {
        "summary" => Answer::Body(b"an older one".to_vec()),
        _ => Answer::Honest,
    });
    let dead = Server::start(&published.path, |_| Answer::Status(404));
    let urls = [&dead, &stale, &whole].map(|server| format!("{}/summary", server.url()));
    let link = document(root.path(), honest(&published, &urls));
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.configure_origin(&[("metalink", &link.url())]);
    for _ in 0..2 {
        client.pull(&of_main()).unwrap();
        assert_eq!(client.rev("origin:main"), Some(published.commit));
    }
    client.assert_whole(published.commit);
    // The second pull knows from the metalink alone that it has the summary.
    assert_eq!(whole.asked("summary").len(), 1);
    assert_eq!(link.asked("").len(), 2);
    // Objects come from the mirror that had the summary, not from the one that was behind.
    assert!(stale.asked("z").is_empty() && !whole.asked("z").is_empty());
}

#[test]
fn a_metalink_that_lies_or_cannot_be_used_leaves_everything_as_it_was() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let server = Server::honest(&published.path);
    let urls = [format!("{}/summary", server.url())];
    let length = summary::read_bytes(&published.repo).unwrap().unwrap().len() as u64;
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    let mut pull = |text: String| {
        let link = document(root.path(), text);
        client.configure_origin(&[("metalink", &link.url())]);
        let error = client.pull(&of_main()).unwrap_err();
        assert!(client.is_empty() && client.rev("origin:main").is_none());
        error
    };
    let error = pull(metalink(length, ABC, &urls));
    let is_hash = |source: &MetalinkMismatch| matches!(source, MetalinkMismatch::Hash { .. });
    assert!(
        matches!(&error, PullError::MetalinkMismatch { source, .. } if is_hash(source)),
        "{error}"
    );
    let error = pull(metalink(length + 1, ABC, &urls));
    let is_size = |source: &MetalinkMismatch| matches!(source, MetalinkMismatch::Size { .. });
    assert!(
        matches!(&error, PullError::MetalinkMismatch { source, .. } if is_size(source)),
        "{error}"
    );
    // Longer than announced: not read to its end.
    let error = pull(metalink(3, ABC, &urls));
    assert!(
        error.to_string().contains("maximum size of 3 bytes"),
        "{error}"
    );
    let error = pull("<html><body>Please log in</body></html>".into());
    let is_none = |source: &MetalinkError| matches!(source, MetalinkError::NoFile { .. });
    assert!(
        matches!(&error, PullError::Metalink { source, .. } if is_none(source)),
        "{error}"
    );
    let error = pull(metalink(3, ABC, &["file:///etc/passwd".into()]));
    assert!(error.to_string().contains("file:///etc/passwd"), "{error}");
}

#[test]
fn metalinks_and_lists_without_end_stop_at_their_limits() {
    let root = scratch();
    let published = Published::new(root.path());
    let endless = Server::start(&published.path, |_| {
        Answer::Endless(b"<metalink><files>".to_vec(), vec![b' '; 1 << 16])
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    let list = format!("mirrorlist={}", endless.url());
    for key in [("metalink", endless.url()), ("url", list)] {
        client.configure_origin(&[(key.0, &key.1)]);
        let text = client.pull(&of_main()).unwrap_err().to_string();
        assert!(text.contains("1048576"), "the limit is not named: {text}");
    }
}

#[test]
fn a_list_without_a_mirror_and_one_that_is_not_there_are_named() {
    let root = scratch();
    let published = Published::new(root.path());
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    let page = document(root.path(), "<html>\n<p>file:///etc\n".into());
    client.set_origin(&format!("mirrorlist={}/list", page.url()));
    let text = client.pull(&of_main()).unwrap_err().to_string();
    assert!(text.contains("list of mirrors is empty"), "{text}");
    let nothing = Server::honest(&published.path);
    for (key, value) in [
        ("url", format!("mirrorlist={}/nothing", nothing.url())),
        ("metalink", format!("{}/nothing", nothing.url())),
    ] {
        client.configure_origin(&[(key, &value)]);
        let text = client.pull(&of_main()).unwrap_err().to_string();
        assert!(text.contains("/nothing"), "{text}");
    }
}
