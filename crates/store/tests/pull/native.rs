//! Pulls by native deltas: what is asked for, and that nothing that a delta does can spoil a pull.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ostler_format::delta::{Coding, DeltaName, NativeDelta, NativeEntry, NativeList, SourceRange};
use ostler_format::pack::Pack;
use ostler_format::{Checksum, CommitId, ObjectKind, ObjectName};
use ostler_store::delta::native::{self, NativeFile, NativeGenerated, NativeOptions};
use ostler_store::delta::{DeltaError, Placement};
use ostler_store::progress::{Event, Silent, Sink};
use ostler_store::prune::{PruneOptions, prune};
use ostler_store::pull::{self, DeltaUse, PullOptions};
use ostler_store::{Repo, RepoMode};

use crate::ground::{Client, Published, noise, of_main, scratch};
use crate::packs::add_file;
use crate::server::{Answer, Server};

/// What is in the file that changes: more than a frame holds, and not to be compressed.
const LARGE: usize = 9 << 20;

/// A repository whose newest commit changes a large file, with a delta, and a client that has the commit before.
struct Stage {
    root: tempfile::TempDir,
    published: Published,
    client: Client,
    name: DeltaName,
    generated: NativeGenerated,
}

/// Says what a person would be told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn event(&self, event: Event) {
        let text = match event {
            Event::Notice(text) => text,
            Event::Route { reason, .. } => reason,
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

fn options() -> NativeOptions {
    NativeOptions {
        level: 3,
        memory_bytes: 1 << 30,
    }
}

fn changed(old: &[u8]) -> Vec<u8> {
    let middle = old.len() / 2;
    [
        &noise(1000, 77),
        &old[..middle],
        &noise(3000, 78),
        &old[middle + 500..],
    ]
    .concat()
}

impl Stage {
    fn new() -> Self {
        Self::made_with(options())
    }

    fn made_with(options: NativeOptions) -> Self {
        let root = scratch();
        let mut published = Published::new(root.path());
        let old = noise(LARGE, 5);
        add_file(&mut published, &old);
        let client = client_of(root.path(), &published, "client", RepoMode::BareUser);
        let from = published.commit;
        add_file(&mut published, &changed(&old));
        let to = published.commit;
        let made = native::generate(
            &published.repo,
            (from, to),
            options,
            &Placement::InRepo,
            &Silent,
        );
        let generated = made.unwrap();
        native::announce(&mut published.repo).unwrap();
        let from = Some(from);
        Self {
            root,
            published,
            client,
            name: DeltaName { from, to },
            generated,
        }
    }

    fn entry(&self) -> NativeEntry {
        native::list(&self.published.repo).unwrap()[&self.name]
    }

    fn file(&self) -> PathBuf {
        self.published.path.join(self.entry().path())
    }

    fn list(&self) -> PathBuf {
        self.published.path.join(NativeList::path(self.name.to))
    }

    /// Replaces the index by one that was changed, and lists that.
    fn lie(&self, change: impl FnOnce(&mut NativeDelta)) {
        let entry = self.entry();
        let bytes = std::fs::read(self.file()).unwrap();
        let (index, groups) = bytes.split_at(entry.index_size as usize);
        let mut delta = NativeDelta::parse(index).unwrap();
        change(&mut delta);
        let index = delta.to_bytes();
        let whole = [&index, groups].concat();
        let changed = NativeEntry {
            from: self.name.from.unwrap(),
            file: Pack {
                checksum: Checksum::of(&whole),
                size: whole.len() as u64,
            },
            index_size: index.len() as u64,
        };
        let path = self.published.path.join(changed.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, whole).unwrap();
        let list = NativeList {
            deltas: vec![changed],
        };
        std::fs::write(self.list(), list.to_bytes()).unwrap();
    }
}

fn client_of(root: &Path, published: &Published, name: &str, mode: RepoMode) -> Client {
    let server = Server::honest(&published.path);
    let mut client = Client::new(root, name, mode);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    client
}

/// Pulls, and returns the bytes that came and what was told.
fn pull_of(client: &Client, options: &PullOptions) -> (u64, Vec<String>) {
    let told = Told::default();
    let remote = client.repo.remote("origin", None).unwrap();
    let report = pull::pull(&client.repo, &remote, options, &told).unwrap();
    (report.network.unwrap().bytes, told.0.into_inner().unwrap())
}

fn loose(server: &Server) -> usize {
    server.asked(".filez").len() + server.asked(".dirtree").len() + server.asked(".dirmeta").len()
}

#[test]
fn an_update_costs_what_changed_wherever_it_lies() {
    let mut stage = Stage::new();
    assert_eq!(
        (stage.generated.modified, stage.generated.by_content),
        (1, 0)
    );
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let (bytes, told) = pull_of(&stage.client, &of_main());
    stage.client.assert_whole(stage.published.commit);
    assert!(bytes < 40_000, "{bytes} bytes for 4,000 that are new");
    assert_eq!(loose(&server), 0, "objects were asked for by themselves");
    assert_eq!(told, ["a native delta leads to the commit"]);
    // The index, the listings and the file.
    assert_eq!(server.asked(".delta").len(), 3);
    let asked = server.asked("").len();
    pull_of(&stage.client, &of_main());
    let delta_files = server.asked(".delta").len();
    assert_eq!(delta_files, 3, "{asked}: what is here is not fetched again");
}

#[test]
fn deltas_are_used_only_where_they_lead_from_what_is_here() {
    let stage = Stage::new();
    let server = Server::honest(&stage.published.path);
    let mut nothing = Client::new(stage.root.path(), "nothing", RepoMode::Bare);
    nothing.set_origin(&server.url());
    nothing.pull(&of_main()).unwrap();
    nothing.assert_whole(stage.published.commit);
    let old = PullOptions {
        targets: vec![pull::PullTarget::Commit(stage.name.from.unwrap())],
        ..of_main()
    };
    let mut archive = Client::new(stage.root.path(), "archive", RepoMode::Archive);
    archive.set_origin(&server.url());
    archive.pull(&old).unwrap();
    archive.pull(&of_main()).unwrap();
    archive.assert_whole(stage.published.commit);
    let mut unwanted = Client::new(stage.root.path(), "unwanted", RepoMode::BareUser);
    unwanted.set_origin(&server.url());
    unwanted.pull(&old).unwrap();
    let never = PullOptions {
        deltas: DeltaUse::Never,
        ..of_main()
    };
    unwanted.pull(&never).unwrap();
    unwanted.assert_whole(stage.published.commit);
    assert!(server.asked(".delta").is_empty());
    // Where deltas are asked for one of ours does.
    let mut required = Client::new(stage.root.path(), "required", RepoMode::Bare);
    required.set_origin(&server.url());
    required.pull(&old).unwrap();
    let require = PullOptions {
        deltas: DeltaUse::Required,
        ..of_main()
    };
    let dry = PullOptions {
        dry_run: true,
        ..require.clone()
    };
    let report = required.pull(&dry).unwrap();
    assert_eq!(report.deltas.parts_total, stage.generated.groups);
    assert!(report.deltas.bytes_total < stage.generated.compressed_bytes);
    required.pull(&require).unwrap();
    required.assert_whole(stage.published.commit);
    assert!(!server.asked(".delta").is_empty());
}

#[test]
fn a_file_that_moved_and_changed_is_found_by_its_content() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let old = noise(400_000, 5);
    add_file(&mut published, &old);
    let from = published.commit;
    let transaction = published.repo.begin(crate::ground::UNSYNCED).unwrap();
    let before = published.repo.read_commit(from).unwrap();
    let mut tree = published.repo.read_dirtree(before.tree).unwrap();
    tree.files.retain(|(name, _)| name != "zz");
    let id = transaction
        .write_content_bytes(&crate::ground::header(0o644), &changed(&old))
        .unwrap();
    tree.files.push(("zzz-another name".into(), id));
    let tree = transaction.write_metadata(ObjectKind::DirTree, &tree.to_bytes().unwrap());
    let commit = ostler_format::Commit {
        tree: tree.unwrap().into(),
        ..before
    };
    let to = transaction.write_commit(&commit).unwrap();
    transaction.commit().unwrap();
    let path = root.path().join("carried");
    let made = native::generate(
        &published.repo,
        (from, to),
        options(),
        &Placement::At(path.clone()),
        &Silent,
    );
    let made = made.unwrap();
    assert_eq!((made.modified, made.by_content), (1, 1));
    assert!(made.compressed_bytes < 10_000, "{made:?}");
    assert!(native::list(&published.repo).unwrap().is_empty());
    // Whoever has the old commit needs nothing but the file.
    let client = Repo::create(root.path().join("client"), RepoMode::BareUser, None).unwrap();
    let carried = NativeFile::at_path(&path).unwrap().unwrap();
    let refused = native::apply_native(&client, &carried, &Silent).unwrap_err();
    assert!(matches!(refused, DeltaError::NoSource { .. }), "{refused}");
    let old_only = PullOptions {
        targets: vec![pull::PullTarget::Commit(from)],
        ..PullOptions::default()
    };
    pull::pull_local(&client, &published.repo, None, &old_only, &Silent).unwrap();
    assert_eq!(
        native::apply_native(&client, &carried, &Silent).unwrap(),
        to
    );
    let client = Client {
        path: root.path().join("client"),
        repo: client,
    };
    client.assert_whole(to);
}

#[test]
fn a_delta_is_the_same_however_it_is_made_and_goes_with_its_commit() {
    let mut stage = Stage::new();
    let (repo, path) = (&stage.published.repo, stage.file());
    assert_eq!(native::verify(repo, &stage.name).unwrap(), 3);
    let bytes = std::fs::read(&path).unwrap();
    assert!(native::remove(repo, &stage.name).unwrap());
    assert!(!path.exists() && !stage.list().exists());
    assert!(!native::remove(repo, &stage.name).unwrap());
    let commits = (stage.name.from.unwrap(), stage.name.to);
    let little = NativeOptions {
        memory_bytes: 1,
        ..options()
    };
    native::generate(repo, commits, little, &Placement::InRepo, &Silent).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    native::remove_to(repo, stage.name.to).unwrap();
    assert!(!path.exists() && !stage.list().exists());
    // Another one takes its place.
    let harder = NativeOptions {
        level: 9,
        ..options()
    };
    native::generate(repo, commits, harder, &Placement::InRepo, &Silent).unwrap();
    let second = stage.file();
    assert!(path == second || !path.exists());
    assert!(second.exists());
    add_file(&mut stage.published, b"the newest");
    let options = PruneOptions {
        refs_only: true,
        ..PruneOptions::default()
    };
    prune(&stage.published.repo, &options, &Silent).unwrap();
    assert!(!second.exists() && !stage.list().exists());
}

#[test]
fn whatever_is_wrong_with_a_delta_the_pull_is_whole_and_says_so_once() {
    type Damage = fn(&Stage);
    fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
    let damages: [(&str, Damage); 13] = [
        ("no file", |stage| {
            std::fs::remove_file(stage.file()).unwrap()
        }),
        ("cut file", |stage| {
            rewrite(&stage.file(), |bytes| bytes.truncate(bytes.len() / 2))
        }),
        ("other bytes", |stage| {
            rewrite(&stage.file(), |bytes| *bytes = noise(bytes.len(), 5))
        }),
        ("a flipped bit in the index", |stage| {
            rewrite(&stage.file(), |bytes| bytes[60] ^= 1)
        }),
        ("a flipped bit in the last group", |stage| {
            rewrite(&stage.file(), |bytes| *bytes.last_mut().unwrap() ^= 0x80);
        }),
        ("list of noise", |stage| {
            std::fs::write(stage.list(), noise(500, 3)).unwrap()
        }),
        ("another length", |stage| {
            rewrite(&stage.file(), |bytes| bytes.extend_from_slice(b"x"));
        }),
        ("another name", |stage| {
            stage.lie(|delta| {
                let groups = &mut delta.groups;
                let last = groups.last_mut().unwrap();
                last.members[0].name =
                    Some(ObjectName::new(Checksum::of(b"another"), ObjectKind::File));
            });
        }),
        ("frames that are no differences", |stage| {
            stage.lie(|delta| code(delta, Coding::Difference));
        }),
        ("a version that is yet to come", |stage| {
            rewrite(&stage.file(), |bytes| {
                bytes[8] += 1;
                let end = stage.entry().index_size as usize - 32;
                let sum = Checksum::of(&bytes[..end]);
                bytes[end..end + 32].copy_from_slice(sum.as_bytes());
            });
        }),
        ("what stands before is elsewhere", |stage| {
            stage.lie(|delta| {
                let last = delta.groups.last_mut().unwrap();
                last.frames[0].prefix = vec![SourceRange {
                    source: last.frames[0].prefix[0].source,
                    offset: 0,
                    length: 5000,
                }];
            });
        }),
        ("sources that are not here", |stage| {
            stage.lie(|delta| {
                for source in &mut delta.sources {
                    source.name.checksum = Checksum::of(b"nobody has this");
                }
            });
        }),
        ("longer sources than there are", |stage| {
            stage.lie(|delta| {
                for source in &mut delta.sources {
                    source.size += 5;
                }
            });
        }),
    ];
    for (what, damage) in damages {
        let mut stage = Stage::new();
        damage(&stage);
        let server = Server::honest(&stage.published.path);
        stage.client.set_origin(&server.url());
        let (_, told) = pull_of(&stage.client, &of_main());
        stage.client.assert_whole(stage.published.commit);
        assert!(loose(&server) > 0, "{what}: nothing was wrong");
        let notices = told.iter().filter(|text| text.contains("cannot be used"));
        // What nobody named is not missed, and what is missing there is no fault.
        let expected = usize::from(what != "another name");
        assert_eq!(notices.count(), expected, "{what}: {told:?}");
        let verified = native::verify(&stage.published.repo, &stage.name);
        assert!(verified.is_err(), "{what} is found by verify");
    }
}

fn code(delta: &mut NativeDelta, coding: Coding) {
    for frame in delta.groups.iter_mut().flat_map(|group| &mut group.frames) {
        frame.coding = coding;
    }
}

#[test]
fn differences_are_made_at_high_levels_and_lead_as_well_and_fail_as_cleanly() {
    let high = NativeOptions {
        level: 19,
        ..options()
    };
    let mut stage = Stage::made_with(high);
    let native = NativeFile::of_repo(&stage.published.repo, &stage.name).unwrap();
    let frames = native.delta.groups.iter().flat_map(|group| &group.frames);
    let differences = frames.filter(|frame| frame.coding == Coding::Difference);
    assert!(differences.count() >= 2, "the large file is two frames");
    assert_eq!(
        native::verify(&stage.published.repo, &stage.name).unwrap(),
        3
    );
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let (bytes, told) = pull_of(&stage.client, &of_main());
    stage.client.assert_whole(stage.published.commit);
    assert!(bytes < 12_000, "{bytes} bytes for 4,000 that are new");
    assert_eq!(told, ["a native delta leads to the commit"]);
    assert_eq!(loose(&server), 0, "objects were asked for by themselves");

    let mut stage = Stage::made_with(high);
    stage.lie(|delta| code(delta, Coding::AfterPrefix));
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let (_, told) = pull_of(&stage.client, &of_main());
    stage.client.assert_whole(stage.published.commit);
    let notices = told.iter().filter(|text| text.contains("cannot be used"));
    assert_eq!(notices.count(), 1, "{told:?}");
}

#[test]
fn a_list_of_noise_lists_nothing_and_is_replaced() {
    let stage = Stage::new();
    std::fs::write(stage.list(), noise(500, 3)).unwrap();
    let repo = &stage.published.repo;
    assert!(native::list(repo).unwrap().is_empty());
    let commits = (stage.name.from.unwrap(), stage.name.to);
    native::generate(repo, commits, options(), &Placement::InRepo, &Silent).unwrap();
    assert_eq!(native::list(repo).unwrap().len(), 1);
}

#[test]
fn what_a_failed_pull_had_is_not_fetched_again() {
    let mut stage = Stage::new();
    let asked = AtomicUsize::new(0);
    // The index and the listings come, the file does not.
    let server = Server::start(&stage.published.path, move |path| {
        let is_delta = path.ends_with(".delta");
        match is_delta.then(|| asked.fetch_add(1, Ordering::Relaxed)) {
            None if path.ends_with(".filez") => Answer::Status(500),
            Some(2) => Answer::Status(500),
            _ => Answer::Honest,
        }
    });
    stage.client.set_origin(&server.url());
    let mut options = of_main();
    options.network.retries = 0;
    stage.client.pull(&options).unwrap_err();
    assert_eq!(
        stage.client.rev("origin:main"),
        stage.name.from,
        "a failed pull moves no ref"
    );
    let before = server.asked(".delta").len();
    stage.client.pull(&options).unwrap();
    stage.client.assert_whole(stage.published.commit);
    // The index and the file: the listings are here.
    assert_eq!(server.asked(".delta").len() - before, 2);
}

#[test]
fn a_pack_is_used_where_most_of_what_a_delta_brings_is_here() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let client_has = published.commit;
    let mut client = client_of(root.path(), &published, "client", RepoMode::BareUser);
    // Two files that are laid together; the client comes by one of them otherwise.
    add_two(&mut published, &[&noise(200_000, 3), &noise(900, 4)]);
    let to = published.commit;
    native::generate(
        &published.repo,
        (client_has, to),
        options(),
        &Placement::InRepo,
        &Silent,
    )
    .unwrap();
    native::announce(&mut published.repo).unwrap();
    let pack_options = ostler_store::pack::CreateOptions::default();
    ostler_store::pack::create(&published.repo, to, pack_options, &Silent).unwrap();
    ostler_store::pack::announce(&mut published.repo).unwrap();
    let transaction = client.repo.begin(crate::ground::UNSYNCED).unwrap();
    transaction
        .write_content_bytes(&crate::ground::header(0o644), &noise(200_000, 3))
        .unwrap();
    transaction.commit().unwrap();
    let server = Server::honest(&published.path);
    client.set_origin(&server.url());
    let (bytes, told) = pull_of(&client, &of_main());
    client.assert_whole(to);
    assert!(bytes < 100_000, "{bytes}: what is here came once more");
    let by_packs = |text: &String| text.starts_with("the remote has packs of the commit");
    assert!(told.iter().any(by_packs), "{told:?}");
    assert_eq!(server.asked(".delta").len(), 1, "no more than its index");
}

/// Commits a tree with two more files.
fn add_two(published: &mut Published, contents: &[&[u8]; 2]) {
    let transaction = published.repo.begin(crate::ground::UNSYNCED).unwrap();
    let before = published.repo.read_commit(published.commit).unwrap();
    let mut tree = published.repo.read_dirtree(before.tree).unwrap();
    for (name, content) in ["zz", "zzz"].iter().zip(contents) {
        let id = transaction
            .write_content_bytes(&crate::ground::header(0o644), content)
            .unwrap();
        tree.files.push(((*name).into(), id));
    }
    let tree = transaction.write_metadata(ObjectKind::DirTree, &tree.to_bytes().unwrap());
    let commit = ostler_format::Commit {
        tree: tree.unwrap().into(),
        ..before
    };
    published.commit = transaction.write_commit(&commit).unwrap();
    let main = ostler_store::RefKey::parse("main").unwrap();
    transaction.set_ref(main, Some(published.commit));
    transaction.commit().unwrap();
}

#[test]
fn names_of_commits_that_are_not_there_are_refused() {
    let stage = Stage::new();
    let nobody = CommitId::new(Checksum::of(b"nobody"));
    let repo = &stage.published.repo;
    for commits in [(nobody, stage.name.to), (stage.name.to, nobody)] {
        let made = native::generate(repo, commits, options(), &Placement::InRepo, &Silent);
        assert!(made.is_err());
    }
    assert_eq!(native::list(repo).unwrap().len(), 1);
}
