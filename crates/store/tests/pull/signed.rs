//! Remotes that ask for signatures: what lacks them is not taken, not even in part.

use base64::Engine as _;
use ostler_format::{CommitId, Metadata};
use ostler_store::progress::Silent;
use ostler_store::pull::{self, PullError};
use ostler_store::reachable::Depth;
use ostler_store::sign::{BareKind, SecretKey, Signer, commit};
use ostler_store::{Repo, RepoMode, summary};

use crate::ground::{Client, Published, of_main, scratch};
use crate::server::{Answer, Server};

/// A secret key, and its public key in base64.
pub(crate) fn key(seed: u8) -> (SecretKey, String) {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let secret = BareKind::Ed25519.parse_secret(&base64(&key.to_keypair_bytes()));
    (secret.unwrap(), base64(key.verifying_key().as_bytes()))
}

pub(crate) fn sign(repo: &Repo, id: CommitId, key: &SecretKey) {
    commit::sign(repo, id, [key as &dyn Signer]).unwrap();
}

/// A client whose `origin` asks for commits signed by `public`; `keys` are added.
fn asking(root: &std::path::Path, url: &str, public: &str, keys: &[(&str, &str)]) -> Client {
    let mut client = Client::new(root, "client", RepoMode::Archive);
    let mut all = vec![("url", url), ("verification-ed25519-key", public)];
    all.extend_from_slice(keys);
    client.configure_origin(&all);
    client
}

const COMMITS: (&str, &str) = ("sign-verify", "ed25519");
const SUMMARY: (&str, &str) = ("sign-verify-summary", "ed25519");

fn assert_nothing_was_taken(client: &Client) {
    assert_eq!(client.rev("origin:main"), None, "the ref moved");
    assert!(client.is_empty(), "objects were published");
}

#[test]
fn a_signed_commit_is_taken_with_its_signature_over_either_way() {
    let root = scratch();
    let published = Published::new(root.path());
    let (secret, public) = key(1);
    sign(&published.repo, published.commit, &secret);
    let server = Server::honest(&published.path);
    let file = format!("file://{}", published.path.display());
    for (name, url) in [("http", server.url()), ("file", file)] {
        let place = root.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let client = asking(&place, &url, &public, &[COMMITS]);
        let report = client.pull(&of_main()).unwrap();
        assert_eq!(report.verified.len(), 1, "{name}");
        assert_eq!(report.verified[0].id, published.commit);
        client.assert_whole(published.commit);
        let here = client
            .repo
            .read_detached_metadata(published.commit)
            .unwrap();
        assert!(here.is_some_and(|metadata| !metadata.is_empty()), "{name}");
    }
}

#[test]
fn a_signature_over_a_local_way_is_worth_no_more_than_the_objects_below_it() {
    let root = scratch();
    let published = Published::new(root.path());
    let (secret, public) = key(1);
    sign(&published.repo, published.commit, &secret);
    let objects = walkdir::WalkDir::new(published.path.join("objects"));
    let mut files = objects.into_iter().map(|entry| entry.unwrap().into_path());
    let file = files.find(|path| path.extension().is_some_and(|kind| kind == "filez"));
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let url = format!("file://{}", published.path.display());
    let client = asking(root.path(), &url, &public, &[COMMITS]);
    let error = client.pull(&of_main()).unwrap_err();
    let name = file.file_stem().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name), "{error}");
    assert_nothing_was_taken(&client);
}

#[test]
fn an_unsigned_commit_is_not_taken_and_nothing_of_it_stays() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let file = format!("file://{}", published.path.display());
    for (name, url) in [("http", server.url()), ("file", file)] {
        let place = root.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let client = asking(&place, &url, &key(1).1, &[COMMITS]);
        let error = client.pull(&of_main()).unwrap_err();
        assert!(
            matches!(error, PullError::CommitRefused(_)),
            "{name}: {error}"
        );
        assert!(error.hint().is_some());
        assert_nothing_was_taken(&client);
        sign(&published.repo, published.commit, &key(2).0);
        let error = client.pull(&of_main()).unwrap_err().to_string();
        assert!(
            error.contains("couldn't be verified"),
            "{name}: by a stranger: {error}"
        );
        assert_nothing_was_taken(&client);
        commit::delete(
            &published.repo,
            published.commit,
            ostler_format::SignatureKind::Ed25519,
            |_| true,
        )
        .unwrap();
    }
}

#[test]
fn a_parent_is_held_to_the_same() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let first = published.commit;
    let second = published.follow(Metadata::new(), 1_700_000_100);
    let (secret, public) = key(1);
    sign(&published.repo, second, &secret);
    let server = Server::honest(&published.path);
    let client = asking(root.path(), &server.url(), &public, &[COMMITS]);
    let mut options = of_main();
    options.depth = Depth::from_signed(-1);
    options.verify_bindings = false;
    let error = client.pull(&options).unwrap_err().to_string();
    assert!(error.contains(&first.to_string()), "{error}");
    assert_nothing_was_taken(&client);
    sign(&published.repo, first, &secret);
    client.pull(&options).unwrap();
    assert_eq!(client.rev("origin:main"), Some(second));
}

#[test]
fn another_commits_signature_is_of_no_use() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let first = published.commit;
    let (secret, public) = key(1);
    sign(&published.repo, first, &secret);
    let second = published.follow(Metadata::new(), 1_700_000_100);
    let stolen = published
        .repo
        .read_detached_metadata(first)
        .unwrap()
        .unwrap();
    let transaction = published.repo.begin(crate::ground::UNSYNCED).unwrap();
    transaction
        .write_detached_metadata(second, &stolen)
        .unwrap();
    transaction.commit().unwrap();
    let server = Server::honest(&published.path);
    let client = asking(root.path(), &server.url(), &public, &[COMMITS]);
    assert!(client.pull(&of_main()).is_err());
    assert_nothing_was_taken(&client);
}

#[test]
fn what_is_no_metadata_is_no_signature_and_no_trouble_where_none_is_asked_for() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::start(&published.path, |path| {
        match path.ends_with(".commitmeta") {
            true => Answer::Body(b"borkborkbork\n".to_vec()),
            false => Answer::Honest,
        }
    });
    let mut client = asking(root.path(), &server.url(), &key(1).1, &[COMMITS]);
    assert!(client.pull(&of_main()).is_err());
    assert_nothing_was_taken(&client);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    let kept = client
        .repo
        .read_detached_metadata(published.commit)
        .unwrap();
    assert_eq!(kept, None, "it is not passed on");
}

#[test]
fn a_signature_that_was_taken_away_is_taken_away_here() {
    let root = scratch();
    let published = Published::new(root.path());
    let (secret, _) = key(1);
    sign(&published.repo, published.commit, &secret);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    let kind = ostler_format::SignatureKind::Ed25519;
    assert_eq!(
        commit::delete(&published.repo, published.commit, kind, |_| true).unwrap(),
        1
    );
    client.pull(&of_main()).unwrap();
    let kept = client
        .repo
        .read_detached_metadata(published.commit)
        .unwrap();
    assert!(kept.unwrap_or_default().is_empty());
}

fn signers(key: SecretKey) -> Vec<std::sync::Arc<dyn Signer>> {
    vec![std::sync::Arc::new(key)]
}

#[test]
fn a_summary_that_must_be_signed_says_where_refs_are_or_nothing_does() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let file = format!("file://{}", published.path.display());
    for (name, url) in [("http", server.url()), ("file", file)] {
        let place = root.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let client = asking(&place, &url, &key(1).1, &[SUMMARY]);
        let refused = |why: &str| {
            let error = client.pull(&of_main()).unwrap_err();
            assert!(
                matches!(error, PullError::SummaryRefused(_)),
                "{name}, {why}: {error}"
            );
            assert_nothing_was_taken(&client);
        };
        let _ = std::fs::remove_file(published.path.join("summary"));
        let _ = std::fs::remove_file(published.path.join("summary.sig"));
        refused("there is none");
        summary::regenerate(&published.repo, &Metadata::new()).unwrap();
        refused("it is not signed");
        let by = |seed| signers(key(seed).0);
        summary::regenerate_signed(&published.repo, &Metadata::new(), &by(2)).unwrap();
        refused("a stranger signed it");
        summary::regenerate_signed(&published.repo, &Metadata::new(), &by(1)).unwrap();
        let whole = std::fs::read(published.path.join("summary")).unwrap();
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        std::fs::write(published.path.join("summary"), &changed).unwrap();
        refused("it was changed");
        std::fs::write(published.path.join("summary"), &whole).unwrap();
        client.pull(&of_main()).unwrap();
        assert_eq!(client.rev("origin:main"), Some(published.commit));
    }
}

#[test]
fn a_refused_summary_does_not_replace_the_kept_one() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate_signed(&published.repo, &Metadata::new(), &signers(key(1).0)).unwrap();
    let server = Server::honest(&published.path);
    let client = asking(root.path(), &server.url(), &key(1).1, &[SUMMARY]);
    client.pull(&of_main()).unwrap();
    let kept = client.path.join("tmp/cache/summaries/origin");
    let before = std::fs::read(&kept).unwrap();
    let mut extra = Metadata::new();
    extra.insert("note", "changed");
    summary::regenerate_signed(&published.repo, &extra, &signers(key(2).0)).unwrap();
    assert!(client.pull(&of_main()).is_err());
    assert_eq!(std::fs::read(&kept).unwrap(), before);
}

#[test]
fn signatures_may_be_asked_for_of_a_local_repository() {
    use ostler_format::RemoteName;
    use ostler_store::remote::SignVerify;
    use ostler_store::sign::{Demands, RemoteVerifier, TrustRoots};
    let root = scratch();
    let published = Published::new(root.path());
    let (secret, public) = key(1);
    let client = asking(root.path(), "http://x", &public, &[]);
    let remote = client.repo.remote("origin", None).unwrap();
    let demands = Demands {
        sign_commits: SignVerify::AnyKind,
        ..Demands::default()
    };
    let roots = TrustRoots::of_host();
    let verifier = RemoteVerifier::with_demands(&client.repo, &remote, &demands, &roots).unwrap();
    let name = RemoteName::new("origin").unwrap();
    let pull = || {
        let (repo, from) = (&client.repo, &published.repo);
        pull::pull_local_verified(repo, from, Some(&name), &of_main(), &verifier, &Silent)
    };
    assert!(matches!(pull().unwrap_err(), PullError::CommitRefused(_)));
    assert_nothing_was_taken(&client);
    sign(&published.repo, published.commit, &secret);
    pull().unwrap();
    assert_eq!(client.rev("origin:main"), Some(published.commit));
}
