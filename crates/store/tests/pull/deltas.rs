//! Pulls by static deltas: which are used, and that nothing that a delta does can spoil a pull.

use std::path::Path;

use ostler_format::delta::{ByteOrder, DeltaName, Superblock};
use ostler_format::{CommitId, Metadata};
use ostler_store::delta::{self, DeltaError, GenerateOptions, Placement};
use ostler_store::progress::{Silent, Way};
use ostler_store::pull::{DeltaUse, PullError, PullOptions};
use ostler_store::{Repo, RepoMode, summary};

use crate::ground::{Client, Published, Told, noise, of_main, scratch};
use crate::packs::{add_file, pack_newest};
use crate::server::{Answer, Server};
use crate::signed::{key, sign};

/// A repository whose newest commit adds a file, and a client that has the commit before.
struct Stage {
    _root: tempfile::TempDir,
    published: Published,
    client: Client,
    name: DeltaName,
}

impl Stage {
    fn new(options: &GenerateOptions) -> Self {
        let root = scratch();
        let mut published = Published::new(root.path());
        let client = client_of(root.path(), &published, "client");
        let from = published.commit;
        add_file(&mut published, &noise(300_000, 3));
        let to = published.commit;
        delta::generate(&published.repo, Some(from), to, options, &Silent).unwrap();
        Self {
            _root: root,
            published,
            client,
            name: DeltaName {
                to,
                from: Some(from),
            },
        }
    }

    fn with_summary(options: &GenerateOptions) -> Self {
        let stage = Self::new(options);
        summary::regenerate(&stage.published.repo, &Metadata::new()).unwrap();
        stage
    }

    fn from(&self) -> CommitId {
        self.name.from.unwrap()
    }
}

fn client_of(root: &Path, published: &Published, name: &str) -> Client {
    let server = Server::honest(&published.path);
    let mut client = Client::new(root, name, RepoMode::BareUser);
    client.set_origin(&server.url());
    client.pull(&of_main()).unwrap();
    client
}

fn required() -> PullOptions {
    PullOptions {
        deltas: DeltaUse::Required,
        ..of_main()
    }
}

fn made() -> GenerateOptions {
    GenerateOptions {
        bsdiff: true,
        max_bsdiff_bytes: 1 << 20,
        min_fallback_bytes: Some(4 << 20),
        max_chunk_bytes: 32 << 20,
        inline: false,
        byte_order: ByteOrder::Little,
        memory_bytes: 256 << 20,
        timestamp: 1_700_000_000,
        signers: Vec::new(),
        placement: Placement::InRepo,
    }
}

fn inline() -> GenerateOptions {
    GenerateOptions {
        inline: true,
        ..made()
    }
}

#[test]
fn an_update_comes_in_a_superblock_and_its_parts() {
    for (options, with_summary, parts) in [
        (made(), true, 1),
        (made(), false, 1),
        (inline(), true, 0),
        (inline(), false, 0),
    ] {
        let mut stage = match with_summary {
            true => Stage::with_summary(&options),
            false => Stage::new(&options),
        };
        let server = Server::honest(&stage.published.path);
        stage.client.set_origin(&server.url());
        let report = stage.client.pull(&required()).unwrap();
        stage.client.assert_whole(stage.name.to);
        assert_eq!(report.deltas.parts, 1, "summary: {with_summary}");
        for suffix in [".filez", ".dirtree", ".dirmeta", ".commit"] {
            assert_eq!(server.asked(suffix), [""; 0], "summary: {with_summary}");
        }
        let asked = server.asked(&stage.name.part_path(0));
        assert_eq!(asked.len(), parts, "summary: {with_summary}");
        let again = stage.client.pull(&required()).unwrap();
        assert_eq!(again.deltas.parts_total, 0, "what is here needs no delta");
    }
}

#[test]
fn a_dry_run_says_what_is_here_and_changes_nothing() {
    let mut stage = Stage::with_summary(&made());
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let options = PullOptions {
        dry_run: true,
        ..required()
    };
    let deltas = stage.client.pull(&options).unwrap().deltas;
    assert_eq!((deltas.parts_present, deltas.parts_total), (0, 1));
    assert_eq!(deltas.bytes_present, 0);
    assert!(deltas.uncompressed_bytes > 300_000, "{deltas:?}");
    assert_eq!(stage.client.rev("origin:main"), Some(stage.from()));
    assert_eq!(server.asked(&stage.name.part_path(0)), [""; 0]);
}

#[test]
fn what_a_hostile_server_makes_of_a_delta_is_refused_and_nothing_is_lost() {
    let damaged = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    type Lie = Box<dyn Fn(&[u8]) -> Answer + Send + Sync>;
    let lies: [(&str, bool, Lie); 6] = [
        (
            "a bit of the part",
            false,
            Box::new(move |part| Answer::Body(damaged(part))),
        ),
        (
            "half of the part",
            false,
            Box::new(|part| Answer::Body(part[..part.len() / 2].to_vec())),
        ),
        (
            "a part without an end",
            false,
            Box::new(|part| Answer::Endless(part.to_vec(), vec![0; 4096])),
        ),
        (
            "a part that is cut",
            false,
            Box::new(|part| Answer::Announced(part.len() as u64, part[..9].to_vec())),
        ),
        (
            "a bit of the superblock",
            true,
            Box::new(move |superblock| Answer::Body(damaged(superblock))),
        ),
        (
            "a superblock without an end",
            true,
            Box::new(|superblock| Answer::Endless(superblock.to_vec(), vec![0; 1 << 20])),
        ),
    ];
    for (what, of_superblock, lie) in lies {
        let mut stage = Stage::with_summary(&made());
        let path = match of_superblock {
            true => stage.name.superblock_path(),
            false => stage.name.part_path(0),
        };
        let truth = std::fs::read(stage.published.path.join(&path)).unwrap();
        let liar = Server::start(&stage.published.path, move |asked| match asked == path {
            true => lie(&truth),
            false => Answer::Honest,
        });
        stage.client.set_origin(&liar.url());
        let error = stage.client.pull(&required()).expect_err(what);
        assert!(
            matches!(
                error,
                PullError::Delta(_) | PullError::DeltaChecksum { .. } | PullError::Fetch(_)
            ),
            "{what}: {error:?}"
        );
        assert_eq!(
            stage.client.rev("origin:main"),
            Some(stage.from()),
            "{what}"
        );
        stage.client.assert_whole(stage.from());
        let honest = Server::honest(&stage.published.path);
        stage.client.set_origin(&honest.url());
        stage.client.pull(&required()).unwrap();
        stage.client.assert_whole(stage.name.to);
    }
}

#[test]
fn a_wrong_part_is_told_as_such() {
    let mut stage = Stage::with_summary(&made());
    let path = stage.name.part_path(0);
    let mut truth = std::fs::read(stage.published.path.join(&path)).unwrap();
    truth[20] ^= 1;
    std::fs::write(stage.published.path.join(&path), truth).unwrap();
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let error = stage.client.pull(&required()).unwrap_err();
    assert!(
        matches!(
            error,
            PullError::Delta(DeltaError::PartChecksum { part: 0, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn a_delta_of_no_use_is_passed_over_with_a_word_and_the_pull_is_whole() {
    type Lie = fn(&[u8]) -> Answer;
    let damaged: Lie = |bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Answer::Body(bytes)
    };
    let half: Lie = |bytes| Answer::Body(bytes[..bytes.len() / 2].to_vec());
    let endless: Lie = |bytes| Answer::Endless(bytes.to_vec(), vec![0; 1 << 20]);
    let gone: Lie = |_| Answer::Status(404);
    let broken: Lie = |_| Answer::Status(500);
    for (lie, of_superblock, is_listed, with_packs) in [
        (damaged, true, true, true),
        (damaged, true, true, false),
        (damaged, true, false, true),
        (endless, true, true, true),
        (broken, true, true, true),
        (damaged, false, true, true),
        (damaged, false, true, false),
        (half, false, true, true),
        (gone, false, true, true),
        (broken, false, true, true),
    ] {
        let what = format!("superblock: {of_superblock}, listed: {is_listed}, packs: {with_packs}");
        let mut stage = match is_listed {
            true => Stage::with_summary(&made()),
            false => Stage::new(&made()),
        };
        if with_packs {
            pack_newest(&mut stage.published);
        }
        let path = match of_superblock {
            true => stage.name.superblock_path(),
            false => stage.name.part_path(0),
        };
        let truth = std::fs::read(stage.published.path.join(&path)).unwrap();
        let liar = Server::start(&stage.published.path, move |asked| match asked == path {
            true => lie(&truth),
            false => Answer::Honest,
        });
        stage.client.set_origin(&liar.url());
        let told = Told::default();
        let report = stage.client.pull_telling(&of_main(), &told);
        let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
        stage.client.assert_whole(stage.name.to);
        assert_eq!(report.deltas.parts, 0, "{what}");
        assert_eq!(liar.asked(".filez").is_empty(), with_packs, "{what}");
        let [notice] = &told.notices()[..] else {
            panic!("{what}: {:?}", told.notices());
        };
        assert!(
            notice.starts_with("a static delta cannot be used"),
            "{notice}"
        );
        let routes = told.routes();
        let (way, reason) = routes.last().unwrap();
        let expected = if with_packs { Way::Packs } else { Way::Objects };
        assert_eq!(*way, expected, "{what}");
        let why = "; the static delta to the commit cannot be used";
        assert!(reason.ends_with(why), "{reason}");
    }
}

#[test]
fn the_way_is_told_before_anything_comes_by_it_and_why() {
    let mut stage = Stage::with_summary(&made());
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let told = Told::default();
    stage.client.pull_telling(&of_main(), &told).unwrap();
    let size = std::fs::metadata(stage.published.path.join(stage.name.part_path(0)));
    let size = size.unwrap().len();
    let reason =
        format!("a static delta leads to the commit from what is here: 1 parts, {size} bytes");
    assert_eq!(told.routes(), [(Way::Deltas, reason)]);
    let other = |name: &str, change: fn(&mut PullOptions)| {
        let root = scratch();
        let mut client = Client::new(root.path(), name, RepoMode::BareUser);
        client.set_origin(&server.url());
        let mut options = of_main();
        change(&mut options);
        let told = Told::default();
        client.pull_telling(&options, &told).unwrap();
        told.routes()
    };
    let by_objects = |why: &str| {
        let no_packs = "the remote says that it has no packs";
        vec![(Way::Objects, format!("{no_packs}; {why}"))]
    };
    assert_eq!(
        other("new", |_| {}),
        by_objects("no static delta leads from what is here")
    );
    assert_eq!(
        other("never", |options| options.deltas = DeltaUse::Never),
        by_objects("static deltas are turned off")
    );
    let told = Told::default();
    stage.client.pull_telling(&of_main(), &told).unwrap();
    assert_eq!(told.routes(), [], "nothing comes by any way");
}

#[test]
fn of_a_part_that_was_cut_the_rest_is_asked_for_and_nothing_again() {
    for length in [0, 1, 255, 1 << 16, (256 << 10) + 1, 299_999] {
        let mut stage = Stage::with_summary(&made());
        let path = stage.name.part_path(0);
        let cut = {
            let path = path.clone();
            move |asked: &str| match asked == path {
                true => Answer::Cut(length),
                false => Answer::Honest,
            }
        };
        let server = Server::start(&stage.published.path, cut);
        stage.client.set_origin(&server.url());
        stage.client.pull(&required()).unwrap_err();
        let honest = Server::honest(&stage.published.path);
        stage.client.set_origin(&honest.url());
        stage.client.pull(&required()).unwrap();
        stage.client.assert_whole(stage.name.to);
        let from = (length > 0).then_some(length);
        assert_eq!(honest.asked_from(&path), [from], "{length}");
        let superblock = stage.name.superblock_path();
        assert_eq!(honest.asked(&superblock), [""; 0], "{length}");
    }
}

#[test]
fn without_its_superblock_a_delta_is_none() {
    let mut stage = Stage::with_summary(&made());
    std::fs::remove_file(stage.published.path.join(stage.name.superblock_path())).unwrap();
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let error = stage.client.pull(&required()).unwrap_err();
    assert!(matches!(error, PullError::NoDelta { .. }), "{error:?}");
    let report = stage.client.pull(&of_main()).unwrap();
    assert_eq!(report.deltas.parts, 0);
    stage.client.assert_whole(stage.name.to);
}

#[test]
fn a_delta_from_nothing_is_used_where_nothing_is() {
    let root = scratch();
    let published = Published::new(root.path());
    let to = published.commit;
    delta::generate(&published.repo, None, to, &made(), &Silent).unwrap();
    summary::regenerate(&published.repo, &Metadata::new()).unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::Bare);
    client.set_origin(&server.url());
    let report = client.pull(&of_main()).unwrap();
    assert!(report.deltas.parts > 0);
    client.assert_whole(to);
    let mut archive = Client::new(root.path(), "archive", RepoMode::Archive);
    archive.set_origin(&server.url());
    let error = archive.pull(&required()).unwrap_err();
    assert!(matches!(error, PullError::DeltasInArchive), "{error:?}");
    assert_eq!(archive.pull(&of_main()).unwrap().deltas.parts, 0);
}

/// Has `client` ask for signed deltas.
fn ask_for_signed_deltas(client: &mut Client) {
    let config = client.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen("[core]\n", "[core]\nsign-verify-deltas=true\n", 1);
    std::fs::write(&config, text).unwrap();
    client.repo = Repo::open(&client.path).unwrap();
}

#[test]
fn a_repository_that_asks_for_signed_deltas_takes_objects_for_others() {
    let mut stage = Stage::with_summary(&made());
    ask_for_signed_deltas(&mut stage.client);
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let error = stage.client.pull(&required()).unwrap_err();
    assert!(
        matches!(error, PullError::Delta(DeltaError::NoKey)),
        "{error:?}"
    );
    assert_eq!(stage.client.pull(&of_main()).unwrap().deltas.parts, 0);
    stage.client.assert_whole(stage.name.to);
}

#[test]
fn a_signed_superblock_is_held_to_the_keys_that_sign_commits() {
    for (signer, is_good) in [(1, true), (2, false)] {
        let mut stage = Stage::with_summary(&GenerateOptions {
            signers: vec![Box::new(key(signer).0)],
            ..made()
        });
        let (secret, public) = key(1);
        sign(&stage.published.repo, stage.name.to, &secret);
        ask_for_signed_deltas(&mut stage.client);
        let server = Server::honest(&stage.published.path);
        stage.client.configure_origin(&[
            ("url", &server.url()),
            ("verification-ed25519-key", &public),
            ("sign-verify", "ed25519"),
        ]);
        let result = stage.client.pull(&required());
        if is_good {
            assert_eq!(result.unwrap().deltas.parts, 1);
            stage.client.assert_whole(stage.name.to);
            continue;
        }
        let error = result.unwrap_err();
        assert!(
            matches!(error, PullError::Delta(DeltaError::Refused(_))),
            "{error:?}"
        );
        assert_eq!(stage.client.rev("origin:main"), Some(stage.from()));
        assert_eq!(server.asked(&stage.name.part_path(0)), [""; 0]);
    }
}

#[test]
fn of_a_commit_that_is_not_signed_as_it_must_be_no_part_is_fetched() {
    let mut stage = Stage::with_summary(&made());
    let server = Server::honest(&stage.published.path);
    stage.client.configure_origin(&[
        ("url", &server.url()),
        ("verification-ed25519-key", &key(1).1),
        ("sign-verify", "ed25519"),
    ]);
    let error = stage.client.pull(&required()).unwrap_err();
    assert!(matches!(error, PullError::CommitRefused(_)), "{error:?}");
    assert_eq!(stage.client.rev("origin:main"), Some(stage.from()));
    assert_eq!(server.asked(&stage.name.superblock_path()).len(), 1);
    assert_eq!(server.asked(&stage.name.part_path(0)), [""; 0]);
}

#[test]
fn an_index_lists_what_the_summary_does_not() {
    let mut stage = Stage::new(&made());
    delta::reindex(&mut stage.published.repo, None).unwrap();
    let config = stage.published.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen(
        "[core]\n",
        "[core]\nno-deltas-in-summary=true\nindexed-deltas=true\n",
        1,
    );
    std::fs::write(&config, text).unwrap();
    stage.published.repo = Repo::open(&stage.published.path).unwrap();
    let listed = summary::regenerate(&stage.published.repo, &Metadata::new()).unwrap();
    assert_eq!(listed.static_deltas().unwrap().deltas, []);
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let report = stage.client.pull(&required()).unwrap();
    assert_eq!(report.deltas.parts, 1);
    assert_eq!(server.asked(".index").len(), 1);
    stage.client.assert_whole(stage.name.to);
}

#[test]
fn what_is_staged_of_a_delta_is_not_fetched_again() {
    let mut stage = Stage::with_summary(&GenerateOptions {
        max_chunk_bytes: 100_000,
        ..made()
    });
    // A second file, so that there is a second part.
    add_file(&mut stage.published, &noise(250_000, 4));
    let to = stage.published.commit;
    let from = Some(stage.from());
    let options = GenerateOptions {
        max_chunk_bytes: 1,
        ..made()
    };
    delta::generate(&stage.published.repo, from, to, &options, &Silent).unwrap();
    summary::regenerate(&stage.published.repo, &Metadata::new()).unwrap();
    let name = DeltaName { to, from };
    let bytes = std::fs::read(stage.published.path.join(name.superblock_path())).unwrap();
    let parts = Superblock::parse(&bytes).unwrap().parts.len();
    assert!(parts > 1, "there is but one part");
    let last = name.part_path(parts - 1);
    let liar = Server::start(&stage.published.path, move |asked| match asked == last {
        true => Answer::Status(404),
        false => Answer::Honest,
    });
    stage.client.set_origin(&liar.url());
    stage.client.pull(&required()).unwrap_err();
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let report = stage.client.pull(&required()).unwrap();
    stage.client.assert_whole(to);
    assert!(report.deltas.parts_present > 0, "{:?}", report.deltas);
    let asked = (0..parts).map(|part| server.asked(&name.part_path(part)).len());
    assert_eq!(asked.sum::<usize>() as u64, report.deltas.parts);
}

#[test]
fn a_delta_that_claims_more_than_there_is_room_for_is_passed_over() {
    let mut stage = Stage::new(&made());
    let path = stage.published.path.join(stage.name.superblock_path());
    let mut superblock = Superblock::parse(&std::fs::read(&path).unwrap()).unwrap();
    superblock.parts[0].uncompressed_size = 1 << 60;
    std::fs::write(&path, superblock.to_bytes().unwrap()).unwrap();
    summary::regenerate(&stage.published.repo, &Metadata::new()).unwrap();
    let server = Server::honest(&stage.published.path);
    stage.client.set_origin(&server.url());
    let told = Told::default();
    let client = &stage.client;
    client.pull_telling(&of_main(), &told).unwrap();
    client.assert_whole(stage.published.commit);
    let notices = told.notices();
    let is_told = |text: &String| text.contains("a static delta cannot be used");
    assert!(notices.iter().any(is_told), "{notices:?}");
}
