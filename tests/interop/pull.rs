//! Pulls between repositories of both programs, locally and over HTTP.

use std::fs;

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch, Server, Snapshot, View};

use crate::{MODES, both_ways, canonical_if_needed};

/// Makes an archive repository with a history of three commits on `os/stable`, and a second ref; has a summary.
fn published(program: &Program, scratch: &Scratch) -> (Repo, Vec<String>) {
    let repo = program.init_quick(&scratch.join("published"), "archive");
    let ids = [71, 72, 73].map(|seed| {
        let tree = scratch.join(format!("tree-{seed}"));
        random::write(&tree, seed, 60, Kinds::ALL);
        repo.commit(
            "os/stable",
            &tree,
            &[&format!("--add-metadata-string=version={seed}")],
        )
    });
    repo.commit(
        "os/testing",
        &scratch.join("tree-71"),
        &["--add-detached-metadata-string=note=detached"],
    );
    repo.run("summary", ["-u"]);
    (repo, ids.to_vec())
}

fn add_remote(repo: &Repo, url: &str) {
    repo.run("remote add", ["--no-gpg-verify", "origin", url]);
}

/// Checks that both programs find nothing wrong and nothing missing.
fn fsck_with_both(repo: &Repo) {
    for program in [Program::ostree(), Program::ostler()] {
        repo.with(&program).fsck();
    }
}

#[test]
fn each_pulls_from_the_other_over_http_into_every_mode() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (repo, ids) = published(&maker, &scratch);
        let server = Server::start(&maker, repo.path());
        for mode in ["archive", "bare", "bare-user"] {
            let pulled = user.init_quick(&scratch.join(mode), mode);
            add_remote(&pulled, &server.url());
            pulled.run("pull", ["origin", "os/stable"]);
            assert_eq!(
                pulled.rev_parse("origin:os/stable"),
                ids[2],
                "{} pulls into {mode}",
                user.name()
            );
            fsck_with_both(&pulled);
        }
    }
}

#[test]
fn each_pulls_locally_from_the_other_between_all_modes() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let tree = scratch.join("tree");
        random::write(&tree, 81, 100, Kinds::ALL);
        for source_mode in ["archive", "bare", "bare-user"] {
            let source =
                maker.init_quick(&scratch.join(format!("source-{source_mode}")), source_mode);
            let id = source.commit("main", &tree, &[]);
            for mode in ["archive", "bare", "bare-user"] {
                let pulled = user.init_quick(&scratch.join(format!("{source_mode}-{mode}")), mode);
                pulled.run("pull-local", [source.path().as_os_str(), "main".as_ref()]);
                assert_eq!(
                    pulled.rev_parse("main"),
                    id,
                    "{} pulls {source_mode} into {mode}",
                    user.name()
                );
                assert_eq!(
                    object_stems(&pulled),
                    object_stems(&source),
                    "{source_mode} into {mode}"
                );
                fsck_with_both(&pulled);
            }
        }
    }
}

/// Object names without what depends on the mode.
fn object_stems(repo: &Repo) -> Vec<String> {
    repo.objects()
        .into_iter()
        .map(|object| object.replace(".filez", ".file"))
        .collect()
}

#[test]
fn canonical_commits_are_pulled_into_bare_user_only() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let tree = scratch.join("tree");
        random::write(&tree, 82, 60, Kinds::PLAIN);
        for source_mode in MODES {
            let source =
                maker.init_quick(&scratch.join(format!("source-{source_mode}")), source_mode);
            source.commit("main", &tree, canonical_if_needed("bare-user-only"));
            let pulled = user.init_quick(
                &scratch.join(format!("from-{source_mode}")),
                "bare-user-only",
            );
            pulled.run("pull-local", [source.path().as_os_str(), "main".as_ref()]);
            fsck_with_both(&pulled);
        }
    }
}

#[test]
fn history_mirrors_and_parts_arrive_as_asked() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (repo, ids) = published(&maker, &scratch);
        let server = Server::start(&maker, repo.path());
        let pull = |name: &str, arguments: &[&str]| {
            let pulled = user.init_quick(&scratch.join(name), "archive");
            add_remote(&pulled, &server.url());
            pulled.run("pull", arguments);
            pulled
        };

        let deep = pull("deep", &["--depth=1", "origin", "os/stable"]);
        deep.run("show", [&ids[1]]);
        deep.fail("show", [&ids[0]]);
        fsck_with_both(&deep);

        let whole = pull("whole", &["--depth=-1", "origin", "os/stable"]);
        whole.run("show", [&ids[0]]);
        fsck_with_both(&whole);

        let mirror = pull("mirror", &["--mirror", "--depth=-1", "origin"]);
        for branch in ["os/stable", "os/testing"] {
            assert_eq!(
                mirror.rev_parse(branch),
                repo.rev_parse(branch),
                "{} mirrors every ref",
                user.name()
            );
        }
        assert_eq!(
            mirror.objects(),
            repo.objects(),
            "{} mirrors every object",
            user.name()
        );
        fsck_with_both(&mirror);

        let bare_commit = pull(
            "metadata",
            &["--commit-metadata-only", "origin", "os/stable"],
        );
        let objects = bare_commit.objects();
        assert_eq!(objects.len(), 1, "only the commit: {objects:?}");

        let old = pull("old", &["origin", &format!("os/stable@{}", ids[1])]);
        assert_eq!(
            old.rev_parse("origin:os/stable"),
            ids[1],
            "a commit of a branch"
        );

        let by_id = pull("by-id", &["origin", &ids[0]]);
        by_id.run("show", [&ids[0]]);
    }
}

#[test]
fn a_subpath_is_the_same_set_of_objects() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/share/doc")).unwrap();
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    for name in ["top", "usr/share/doc/a", "usr/lib/b"] {
        fs::write(tree.join(name), name).unwrap();
    }
    let repo = Program::ostree().init_quick(&scratch.join("published"), "archive");
    let id = repo.commit("main", &tree, &[]);
    let server = Server::start(&Program::ostree(), repo.path());
    let objects = [Program::ostree(), Program::ostler()].map(|program| {
        let pulled = program.init_quick(&scratch.join(program.name()), "archive");
        add_remote(&pulled, &server.url());
        pulled.run("pull", ["--subpath=/usr/lib", "origin", "main"]);
        let partial = pulled
            .path()
            .join("state")
            .join(format!("{id}.commitpartial"));
        assert!(
            partial.exists(),
            "{}: the commit is marked as partial",
            program.name()
        );
        pulled.objects()
    });
    assert_eq!(objects[1], objects[0]);
}

#[test]
fn a_pull_after_a_pull_brings_only_what_is_new() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let repo = maker.init_quick(&scratch.join("published"), "archive");
        let tree = scratch.join("tree");
        random::write(&tree, 91, 60, Kinds::ALL);
        repo.commit("main", &tree, &[]);
        let server = Server::start(&maker, repo.path());
        let pulled = user.init_quick(&scratch.join("pulled"), "bare");
        add_remote(&pulled, &server.url());
        pulled.run("pull", ["origin", "main"]);
        fs::write(tree.join("new file"), "new").unwrap();
        let id = repo.commit("main", &tree, &[]);
        let before = pulled.objects().len();
        pulled.run("pull", ["origin", "main"]);
        assert_eq!(pulled.rev_parse("origin:main"), id);
        assert_eq!(
            pulled.objects().len(),
            before + 3,
            "one commit, one root, one file"
        );
        // Nothing new: the same command does nothing, successfully.
        pulled.run("pull", ["origin", "main"]);
        fsck_with_both(&pulled);
    }
}

#[test]
fn a_pulled_tree_is_the_committed_tree() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (repo, _) = published(&maker, &scratch);
        let server = Server::start(&user, repo.path());
        let pulled = user.init_quick(&scratch.join("pulled"), "bare");
        add_remote(&pulled, &server.url());
        pulled.run("pull", ["origin", "os/stable"]);
        let destination = scratch.join("checkout");
        pulled.run(
            "checkout",
            ["origin:os/stable".as_ref(), destination.as_os_str()],
        );
        let [committed, found] = [scratch.join("tree-73"), destination]
            .map(|tree| Snapshot::of(&tree, View::COMMITTED).without_empty_xattrs());
        committed.assert_same(&found, "what was committed comes out after the pull");
    }
}

#[test]
fn a_damaged_object_is_refused() {
    let scratch = Scratch::new();
    let (repo, _) = published(&Program::ostree(), &scratch);
    let mut objects = repo.objects();
    objects.retain(|object| object.ends_with(".filez"));
    let victim = repo
        .path()
        .join("objects")
        .join(&objects[objects.len() / 2]);
    let mut bytes = fs::read(&victim).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    fs::write(&victim, bytes).unwrap();
    for program in [Program::ostree(), Program::ostler()] {
        repo.with(&program).fail("fsck", ["--quiet"]);
        let server = Server::start(&Program::ostree(), repo.path());
        let pulled = program.init_quick(&scratch.join(program.name()), "bare");
        add_remote(&pulled, &server.url());
        pulled.fail("pull", ["--depth=-1", "origin", "os/stable", "os/testing"]);
        assert!(
            !pulled
                .objects()
                .iter()
                .any(|object| victim.ends_with(object.replace(".file", ".filez")))
        );
        pulled.fail("rev-parse", ["origin:os/stable"]);
    }
}

#[test]
fn each_pulls_by_a_metalink_of_the_other() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (repo, ids) = published(&maker, &scratch);
        let server = Server::start(&Program::ostree(), repo.path());
        let summary = fs::read(repo.path().join("summary")).unwrap();
        let sum = ostler_format::Checksum::of(&summary);
        let size = summary.len();
        let url = format!("{}/summary", server.url());
        let attributes = "protocol=\"http\" type=\"http\" location=\"US\"";
        let metalink = format!(
            "<?xml version=\"1.0\"?><metalink version=\"3.0\"><files><file name=\"summary\"><size>{size}</size>\
             <verification><hash type=\"sha256\">{sum}</hash></verification><resources>\
             <url {attributes} preference=\"100\">{url}.gone</url><url {attributes} preference=\"9\">{url}</url>\
             </resources></file></files></metalink>"
        );
        fs::write(repo.path().join("metalink.xml"), metalink).unwrap();
        let pulled = user.init_quick(&scratch.join("pulled"), "bare-user");
        let link = format!("metalink={}/metalink.xml", server.url());
        // What one program configures, the other uses.
        add_remote(&pulled.with(&maker), &link);
        pulled.run("pull", ["origin", "os/stable"]);
        assert_eq!(pulled.rev_parse("origin:os/stable"), ids[2]);
        fsck_with_both(&pulled);
    }
}

#[test]
fn cookies_of_one_program_are_sent_and_deleted_by_the_other() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let repo = maker.init_quick(&scratch.join("repo"), "archive");
        add_remote(&repo, "http://127.0.0.1:1");
        for (domain, name) in [("127.0.0.1", "foo"), (".example.com", "bar")] {
            repo.run("remote add-cookie", ["origin", domain, "/", name, "baz"]);
        }
        let file = repo.path().join("origin.cookies.txt");
        let text = fs::read_to_string(&file).unwrap();
        let fields = |line: &str| {
            let mut fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
            // It is a quarter of a century away, to the second.
            assert!(fields.remove(4).parse::<u64>().unwrap() > 2_500_000_000);
            fields
        };
        let lines: Vec<_> = text.lines().map(fields).collect();
        let expected = [
            ["127.0.0.1", "FALSE", "/", "FALSE", "foo", "baz"],
            [".example.com", "TRUE", "/", "FALSE", "bar", "baz"],
        ];
        assert_eq!(lines, expected, "{}", maker.name());
        repo.with(&user)
            .run("remote delete-cookie", ["origin", "127.0.0.1", "/", "foo"]);
        let left = fs::read_to_string(&file).unwrap();
        assert_eq!(left, text[text.find(".example.com").unwrap()..]);
        repo.with(&user)
            .fail("remote delete-cookie", ["origin", "127.0.0.1", "/", "foo"]);
    }
}

#[test]
fn a_cache_of_summaries_is_shared() {
    for (maker, user) in both_ways() {
        let scratch = Scratch::new();
        let (repo, ids) = published(&maker, &scratch);
        let server = Server::start(&Program::ostree(), repo.path());
        let pulled = maker.init_quick(&scratch.join("pulled"), "archive");
        add_remote(&pulled, &server.url());
        pulled.run("pull", ["origin", "os/stable"]);
        let next = repo.commit("os/stable", &scratch.join("tree-71"), &[]);
        for program in [&user, &maker, &user] {
            pulled.with(program).run("pull", ["origin", "os/stable"]);
            assert_eq!(pulled.rev_parse("origin:os/stable"), ids[2]);
        }
        repo.run("summary", ["-u"]);
        pulled.with(&user).run("pull", ["origin", "os/stable"]);
        assert_eq!(pulled.rev_parse("origin:os/stable"), next);
    }
}

#[test]
fn a_program_reads_the_progress_line_by_line_and_the_rate_is_held() {
    let ostler = Program::ostler();
    let scratch = Scratch::new();
    let (repo, ids) = published(&ostler, &scratch);
    let server = Server::start(&ostler, repo.path());
    let pulled = ostler.init_quick(&scratch.join("pulled"), "bare-user");
    add_remote(&pulled, &server.url());
    let bytes: u64 = walk_sizes(&repo.path().join("objects"));
    // All three commits' objects are more than what one pull fetches: the pull takes less than two seconds of this.
    let rate = (bytes / 2).to_string();
    let lines = scratch.join("lines");
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "exec \"$0\" pull --repo=\"$1\" --limit-rate=\"$2\" --progress-fd=3 origin os/stable 3>\"$3\"",
    ]);
    command.arg(ostler.path()).arg(pulled.path());
    let started = std::time::Instant::now();
    let output = command.arg(&rate).arg(&lines).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(pulled.rev_parse("origin:os/stable"), ids[2]);
    let text = fs::read_to_string(&lines).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().all(|line| line["v"] == 1), "{text}");
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!(of("begin")["phase"], "pull");
    assert_eq!(of("route")["way"], "objects");
    let end = of("end");
    let came = end["bytes"].as_u64().unwrap();
    assert!(came > 0 && came < bytes, "{came} of {bytes}");
    let least = came as f64 / (bytes / 2) as f64 - 0.3;
    assert!(started.elapsed().as_secs_f64() > least, "{text}");
    let progress = |text: &str| text.matches("\"event\":\"progress\"").count();
    assert!(progress(&text) > 2, "{text}");
    let seldom = ostler.init_quick(&scratch.join("seldom"), "bare-user");
    add_remote(&seldom, &server.url());
    let rate = format!("--limit-rate={rate}");
    let mut command = ostler.command(["pull", &rate, "--progress=json", "--repo"]);
    command.arg(seldom.path());
    command.args(["--update-frequency=600000", "origin", "os/stable"]);
    let stderr = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert_eq!(progress(&stderr), 0, "{stderr}");
    assert!(stderr.contains("\"event\":\"end\""), "{stderr}");
    let stderr = pulled.fail("pull", ["--progress-fd=1000", "origin", "os/stable"]);
    assert!(stderr.contains("descriptor 1000"), "{stderr}");
}

#[test]
fn a_dry_run_says_what_the_pull_then_fetches() {
    let ostler = Program::ostler();
    let scratch = Scratch::new();
    let (repo, ids) = published(&Program::ostree(), &scratch);
    repo.with(&ostler).run("pack create", ["os/stable"]);
    let server = Server::start(&Program::ostree(), repo.path());
    let pulled = ostler.init_quick(&scratch.join("pulled"), "bare-user");
    add_remote(&pulled, &server.url());
    let text = pulled.run("pull", ["--dry-run", "origin", "os/stable"]);
    let first = format!("origin:os/stable: {}\nBy packs: ", ids[2]);
    assert!(text.starts_with(&first), "{text}");
    assert!(text.contains("\nDownload: "), "{text}");
    let text = pulled.run("pull", ["--dry-run", "--json", "origin", "os/stable"]);
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["refs"]["origin:os/stable"], ids[2]);
    assert_eq!(said["deltas"], serde_json::Value::Null);
    let rest = &said["rest"];
    assert_eq!(rest["way"], "packs");
    assert_eq!(rest["objects_of_unknown_size"], 0);
    assert_eq!(rest["content_objects"], rest["packed_objects"]);
    assert_eq!(pulled.run("refs", ["--list"]), "", "a dry run wrote a ref");
    let text = pulled.run("pull", ["origin", "os/stable"]);
    let fetched = format!("{} content objects fetched", rest["content_objects"]);
    assert!(text.contains(&fetched), "{text}");
    pulled.with(&Program::ostree()).fsck();
}

#[test]
fn content_in_packs_alone_serves_us_and_by_deltas_everybody() {
    let (ostler, ostree) = (Program::ostler(), Program::ostree());
    let scratch = Scratch::new();
    let (repo, ids) = published(&ostree, &scratch);
    let ours = repo.with(&ostler);
    for id in &ids {
        ours.run("pack create", ["--replace-objects", id]);
    }
    ours.fsck();
    let checked_out = scratch.join("checked-out");
    ours.run("checkout", ["-U", &ids[2], checked_out.to_str().unwrap()]);
    let server = Server::start(&ostree, repo.path());
    for (program, name) in [(&ostler, "ours"), (&ostree, "theirs")] {
        let pulled = ostree
            .init_quick(&scratch.join(name), "bare-user")
            .with(program);
        add_remote(&pulled, &server.url());
        if program.name() == "ostree" {
            let stderr = pulled.fail("pull", ["origin", "os/stable"]);
            assert!(stderr.contains("404"), "{stderr}");
            ours.run(
                "static-delta generate",
                ["--empty", "--min-fallback-size=0", "os/stable"],
            );
            ours.run("summary", ["-u"]);
        }
        pulled.run("pull", ["origin", "os/stable"]);
        pulled.with(&ostree).fsck();
        let tree = |repo: &Repo, rev: &str| repo.with(&ostler).run("ls", ["-R", "-C", rev, "/"]);
        assert_eq!(tree(&pulled, "os/stable"), tree(&repo, &ids[2]), "{name}");
    }
    let again = ours.commit("again", &checked_out, &[]);
    ours.run("pack unpack", [""; 0]);
    repo.fsck();
    assert!(!again.is_empty());
}

fn walk_sizes(path: &std::path::Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().map(Result::unwrap);
    files.map(|entry| entry.metadata().unwrap().len()).sum()
}
