//! Pulls from packs: what is asked for, and that nothing a pack does can spoil a pull.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ostler_format::pack::{Pack, PackGroup, PackIndex, PackMember};
use ostler_format::{Checksum, Commit, CommitId, ObjectKind, ObjectName};
use ostler_store::pack::{self, CreateOptions};
use ostler_store::progress::Silent;
use ostler_store::{RefKey, RepoMode};

use crate::ground::{Client, Published, UNSYNCED, header, noise, of_main, scratch};
use crate::server::{Answer, Server};

/// A repository with packs of its commit.
fn packed(root: &Path) -> Published {
    let mut published = Published::new(root);
    pack_newest(&mut published);
    published
}

pub(crate) fn pack_newest(published: &mut Published) {
    let options = CreateOptions {
        level: 3,
        ..CreateOptions::default()
    };
    pack::create(&published.repo, published.commit, options, &Silent).unwrap();
    pack::announce(&mut published.repo).unwrap();
}

/// Commits a tree that has another file of this content beside those of before.
pub(crate) fn add_file(published: &mut Published, content: &[u8]) {
    let transaction = published.repo.begin(UNSYNCED).unwrap();
    let before = published.repo.read_commit(published.commit).unwrap();
    let mut tree = published.repo.read_dirtree(before.tree).unwrap();
    let id = transaction
        .write_content_bytes(&header(0o644), content)
        .unwrap();
    tree.files.retain(|(name, _)| name != "zz");
    tree.files.push(("zz".into(), id));
    let tree = transaction.write_metadata(ObjectKind::DirTree, &tree.to_bytes().unwrap());
    let commit = Commit {
        tree: tree.unwrap().into(),
        ..before
    };
    published.commit = transaction.write_commit(&commit).unwrap();
    transaction.set_ref(RefKey::parse("main").unwrap(), Some(published.commit));
    transaction.commit().unwrap();
}

pub(crate) fn index_path(published: &Published) -> PathBuf {
    published.path.join(PackIndex::path(published.commit))
}

fn read_index(published: &Published) -> PackIndex {
    PackIndex::parse(&std::fs::read(index_path(published)).unwrap()).unwrap()
}

fn pack_path(published: &Published) -> PathBuf {
    published.path.join(read_index(published).packs[0].path())
}

#[test]
fn a_commit_arrives_in_a_few_requests_in_every_mode_but_archive() {
    let root = scratch();
    let published = packed(root.path());
    let server = Server::honest(&published.path);
    let objects = || {
        server.asked(".filez").len()
            + server.asked(".dirtree").len()
            + server.asked(".dirmeta").len()
    };
    for mode in [RepoMode::Bare, RepoMode::BareUser, RepoMode::BareUserOnly] {
        let mut client = Client::new(root.path(), &format!("{mode}"), mode);
        client.set_origin(&server.url());
        let before = server.asked(".pack").len();
        let report = client.pull(&of_main()).unwrap();
        assert_eq!(
            (report.metadata_objects, report.content_objects),
            (6, 24),
            "{mode}"
        );
        client.assert_whole(published.commit);
        assert_eq!(objects(), 0, "{mode}: objects were asked for by themselves");
        // One part for the listings, one for all content.
        assert_eq!(server.asked(".pack").len() - before, 2, "{mode}");
    }
    let parts = server.asked(".pack").len();
    let mut archive = Client::new(root.path(), "archive", RepoMode::Archive);
    archive.set_origin(&server.url());
    archive.pull(&of_main()).unwrap();
    archive.assert_whole(published.commit);
    let mut asked = Client::new(root.path(), "asked", RepoMode::Bare);
    asked.set_origin(&server.url());
    let mut options = of_main();
    options.packs = false;
    asked.pull(&options).unwrap();
    asked.assert_whole(published.commit);
    assert_eq!(
        server.asked(".pack").len(),
        parts,
        "packs were used where they are of no use or not wanted"
    );
}

#[test]
fn an_update_fetches_what_is_new_wherever_it_lies() {
    let root = scratch();
    let mut published = packed(root.path());
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    for seed in 1..=3 {
        add_file(&mut published, &noise(200_000, seed));
        pack_newest(&mut published);
    }
    let parts = server.asked(".pack").len();
    let report = client.pull(&of_main()).unwrap();
    // Of three new files the last commit has one.
    assert_eq!((report.metadata_objects, report.content_objects), (3, 1));
    let bytes = report.network.unwrap().bytes;
    assert!(bytes < 210_000, "{bytes} bytes for a file of 200,000");
    assert_eq!(server.asked(".pack").len() - parts, 2);
    client.assert_whole(published.commit);
    let index = read_index(&published);
    assert_eq!(
        index.packs.len(),
        2,
        "packs of commits between are not needed"
    );
}

#[test]
fn a_pack_is_the_same_whenever_it_is_made_and_goes_with_its_commit() {
    let root = scratch();
    let mut published = packed(root.path());
    let first = pack_path(&published);
    let bytes = std::fs::read(&first).unwrap();
    assert!(pack::remove(&published.repo, published.commit).unwrap());
    assert!(!first.exists() && !index_path(&published).exists());
    pack_newest(&mut published);
    assert_eq!(std::fs::read(&first).unwrap(), bytes);
    let old = published.commit;
    add_file(&mut published, b"new");
    pack_newest(&mut published);
    let verified = pack::verify(&published.repo, published.commit).unwrap();
    assert_eq!((verified.objects, verified.packs), (4 + 25, 2));
    // The old commit goes: its index with it, its pack not, because the new one needs it.
    let options = ostler_store::prune::PruneOptions {
        refs_only: true,
        ..Default::default()
    };
    ostler_store::prune::prune(&published.repo, &options, &Silent).unwrap();
    assert!(!published.path.join(PackIndex::path(old)).exists());
    assert!(first.exists());
    pack::verify(&published.repo, published.commit).unwrap();
}

#[test]
fn whatever_is_wrong_with_a_pack_the_pull_is_whole() {
    type Damage = fn(&Published);
    let change = |published: &Published, change: fn(&mut PackIndex)| {
        let mut index = read_index(published);
        change(&mut index);
        std::fs::write(index_path(published), index.to_bytes()).unwrap();
    };
    let damages: [(&str, Damage); 10] = [
        ("no pack", |published| {
            std::fs::remove_file(pack_path(published)).unwrap()
        }),
        ("cut pack", |published| {
            let bytes = std::fs::read(pack_path(published)).unwrap();
            std::fs::write(pack_path(published), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("empty pack", |published| {
            std::fs::write(pack_path(published), b"").unwrap()
        }),
        ("other bytes", |published| {
            let bytes = std::fs::read(pack_path(published)).unwrap();
            std::fs::write(pack_path(published), noise(bytes.len(), 5)).unwrap();
        }),
        ("a flipped bit in the middle", |published| {
            let mut bytes = std::fs::read(pack_path(published)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(pack_path(published), bytes).unwrap();
        }),
        ("no index", |published| {
            std::fs::remove_file(index_path(published)).unwrap()
        }),
        ("index of noise", |published| {
            std::fs::write(index_path(published), noise(5000, 3)).unwrap()
        }),
        ("empty index", |published| {
            std::fs::write(index_path(published), PackIndex::default().to_bytes()).unwrap()
        }),
        ("names exchanged", |_| {}),
        ("sizes beyond all bounds", |_| {}),
    ];
    for (what, damage) in damages {
        let root = scratch();
        let published = packed(root.path());
        damage(&published);
        match what {
            "names exchanged" => change(&published, |index| {
                for group in &mut index.groups {
                    let names: Vec<_> = group
                        .members
                        .iter()
                        .rev()
                        .map(|member| member.name)
                        .collect();
                    for (member, name) in group.members.iter_mut().zip(names) {
                        member.name = name;
                    }
                }
            }),
            "sizes beyond all bounds" => change(&published, |index| {
                for group in &mut index.groups {
                    if let [member] = &mut group.members[..] {
                        member.size = u64::MAX;
                    }
                }
            }),
            _ => {}
        }
        let server = Server::honest(&published.path);
        let mut client = Client::new(root.path(), "client", RepoMode::Bare);
        client.set_origin(&server.url());
        client
            .pull(&of_main())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        client.assert_whole(published.commit);
        assert!(
            !server.asked(".filez").is_empty(),
            "{what}: nothing was wrong"
        );
    }
}

#[test]
fn an_index_may_name_what_is_no_part_of_the_commit_and_nothing_comes_of_it() {
    let root = scratch();
    let published = packed(root.path());
    let mut index = read_index(&published);
    let listing = b"\0\0 no listing at all";
    let junk = zstd_frame(listing);
    let size = junk.len() as u64;
    let pack = Pack {
        checksum: Checksum::of(&junk),
        size,
    };
    let path = published.path.join(pack.path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &junk).unwrap();
    index.packs.push(pack);
    index.groups.push(PackGroup {
        pack: index.packs.len() - 1,
        offset: 0,
        packed: size,
        members: vec![PackMember {
            name: Some(ObjectName::new(Checksum::of(listing), ObjectKind::File)),
            size: listing.len() as u64,
        }],
    });
    std::fs::write(index_path(&published), index.to_bytes()).unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
    let junk_pack = path
        .strip_prefix(&published.path)
        .unwrap()
        .display()
        .to_string();
    assert!(
        server.asked(&junk_pack).is_empty(),
        "content that no listing names was asked for"
    );
}

/// A frame of one raw block.
fn zstd_frame(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, content.len() as u8];
    let block = ((content.len() as u32) << 3) | 1;
    frame.extend_from_slice(&block.to_le_bytes()[..3]);
    frame.extend_from_slice(content);
    frame
}

#[test]
fn a_server_without_ranges_and_one_that_cuts_bring_everything() {
    let root = scratch();
    let published = packed(root.path());
    let pack = std::fs::read(pack_path(&published)).unwrap();
    let server = Server::start(&published.path, move |path| match path.ends_with(".pack") {
        true => Answer::Body(pack.clone()),
        false => Answer::Honest,
    });
    let mut client = Client::new(root.path(), "without", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
    assert_eq!(server.asked(".filez").len(), 24);

    let cuts = AtomicUsize::new(0);
    let server = Server::start(&published.path, move |path| match path.ends_with(".pack") {
        true if cuts.fetch_add(1, Ordering::Relaxed) % 3 < 2 => Answer::Cut(1_100_000),
        _ => Answer::Honest,
    });
    let mut client = Client::new(root.path(), "cut", RepoMode::Bare);
    client.set_origin(&server.url());
    let mut options = of_main();
    options.network.retries = 5;
    let report = client.pull(&options).unwrap();
    client.assert_whole(published.commit);
    assert!(server.asked(".filez").is_empty());
    let whole = std::fs::metadata(pack_path(&published)).unwrap().len();
    let bytes = report.network.unwrap().bytes;
    assert!(
        bytes < whole + 20_000,
        "{bytes} of {whole}: what had come came again"
    );
    assert_eq!(report.content_objects, 24);
}

#[test]
fn what_a_failed_pull_had_is_not_fetched_again() {
    let root = scratch();
    let published = packed(root.path());
    let asked = AtomicUsize::new(0);
    // The listings come, and of the content the first half.
    let server = Server::start(&published.path, move |path| {
        let is_pack = path.ends_with(".pack");
        match is_pack.then(|| asked.fetch_add(1, Ordering::Relaxed)) {
            Some(0) | None if !path.ends_with(".filez") => Answer::Honest,
            Some(1) => Answer::Cut(2_000_000),
            Some(_) => Answer::Honest,
            _ => Answer::Status(500),
        }
    });
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap_err();
    assert!(
        client.is_empty(),
        "objects of an unfinished pull are published"
    );
    let report = client.pull(&of_main()).unwrap();
    assert!(report.content_objects < 24, "{report:?}");
    client.assert_whole(published.commit);
}

#[test]
fn a_damaged_pack_is_found_by_verify() {
    let root = scratch();
    let published = packed(root.path());
    let verify = |commit: CommitId| pack::verify(&published.repo, commit);
    assert_eq!(verify(published.commit).unwrap().objects, 4 + 24);
    let path = pack_path(&published);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let problem = verify(published.commit).unwrap_err().to_string();
    assert!(problem.contains("its checksum is wrong"), "{problem}");
    // An index that lies about a pack whose checksum is right.
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut index = read_index(&published);
    let member = &mut index.groups[0].members[0];
    member.name = member
        .name
        .map(|name| ObjectName::new(Checksum::of(b"another"), name.kind));
    std::fs::write(index_path(&published), index.to_bytes()).unwrap();
    let problem = verify(published.commit).unwrap_err().to_string();
    assert!(problem.contains("are not its own"), "{problem}");
    std::fs::remove_file(&path).unwrap();
    assert!(verify(published.commit).is_err());
}

#[test]
fn a_pack_for_which_there_is_no_room_is_refused_and_leaves_nothing() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let all = |published: &Published| {
        let folder = published.path.join("packs");
        let found = walk_files(&folder);
        found.len()
    };
    let config = published.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("[core]\n", "[core]\nmin-free-space-percent=99\n"),
    )
    .unwrap();
    published.repo = ostler_store::Repo::open(&published.path).unwrap();
    let options = CreateOptions::default();
    let refused = pack::create(&published.repo, published.commit, options, &Silent).unwrap_err();
    assert!(
        refused.to_string().contains("min-free-space-percent '99%'"),
        "{refused}"
    );
    assert_eq!(all(&published), 0, "nothing is left of it");
    std::fs::write(&config, text).unwrap();
    published.repo = ostler_store::Repo::open(&published.path).unwrap();
    pack::create(&published.repo, published.commit, options, &Silent).unwrap();
    assert_eq!(all(&published), 2, "a pack and its index");
}

#[test]
fn a_pack_is_the_same_however_much_memory_there_was() {
    let checksums = [1, 1 << 40].map(|memory| {
        let root = scratch();
        let mut published = Published::new(root.path());
        // Several blocks, that are written in the order in which they were read.
        add_file(&mut published, &noise(7 << 20, 9));
        let options = CreateOptions {
            level: 1,
            memory,
            ..CreateOptions::default()
        };
        pack::create(&published.repo, published.commit, options, &Silent).unwrap();
        read_index(&published).packs[0].checksum
    });
    assert_eq!(checksums[0], checksums[1]);
}

pub(crate) fn walk_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => walk_files(&path),
            false => vec![path],
        })
        .collect()
}
