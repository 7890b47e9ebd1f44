//! Other repositories on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use ostler_format::{ObjectName, RemoteName, StorageForm};
use ostler_store::object::Trust;
use ostler_store::progress::Silent;
use ostler_store::pull::{PullError, PullOptions, pull_local};
use ostler_store::{RefKey, Repo, RepoMode, StoreError};

use crate::ground::{Client, Published, of_main, scratch};

fn all() -> PullOptions {
    PullOptions {
        fsync: Some(false),
        ..PullOptions::default()
    }
}

fn object(repo: &Repo, path: &std::path::Path, name: ObjectName) -> PathBuf {
    path.join("objects")
        .join(name.loose_path(repo.mode().storage_form()))
}

fn inode(path: PathBuf) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

#[test]
fn every_mode_is_pulled_into_every_mode() {
    let root = scratch();
    let published = Published::new(root.path());
    let modes = [
        RepoMode::Archive,
        RepoMode::Bare,
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
    ];
    for trust in [Trust::Trusted, Trust::Verify] {
        for from in modes {
            let source = Client::new(root.path(), &format!("{from}-{trust:?}"), from);
            pull_local(&source.repo, &published.repo, None, &all(), &Silent).unwrap();
            for to in modes {
                let name = format!("{from}-{to}-{trust:?}");
                let client = Client::new(root.path(), &name, to);
                let options = PullOptions { trust, ..all() };
                let report =
                    pull_local(&client.repo, &source.repo, None, &options, &Silent).unwrap();
                assert_eq!(
                    (report.metadata_objects, report.content_objects),
                    (5, 24),
                    "{name}"
                );
                assert_eq!(client.rev("main"), Some(published.commit), "{name}");
                client.assert_whole(published.commit);
            }
        }
    }
}

#[test]
fn objects_of_the_same_form_are_linked_and_metadata_always() {
    let root = scratch();
    let published = Published::new(root.path());
    let twin = Client::new(root.path(), "twin", RepoMode::Archive);
    let report = pull_local(&twin.repo, &published.repo, None, &all(), &Silent).unwrap();
    assert_eq!(
        report.content_bytes_written, 0,
        "linked content was counted as written"
    );
    let bare = Client::new(root.path(), "bare", RepoMode::Bare);
    pull_local(&bare.repo, &published.repo, None, &all(), &Silent).unwrap();
    for (client, name, linked) in [
        (&twin, ObjectName::from(published.large), true),
        (&twin, published.commit.into(), true),
        (&bare, published.large.into(), false),
        (&bare, published.commit.into(), true),
    ] {
        let theirs = inode(object(&published.repo, &published.path, name));
        let ours = inode(object(&client.repo, &client.path, name));
        assert_eq!(ours == theirs, linked, "{name} in {}", client.repo.mode());
    }
    let verified = Client::new(root.path(), "verified", RepoMode::Archive);
    let options = PullOptions {
        trust: Trust::Verify,
        ..all()
    };
    pull_local(&verified.repo, &published.repo, None, &options, &Silent).unwrap();
    assert_eq!(
        inode(object(
            &verified.repo,
            &verified.path,
            published.large.into()
        )),
        inode(object(
            &published.repo,
            &published.path,
            published.large.into()
        )),
        "what has been verified can be linked"
    );
}

#[test]
fn a_plain_file_of_bare_user_is_linked_into_bare_user_only() {
    let root = scratch();
    let published = Published::new(root.path());
    let user = Client::new(root.path(), "user", RepoMode::BareUser);
    pull_local(&user.repo, &published.repo, None, &all(), &Silent).unwrap();
    let only = Client::new(root.path(), "only", RepoMode::BareUserOnly);
    pull_local(&only.repo, &user.repo, None, &all(), &Silent).unwrap();
    let name = ObjectName::from(published.large);
    assert_eq!(
        inode(object(&only.repo, &only.path, name)),
        inode(object(&user.repo, &user.path, name))
    );
    only.assert_whole(published.commit);
}

#[test]
fn damage_passes_only_where_the_source_is_trusted() {
    let root = scratch();
    let published = Published::new(root.path());
    let source = Client::new(root.path(), "source", RepoMode::Bare);
    pull_local(&source.repo, &published.repo, None, &all(), &Silent).unwrap();
    std::fs::write(
        object(&source.repo, &source.path, published.small.into()),
        "changed",
    )
    .unwrap();
    for to in [RepoMode::Bare, RepoMode::Archive, RepoMode::BareUser] {
        let strict = Client::new(root.path(), &format!("strict-{to}"), to);
        let options = PullOptions {
            trust: Trust::Verify,
            ..all()
        };
        let error = pull_local(&strict.repo, &source.repo, None, &options, &Silent).unwrap_err();
        assert!(
            matches!(
                &error,
                PullError::Store(StoreError::ChecksumMismatch { .. })
            ),
            "{error}"
        );
        assert!(strict.is_empty() && strict.rev("main").is_none());
        let trusting = Client::new(root.path(), &format!("trusting-{to}"), to);
        pull_local(&trusting.repo, &source.repo, None, &all(), &Silent).unwrap();
        assert_eq!(trusting.rev("main"), Some(published.commit));
    }
}

#[test]
fn refs_go_where_the_remote_says_and_foreign_ones_are_refused() {
    let root = scratch();
    let published = Published::new(root.path());
    let client = Client::new(root.path(), "client", RepoMode::Archive);
    let remote = RemoteName::new("usb").unwrap();
    pull_local(
        &client.repo,
        &published.repo,
        Some(&remote),
        &all(),
        &Silent,
    )
    .unwrap();
    assert_eq!(client.rev("usb:main"), Some(published.commit));
    assert_eq!(client.rev("main"), None);
    let third = Client::new(root.path(), "third", RepoMode::Archive);
    let error = pull_local(&third.repo, &client.repo, None, &all(), &Silent).unwrap_err();
    assert!(error.to_string().contains("usb:main"), "{error}");
    let error = pull_local(
        &third.repo,
        &published.repo,
        None,
        &{
            let mut options = of_main();
            options.targets = vec!["nosuch".parse().unwrap()];
            options
        },
        &Silent,
    )
    .unwrap_err();
    assert!(
        matches!(error, PullError::Store(StoreError::RefNotFound { .. })),
        "{error}"
    );
}

#[test]
fn a_source_with_a_part_of_a_commit_is_said_to_have_a_part() {
    let root = scratch();
    let published = Published::new(root.path());
    let part = Client::new(root.path(), "part", RepoMode::Archive);
    let options = PullOptions {
        subpaths: vec!["/deep".into()],
        ..all()
    };
    pull_local(&part.repo, &published.repo, None, &options, &Silent).unwrap();
    let client = Client::new(root.path(), "client", RepoMode::Bare);
    let error = pull_local(&client.repo, &part.repo, None, &all(), &Silent).unwrap_err();
    assert!(matches!(error, PullError::SourcePartial { .. }), "{error}");
    pull_local(&client.repo, &part.repo, None, &options, &Silent).unwrap();
    assert!(client.repo.is_partial(published.commit).unwrap());
}

#[test]
fn a_parent_repository_is_read_through() {
    let root = scratch();
    let published = Published::new(root.path());
    let mut child = Client::new(root.path(), "child", RepoMode::BareUser);
    let mut config = child.repo.config().file().clone();
    let parent = published.path.to_str().unwrap();
    config.set_string("core", "parent", parent).unwrap();
    child.repo.write_config(config).unwrap();
    let child = Client {
        repo: Repo::open(&child.path).unwrap(),
        path: child.path,
    };
    let client = Client::new(root.path(), "client", RepoMode::Archive);
    child
        .repo
        .set_ref(&RefKey::parse("main").unwrap(), Some(published.commit))
        .unwrap();
    pull_local(&client.repo, &child.repo, None, &all(), &Silent).unwrap();
    client.assert_whole(published.commit);
    assert!(
        object(&client.repo, &client.path, published.large.into())
            .to_str()
            .unwrap()
            .ends_with(
                ObjectName::from(published.large)
                    .loose_path(StorageForm::Archive)
                    .as_str()
            )
    );
}
