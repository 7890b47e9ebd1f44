//! Repositories that have content in packs alone: everything that reads them works, and there is a way back.

use std::path::Path;

use ostler_format::pack::PackIndex;
use ostler_store::fsck::{Fsck, FsckOptions, Remedy};
use ostler_store::pack::{self, PackProblem};
use ostler_store::progress::Silent;
use ostler_store::prune::{PruneOptions, prune};
use ostler_store::{Repo, RepoMode};

use crate::ground::{Client, Published, noise, of_main, scratch};
use crate::packs::{add_file, pack_newest, walk_files};
use crate::server::Server;

/// How many `.filez` there are.
fn loose(published: &Published) -> usize {
    let files = walk_files(&published.path.join("objects"));
    let is_content = |path: &Path| path.extension().is_some_and(|ending| ending == "filez");
    files.iter().filter(|path| is_content(path)).count()
}

fn left_out(root: &Path) -> Published {
    let mut published = Published::new(root);
    add_file(&mut published, &noise(3 << 20, 5));
    pack_newest(&mut published);
    let before = loose(&published);
    let replaced = pack::replace_objects(&mut published.repo, published.commit).unwrap();
    assert_eq!(replaced.objects as usize, before);
    assert_eq!(loose(&published), 0);
    published
}

fn assert_sound(published: &Published) {
    let mut repo = Repo::open(&published.path).unwrap();
    let mut fsck = Fsck::begin(&mut repo, FsckOptions::default()).unwrap();
    fsck.enumerate_commits().unwrap();
    let report = fsck.verify_objects(&[], &Silent).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    assert!(report.objects > 20);
}

#[test]
fn content_that_only_packs_have_arrives_in_every_mode_and_is_sound() {
    let root = scratch();
    let published = left_out(root.path());
    assert_sound(&published);
    let server = Server::honest(&published.path);
    for mode in [
        RepoMode::Bare,
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
        RepoMode::Archive,
    ] {
        let mut client = Client::new(root.path(), &format!("{mode}"), mode);
        client.set_origin(&server.url());
        client.pull(&of_main()).unwrap();
        client.assert_whole(published.commit);
        let mut local = Client::new(root.path(), &format!("{mode}-local"), mode);
        local.set_origin(&format!("file://{}", published.path.display()));
        local.pull(&of_main()).unwrap();
        local.assert_whole(published.commit);
    }
    assert_eq!(server.asked(".filez"), Vec::<String>::new());
}

#[test]
fn a_commit_without_an_index_of_its_own_is_found_where_packs_have_it() {
    let root = scratch();
    let mut published = left_out(root.path());
    add_file(&mut published, b"new");
    assert_eq!(loose(&published), 1, "what packs have is not written again");
    let server = Server::honest(&published.path);
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let mut client = Client::new(root.path(), &format!("{mode}"), mode);
        client.set_origin(&server.url());
        client.pull(&of_main()).unwrap();
        client.assert_whole(published.commit);
    }
    assert_eq!(server.asked(".filez").len(), 2);
}

#[test]
fn what_is_put_back_is_as_it_was() {
    let root = scratch();
    let mut published = left_out(root.path());
    let restored = pack::restore_objects(&mut published.repo).unwrap();
    assert_eq!(restored.objects as usize, loose(&published));
    assert!(!published.path.join(PackIndex::CONTENT_PATH).exists());
    assert!(!published.repo.config().packed_content);
    assert_sound(&published);
    let again = pack::restore_objects(&mut published.repo).unwrap();
    assert_eq!(again.objects, 0);
}

#[test]
fn prune_forgets_content_that_nothing_needs_and_keeps_packs_that_something_does() {
    let root = scratch();
    let mut published = left_out(root.path());
    let old = published.commit;
    add_file(&mut published, b"new");
    let packs = || {
        let files = walk_files(&published.path.join("packs"));
        let is_pack = |path: &&std::path::PathBuf| path.to_string_lossy().ends_with(".pack");
        files.iter().filter(is_pack).count()
    };
    let options = PruneOptions {
        refs_only: true,
        ..PruneOptions::default()
    };
    pack::remove(&published.repo, old).unwrap();
    assert_eq!(packs(), 1, "content that is here alone stays");
    let dry = PruneOptions {
        dry_run: true,
        ..options.clone()
    };
    let would = prune(&published.repo, &dry, &Silent).unwrap();
    let report = prune(&published.repo, &options, &Silent).unwrap();
    assert_eq!(would.objects_deleted, report.objects_deleted);
    // Two commits, their roots, and the large file that only one of them had.
    assert_eq!((report.commits_deleted, report.objects_deleted), (2, 5));
    assert_eq!(packs(), 1);
    assert_sound(&published);
    let again = prune(&published.repo, &options, &Silent).unwrap();
    assert_eq!(again.objects_deleted, 0);
    published
        .repo
        .set_ref(&ostler_store::RefKey::parse("main").unwrap(), None)
        .unwrap();
    prune(&published.repo, &options, &Silent).unwrap();
    assert_eq!(packs(), 0);
}

#[test]
fn a_damaged_pack_takes_the_place_of_nothing_and_later_damage_is_found() {
    let root = scratch();
    let mut published = Published::new(root.path());
    pack_newest(&mut published);
    let pack = walk_files(&published.path.join("packs"))
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".pack"))
        .unwrap();
    let whole = std::fs::read(&pack).unwrap();
    let spoil = || {
        let mut bytes = whole.clone();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        std::fs::write(&pack, bytes).unwrap();
    };
    let before = loose(&published);
    spoil();
    let error = pack::replace_objects(&mut published.repo, published.commit).unwrap_err();
    let is_told = matches!(
        error,
        PackProblem::Group { .. } | PackProblem::Object { .. }
    );
    assert!(is_told, "{error}");
    assert_eq!(loose(&published), before);
    std::fs::write(&pack, &whole).unwrap();
    pack::replace_objects(&mut published.repo, published.commit).unwrap();
    spoil();
    let mut repo = Repo::open(&published.path).unwrap();
    let options = FsckOptions {
        remedy: Remedy::Delete,
        ..FsckOptions::default()
    };
    let mut fsck = Fsck::begin(&mut repo, options).unwrap();
    fsck.enumerate_commits().unwrap();
    let report = fsck.verify_objects(&[], &Silent).unwrap();
    assert!(!report.damage.is_empty());
    assert!(report.marked_partial.contains(&published.commit));
    for damage in &report.damage {
        assert!(!repo.has_object(&damage.name).unwrap(), "{}", damage.name);
    }
}

#[test]
fn only_an_archive_leaves_content_to_packs() {
    let root = scratch();
    let published = Published::new(root.path());
    let path = root.path().join("bare");
    let mut bare = Repo::create(path, RepoMode::BareUser, None).unwrap();
    let error = pack::replace_objects(&mut bare, published.commit).unwrap_err();
    assert!(matches!(error, PackProblem::NoArchive { .. }), "{error}");
}
