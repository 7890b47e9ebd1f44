//! The main job on whole Debian trees.

use ostler_tests::{Program, Scratch, Server, Snapshot, View, debian_tree};

use crate::{both_ways, canonical_if_needed};

#[test]
#[ignore = "works on whole OS trees"]
fn a_debian_tree_has_the_same_id_in_every_mode() {
    let cases: [(&str, &[u8]); 4] = [
        ("bare", &[1, 2]),
        ("bare-user", &[1]),
        ("archive", &[1]),
        ("bare-user-only", &[1]),
    ];
    for (mode, versions) in cases {
        let scratch = Scratch::new();
        let ids = [Program::ostree(), Program::ostler()].map(|program| {
            let repo = program.init(&scratch.join(program.name()), mode);
            let ids: Vec<_> = versions
                .iter()
                .map(|version| {
                    repo.commit(
                        "os/stable",
                        &debian_tree(*version),
                        canonical_if_needed(mode),
                    )
                })
                .collect();
            (ids, repo)
        });
        assert_eq!(ids[1].0, ids[0].0, "{mode}");
        assert_eq!(ids[1].1.objects(), ids[0].1.objects(), "{mode}");
        ids[0].1.with(&Program::ostler()).fsck();
        ids[1].1.with(&Program::ostree()).fsck();
    }
}

#[test]
#[ignore = "works on whole OS trees"]
fn a_debian_tree_travels_over_http_and_comes_out_as_it_was() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let published = maker.init(&scratch.join("published"), "archive");
        let pulled = user.init(&scratch.join("pulled"), "bare");
        let server = Server::start(&maker, published.path());
        pulled.run("remote add", ["--no-gpg-verify", "origin", &server.url()]);
        for version in [1, 2] {
            let tree = debian_tree(version);
            let id = published.commit("os/stable", &tree, &[]);
            published.run("summary", ["-u"]);
            pulled.run("pull", ["origin", "os/stable"]);
            assert_eq!(pulled.rev_parse("origin:os/stable"), id);
            let destination = scratch.join(format!("checkout-{version}"));
            pulled.run(
                "checkout",
                [
                    "-H".as_ref(),
                    "origin:os/stable".as_ref(),
                    destination.as_os_str(),
                ],
            );
            let claim = format!(
                "{} commits and serves version {version}, {} pulls",
                maker.name(),
                user.name()
            );
            Snapshot::of(&tree, View::COMMITTED)
                .without_empty_xattrs()
                .assert_same(&Snapshot::of(&destination, View::COMMITTED), &claim);
        }
        pulled.with(&maker).fsck();
    }
}
