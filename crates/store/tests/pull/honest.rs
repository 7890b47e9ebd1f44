//! Servers that do what they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ostler_format::{CommitId, Metadata, ObjectName, RefName, SizeEntry, sizes_to_value};
use ostler_store::pull::{DeltaUse, PullError, PullTarget, TimestampCheck};
use ostler_store::reachable::Depth;
use ostler_store::{RepoMode, StoreError, summary};

use crate::ground::{Client, Published, UNSYNCED, bound_to, of_main, scratch};
use crate::server::{Answer, Server};

#[test]
fn a_commit_arrives_whole_in_every_mode() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    for mode in [
        RepoMode::Bare,
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
        RepoMode::Archive,
    ] {
        let mut client = Client::new(root.path(), &format!("{mode}"), mode);
        client.set_origin(&server.url());
        let report = client.pull(&of_main()).unwrap();
        // Commit and the question for its signature, three listings, one dirmeta.
        assert_eq!(report.metadata_objects, 6, "{mode}");
        assert_eq!(report.content_objects, 24, "{mode}");
        assert_eq!(client.rev("origin:main"), Some(published.commit));
        client.assert_whole(published.commit);
        let again = client.pull(&of_main()).unwrap();
        assert_eq!((again.metadata_objects, again.content_objects), (1, 0));
    }
}

#[test]
fn a_mirror_keeps_compressed_objects_as_they_are() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "mirror", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.mirror = true;
    client.pull(&options).unwrap();
    let path = published.object_path(published.large.into());
    assert_eq!(
        std::fs::read(client.path.join(&path)).unwrap(),
        std::fs::read(published.path.join(&path)).unwrap()
    );
    assert_eq!(client.rev("main"), Some(published.commit));
    assert_eq!(client.rev("origin:main"), None);
}

#[test]
fn what_a_failed_pull_has_fetched_is_not_fetched_again() {
    let root = scratch();
    let published = Published::new(root.path());
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let path = published.object_path(published.large.into());
    let server = Server::start(&published.path, move |asked| {
        if asked == path && switch.load(Ordering::Relaxed) {
            Answer::Status(500)
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap_err();
    assert!(
        client.is_empty(),
        "objects of an unfinished pull are published"
    );
    let before = server.asked("z").len();
    broken.store(false, Ordering::Relaxed);
    let report = client.pull(&of_main()).unwrap();
    let fetched = server.asked("z").len() - before;
    assert_eq!(report.content_objects, fetched as u64);
    assert!(fetched < 24, "all {fetched} content objects came again");
    client.assert_whole(published.commit);
}

#[test]
fn an_unchanged_summary_is_not_sent_again() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let statuses = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&statuses);
    let options = ostler_store::serve::ServeOptions {
        access_log: Some(Arc::new(move |access: &ostler_store::serve::Access| {
            if access.target == "/summary" {
                log.lock().unwrap().push(access.status);
            }
        })),
        ..Default::default()
    };
    let server = ostler_store::serve::serve(&published.repo, listener, options).unwrap();
    let mut client = Client::new(root.path(), "mirror", RepoMode::Archive);
    client.set_origin(&format!("http://{}", server.address()));
    let mut options = of_main();
    options.targets.clear();
    options.mirror = true;
    for _ in 0..2 {
        client.pull(&options).unwrap();
        assert_eq!(client.rev("main"), Some(published.commit));
        assert_eq!(
            summary::read_bytes(&client.repo).unwrap(),
            summary::read_bytes(&published.repo).unwrap(),
            "a mirror of everything has the summary, too"
        );
    }
    assert_eq!(*statuses.lock().unwrap(), [200, 304]);
}

#[test]
fn a_mirror_of_two_thousand_refs_asks_for_each_commit_once() {
    const REFS: u64 = 2000;
    let root = scratch();
    let published = Published::new(root.path());
    let transaction = published.repo.begin(UNSYNCED).unwrap();
    let mut commit = published.repo.read_commit(published.commit).unwrap();
    for number in 0..REFS {
        commit.timestamp += 1;
        let id = transaction.write_commit(&commit).unwrap();
        let key = ostler_store::RefKey::parse(&format!("branch/{number}")).unwrap();
        transaction.set_ref(key, Some(id));
    }
    transaction.commit().unwrap();
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "mirror", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.targets.clear();
    options.mirror = true;
    client.pull(&options).unwrap();
    assert_eq!(
        client.repo.list_refs(None).unwrap(),
        published.repo.list_refs(None).unwrap()
    );
    let commits = server.asked(".commit").len() as u64;
    assert_eq!(commits, REFS + 1, "one question a commit");
    let others = server.asked("").len() as u64 - commits;
    let signatures = server.asked(".commitmeta").len() as u64;
    assert!(
        signatures <= REFS + 1,
        "{signatures} questions for signatures"
    );
    assert!(others - signatures < 60, "{others} other questions");
    client.assert_whole(published.commit);
}

#[test]
fn a_ref_that_is_only_in_the_summary_is_found() {
    let root = scratch();
    let published = Published::new(root.path());
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let server = Server::start(&published.path, |asked| {
        if asked.starts_with("refs/") {
            Answer::Status(404)
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    assert_eq!(client.rev("origin:main"), Some(published.commit));
    let mut options = of_main();
    options.targets = vec![PullTarget::Ref(RefName::new("other").unwrap())];
    let error = client.pull(&options).unwrap_err();
    assert!(matches!(error, PullError::NotInSummary { .. }), "{error}");
    assert!(
        server.asked("main").is_empty() && server.asked("other").is_empty(),
        "the summary says which refs there are"
    );
}

#[test]
fn a_broken_summary_stops_a_pull_by_ref_but_not_one_by_commit() {
    let root = scratch();
    let published = Published::new(root.path());
    std::fs::write(published.path.join("summary"), "broken").unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    let error = client.pull(&of_main()).unwrap_err();
    assert!(matches!(error, PullError::Summary { .. }), "{error}");
    let mut options = of_main();
    let main = RefName::new("main").unwrap();
    options.targets = vec![PullTarget::RefAt(main, published.commit)];
    client.pull(&options).unwrap();
    assert_eq!(client.rev("origin:main"), Some(published.commit));
    // Only the deltas that it lists would have been of use.
    let asked = server.asked("summary").len();
    assert_eq!(asked, 2);
    options.deltas = DeltaUse::Never;
    let mut other = Client::new(root.path(), "other", RepoMode::Bare);
    other.set_origin(&server.url());
    other.pull(&options).unwrap();
    assert_eq!(server.asked("summary").len(), asked);
}

#[test]
fn history_ends_where_the_server_ends_it() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let first = published.commit;
    let second = published.follow(Metadata::new(), 1_700_000_001);
    let third = published.follow(Metadata::new(), 1_700_000_002);
    let gone = published.object_path(first.into());
    let server = Server::start(&published.path, move |asked| {
        if asked == gone {
            Answer::Status(404)
        } else {
            Answer::Honest
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    client.pull(&options).unwrap();
    let has = |id: CommitId| client.repo.has_object(&id.into()).unwrap();
    assert!(has(third) && !has(second));
    options.depth = Depth::All;
    client.pull(&options).unwrap();
    assert!(has(second) && !has(first), "the parent was not fetched");
    assert!(
        !client.repo.is_partial(first).unwrap(),
        "what is not here is no partial commit"
    );
    client.assert_whole(second);
}

#[test]
fn a_commit_alone_and_a_part_of_a_tree_are_marked_until_the_rest_has_come() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.commit_only = true;
    let report = client.pull(&options).unwrap();
    assert_eq!((report.metadata_objects, report.content_objects), (2, 0));
    assert!(client.repo.is_partial(published.commit).unwrap());
    options.commit_only = false;
    options.subpaths = vec!["/deep".into()];
    let report = client.pull(&options).unwrap();
    assert_eq!(report.content_objects, 1);
    assert!(client.repo.is_partial(published.commit).unwrap());
    assert!(client.repo.has_object(&published.small.into()).unwrap());
    options.subpaths = vec!["relative".into()];
    let error = client.pull(&options).unwrap_err();
    assert!(matches!(error, PullError::Subpath { .. }), "{error}");
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
}

#[test]
fn a_commit_for_another_ref_is_refused_unless_told_otherwise() {
    let root = scratch();
    let published = Published::with_metadata(root.path(), bound_to(&["stable"]), None);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    let error = client.pull(&options).unwrap_err();
    assert!(matches!(error, PullError::Binding { .. }), "{error}");
    assert!(!client.repo.is_partial(published.commit).unwrap());
    options.verify_bindings = false;
    client.pull(&options).unwrap();
    // It is here now, and is still not what was asked for.
    options.verify_bindings = true;
    assert!(client.pull(&options).is_err());
    options.targets = vec![PullTarget::Commit(published.commit)];
    client.pull(&options).unwrap();
}

#[test]
fn an_older_commit_is_refused_where_that_was_asked_for() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let old = published.commit;
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.timestamp_check = TimestampCheck::AgainstRef;
    client.pull(&options).unwrap();
    let older = published.follow(Metadata::new(), 1_699_999_999);
    let error = client.pull(&options).unwrap_err();
    assert!(matches!(error, PullError::Older(_)), "{error}");
    assert_eq!(client.rev("origin:main"), Some(old));
    options.timestamp_check = TimestampCheck::Off;
    client.pull(&options).unwrap();
    assert_eq!(client.rev("origin:main"), Some(older));
    options.timestamp_check = TimestampCheck::Against(old);
    assert!(client.pull(&options).is_err());
    options.depth = Depth::All;
    let error = client.pull(&options).unwrap_err();
    assert!(matches!(error, PullError::TimestampDepth), "{error}");
}

#[test]
fn a_commit_that_says_it_is_too_large_is_refused_before_its_objects_are_asked_for() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let name = ObjectName::from(published.large);
    let mut metadata = Metadata::new();
    let sizes = vec![SizeEntry::new(name, 1 << 55, 1 << 56)];
    metadata.insert("ostree.sizes", sizes_to_value(sizes));
    published.follow(metadata, 1_700_000_001);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    let error = client.pull(&of_main()).unwrap_err();
    assert!(matches!(error, PullError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("72.1"), "{error}");
    assert!(server.asked("z").is_empty() && server.asked("tree").is_empty());
}

#[test]
fn local_caches_are_asked_first_and_a_damaged_one_does_no_harm() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let mut cache = Client::new(root.path(), "cache", RepoMode::BareUser);
    cache.set_origin(&server.url());
    cache.pull(&of_main()).unwrap();
    let damaged = ObjectName::from(published.small).loose_path(ostler_format::StorageForm::Bare);
    let damaged = cache.path.join("objects").join(damaged);
    std::fs::write(&damaged, "changed").unwrap();
    let mut client = Client::new(root.path(), "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.local_caches = vec![Arc::new(ostler_store::Repo::open(&cache.path).unwrap())];
    let asked = server.asked("z").len();
    let report = client.pull(&options).unwrap();
    let network = report.network.unwrap();
    assert_eq!(
        (
            network.cached_metadata_objects,
            network.cached_content_objects
        ),
        (5, 23)
    );
    assert_eq!((report.metadata_objects, report.content_objects), (1, 1));
    assert_eq!(server.asked("z").len(), asked + 1);
    client.assert_whole(published.commit);
}

#[test]
fn several_local_caches_make_up_for_each_other() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let in_cache = |id: ostler_format::FileId| {
        let path = ObjectName::from(id).loose_path(ostler_format::StorageForm::Bare);
        std::path::Path::new("objects").join(path)
    };
    let caches = ["first", "second"].map(|name| {
        let mut cache = Client::new(root.path(), name, RepoMode::BareUser);
        cache.set_origin(&server.url());
        cache.pull(&of_main()).unwrap();
        cache
    });
    std::fs::remove_file(caches[0].path.join(in_cache(published.large))).unwrap();
    std::fs::write(caches[1].path.join(in_cache(published.small)), "changed").unwrap();
    let asked = server.asked("z").len();
    let mut options = of_main();
    options.local_caches = (caches.iter())
        .map(|cache| Arc::new(ostler_store::Repo::open(&cache.path).unwrap()))
        .collect();
    for order in ["whole", "reversed"] {
        let mut client = Client::new(root.path(), order, RepoMode::Archive);
        client.set_origin(&server.url());
        let report = client.pull(&options).unwrap();
        let network = report.network.unwrap();
        assert_eq!(
            report.content_objects,
            server.asked("z").len() as u64 - asked as u64
        );
        assert_eq!(
            network.cached_content_objects, 24,
            "{order}: none is fetched"
        );
        client.assert_whole(published.commit);
        options.local_caches.reverse();
    }
}

#[test]
fn files_with_more_than_plain_modes_are_refused_where_that_was_asked_for() {
    let root = scratch();
    let published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let mut options = of_main();
    options.bare_user_only_files = true;
    let mut client = Client::new(root.path(), "plain", RepoMode::Archive);
    client.set_origin(&server.url());
    client.pull(&options).unwrap();
    let suid = {
        let transaction = published.repo.begin(UNSYNCED).unwrap();
        let id = transaction
            .write_content_bytes(&crate::ground::header(0o4755), b"suid")
            .unwrap();
        transaction.commit().unwrap();
        id
    };
    let mut published = published;
    let tree = ostler_format::DirTree {
        files: vec![("suid".into(), suid)],
        dirs: Vec::new(),
    };
    published.forge_tree(&tree.to_bytes().unwrap());
    for mirror in [false, true] {
        options.mirror = mirror;
        let error = client.pull(&options).unwrap_err();
        assert!(
            matches!(
                &error,
                PullError::Store(StoreError::ModeRefused { bits: 0o4000, .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn mirrors_of_a_list_are_tried_in_turn_and_content_has_its_own() {
    let root = scratch();
    let published = Published::new(root.path());
    let whole = Server::honest(&published.path);
    let poor = Server::start(&published.path, |asked| {
        if asked.ends_with('z') {
            Answer::Status(404)
        } else {
            Answer::Honest
        }
    });
    let list = format!("\n{}\n\n{}\nfile:///etc\n", poor.url(), whole.url());
    let lists = Server::start(&published.path, move |_| {
        Answer::Body(list.clone().into_bytes())
    });
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&format!("mirrorlist={}/list", lists.url()));
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
    assert!(!poor.asked("config").is_empty() && whole.asked("config").is_empty());
    assert_eq!(lists.asked("").len(), 1);
}

#[test]
fn files_for_which_there_are_no_inodes_are_refused_while_most_are_still_to_come() {
    const FILES: u32 = 1500;
    let root = scratch();
    let mut published = Published::new(root.path());
    let transaction = published.repo.begin(UNSYNCED).unwrap();
    let plain = crate::ground::header(0o644);
    let file = |number: u32| {
        let content = number.to_le_bytes();
        let id = transaction.write_content_bytes(&plain, &content).unwrap();
        (format!("f{number:05}"), id)
    };
    let tree = ostler_format::DirTree {
        files: (0..FILES).map(file).collect(),
        dirs: Vec::new(),
    };
    transaction.commit().unwrap();
    published.forge_tree(&tree.to_bytes().unwrap());
    let server = Server::honest(&published.path);
    let small = root.path().join("small");
    std::fs::create_dir(&small).unwrap();
    // In this thread's mount namespace alone, which ends with it; only root may do so.
    if ostler_fs::mount::enter_private_namespace().is_err() {
        eprintln!("not tested: it needs root");
        return;
    }
    ostler_fs::mount::mount("tmpfs", "none", &small, "size=64m,nr_inodes=800").unwrap();
    let mut client = Client::new(&small, "client", RepoMode::Archive);
    client.set_origin(&server.url());
    let error = client.pull(&of_main()).unwrap_err();
    assert!(
        matches!(error, PullError::NoInodes { needed, free } if needed > free),
        "{error}"
    );
    assert_eq!(client.rev("origin:main"), None);
    assert!(server.asked("z").len() < 800, "nearly all were asked for");
}
