//! Dry runs, and that what they say is what comes.

use ostler_format::pack::{PackGroup, PackIndex};
use ostler_format::{Metadata, ObjectKind, ObjectName, SizeEntry, sizes_to_value};
use ostler_store::progress::Way;
use ostler_store::pull::{Estimate, PullError, PullOptions};
use ostler_store::{Repo, RepoMode};

use crate::ground::{Client, Published, Told, noise, of_main, scratch};
use crate::packs::{add_file, index_path, pack_newest};
use crate::server::Server;

fn dry() -> PullOptions {
    PullOptions {
        dry_run: true,
        ..of_main()
    }
}

/// What a dry run of `client` says; nothing but listings may come of it.
fn estimate(client: &Client, server: &Server) -> Estimate {
    let report = client.pull(&dry()).unwrap();
    assert_eq!(server.asked(".filez"), [""; 0]);
    assert!(client.is_empty(), "a dry run wrote an object");
    assert_eq!(client.rev("origin:main"), None);
    let states = std::fs::read_dir(client.path.join("state")).unwrap();
    assert_eq!(states.count(), 0, "a commit is marked as partial");
    assert_eq!(report.refs.len(), 1);
    report.estimate.unwrap()
}

#[test]
fn what_packs_would_bring_is_known_to_the_byte_and_listings_come_once() {
    let root = scratch();
    let mut published = Published::new(root.path());
    pack_newest(&mut published);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&server.url());
    let said = estimate(&client, &server);
    assert_eq!(said.route.as_ref().unwrap().0, Way::Packs);
    assert_eq!((said.content_objects, said.packed_objects), (24, 24));
    assert_eq!((said.pack_parts, said.objects_of_unknown_size), (1, 0));
    assert_eq!(said.metadata_objects, 6);
    let parts = server.asked(".pack").len();
    let small = client.pull(&dry()).unwrap().network;
    assert_eq!(small, None, "a dry run is no transfer");
    let report = client.pull(&of_main()).unwrap();
    client.assert_whole(published.commit);
    assert_eq!(report.content_objects, said.content_objects);
    assert_eq!(
        server.asked(".pack").len() - parts,
        1,
        "listings came again"
    );
    let bytes = report.network.unwrap().bytes;
    let index = std::fs::metadata(crate::packs::index_path(&published)).unwrap();
    // Beside the content: the config, the commit, the index of the pack.
    let beside = bytes - said.download_bytes;
    assert!(
        (1..index.len() + 1000).contains(&beside),
        "{bytes} {said:?}"
    );
    let headers = said.written_bytes - report.content_bytes_written;
    assert!(headers < 24 * 100, "{said:?} {report:?}");
}

#[test]
fn without_sizes_nothing_is_claimed_and_with_them_it_is_what_comes() {
    let root = scratch();
    let mut published = Published::new(root.path());
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&server.url());
    let said = estimate(&client, &server);
    assert_eq!(said.route.as_ref().unwrap().0, Way::Objects);
    assert_eq!(said.content_objects, 24);
    assert_eq!(said.objects_of_unknown_size, 24);
    assert_eq!((said.download_bytes, said.written_bytes), (0, 0));
    let mut sizes = Vec::new();
    let (mut archived, mut unpacked) = (0, 0);
    published
        .repo
        .for_each_object(|name| {
            let size = published.object(name).len() as u64;
            let mut stored = size;
            if name.kind == ObjectKind::File {
                let file = published.repo.open_file_object(name.checksum.into());
                stored = file.unwrap().size;
                archived += size;
                unpacked += stored;
            }
            sizes.push(SizeEntry::new(name, size, stored));
            Ok(())
        })
        .unwrap();
    let mut metadata = Metadata::new();
    metadata.insert("ostree.sizes", sizes_to_value(sizes));
    published.follow(metadata, 1_700_000_001);
    let said = estimate(&client, &server);
    assert_eq!(said.content_objects, 24);
    assert_eq!(said.objects_of_unknown_size, 0);
    assert_eq!(
        (said.download_bytes, said.written_bytes),
        (archived, unpacked)
    );
    let mut local = Client::new(root.path(), "local", RepoMode::BareUser);
    local.set_origin(&format!("file://{}", published.path.display()));
    let said = estimate(&local, &server);
    assert_eq!((said.content_objects, said.local_objects), (24, 24));
    assert_eq!((said.download_bytes, said.written_bytes), (0, unpacked));
    assert_eq!(said.route, None);
    client.pull(&of_main()).unwrap();
    let nothing = client.pull(&dry()).unwrap().estimate.unwrap();
    assert_eq!(nothing.content_objects, 0);
    assert_eq!(nothing.route, None);
}

#[test]
fn what_has_no_room_is_refused_before_the_first_byte_of_content() {
    let root = scratch();
    let mut published = Published::new(root.path());
    pack_newest(&mut published);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    let config = client.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen("[core]\n", "[core]\nmin-free-space-size=99999TB\n", 1);
    std::fs::write(&config, text).unwrap();
    client.repo = Repo::open(&client.path).unwrap();
    client.set_origin(&server.url());
    for options in [dry(), of_main()] {
        let error = client.pull(&options).unwrap_err();
        let PullError::NoRoom { needed_bytes, .. } = error else {
            panic!("{error}");
        };
        assert!(needed_bytes > 3_000_000, "{needed_bytes}");
    }
    // One part of the pack, with the listings.
    assert_eq!(server.asked(".pack").len(), 1);
    assert_eq!(server.asked(".filez"), [""; 0]);
    assert!(client.is_empty());
}

/// Has the index of the newest commit's packs claim a size of its large object.
fn claim(published: &Published, size: u64) {
    let path = index_path(published);
    let mut index = PackIndex::parse(&std::fs::read(&path).unwrap()).unwrap();
    let large = |group: &&mut PackGroup| group.packed > 2_000_000 && group.members.len() == 1;
    let group = index.groups.iter_mut().find(large).unwrap();
    group
        .members
        .iter_mut()
        .for_each(|member| member.size = size);
    std::fs::write(path, index.to_bytes()).unwrap();
}

#[test]
fn packs_that_claim_more_than_there_is_room_for_are_passed_over_where_that_is_hardly_so() {
    let root = scratch();
    let mut published = Published::new(root.path());
    add_file(&mut published, &noise(3 << 20, 9));
    pack_newest(&mut published);
    // Little enough for the format to believe.
    claim(&published, 3 << 34);
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    let space = ostler_fs::Dir::open_ambient(&client.path).unwrap().space();
    let free = space.unwrap().free_bytes;
    let config = client.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let keep = (free - (1 << 30)) >> 20;
    let text = text.replacen(
        "[core]\n",
        &format!("[core]\nmin-free-space-size={keep}MB\n"),
        1,
    );
    std::fs::write(&config, text).unwrap();
    client.repo = Repo::open(&client.path).unwrap();
    client.set_origin(&server.url());
    let told = Told::default();
    client.pull_telling(&of_main(), &told).unwrap();
    client.assert_whole(published.commit);
    let notices = told.notices();
    assert!(
        notices.iter().any(|text| text.contains("claim")),
        "{notices:?}"
    );
    assert!(server.asked(".filez").len() > 20);
}

#[test]
fn a_dry_run_fails_as_the_pull_would() {
    let root = scratch();
    let published = Published::new(root.path());
    let name = ObjectName::new(published.root_tree, ObjectKind::DirTree);
    std::fs::remove_file(published.path.join(published.object_path(name))).unwrap();
    let server = Server::honest(&published.path);
    let mut client = Client::new(root.path(), "client", RepoMode::BareUser);
    client.set_origin(&server.url());
    let error = client.pull(&dry()).unwrap_err().to_string();
    assert!(error.contains(&published.root_tree.to_string()), "{error}");
}
