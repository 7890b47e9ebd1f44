//! What a person reads: the same words for the same repository, since scripts read them too.

use std::fs;

use ostler_tests::tree::random::{self, Kinds};
use ostler_tests::{Program, Repo, Scratch};

/// A repository made by the real ostree: `main` of three commits, `other` of one.
fn repository(scratch: &Scratch) -> Repo {
    let repo = Program::ostree().init_quick(&scratch.join("repo"), "archive");
    for seed in [111, 112, 113] {
        let tree = scratch.join(seed.to_string());
        random::write(&tree, seed, 60, Kinds::ALL);
        fs::create_dir_all(tree.join("usr/share")).unwrap();
        fs::write(tree.join("usr/share/file"), format!("content {seed}")).unwrap();
        fs::write(tree.join("usr/share/constant"), "constant\n").unwrap();
        repo.commit(
            "main",
            &tree,
            &[
                &format!("--add-metadata-string=version={seed}"),
                "--body=a body\n\nin parts",
            ],
        );
    }
    let tree = scratch.join("113");
    fs::remove_file(tree.join("usr/share/constant")).unwrap();
    fs::write(tree.join("usr/share/added"), "added").unwrap();
    repo.commit(
        "other",
        &tree,
        &[
            "--add-metadata=number=uint32 7",
            "--add-detached-metadata-string=later=yes",
            "--generate-sizes",
        ],
    );
    repo
}

/// A verb and its arguments; stdout must be the same.
const VERBS: &[(&str, &[&str])] = &[
    ("ls", &["main"]),
    ("ls", &["-R", "main"]),
    ("ls", &["-R", "-C", "main"]),
    ("ls", &["-R", "-X", "main"]),
    ("ls", &["-d", "main", "/usr"]),
    ("ls", &["main", "/usr/share"]),
    ("ls", &["main", "/usr/share/file"]),
    ("ls", &["--nul-filenames-only", "-R", "main"]),
    ("cat", &["main", "/usr/share/file", "/usr/share/constant"]),
    ("log", &["main"]),
    ("log", &["--raw", "main"]),
    ("show", &["main"]),
    ("show", &["--raw", "other"]),
    ("show", &["--print-metadata-key=version", "main"]),
    ("show", &["--print-metadata-key=number", "other"]),
    ("show", &["--print-detached-metadata-key=later", "other"]),
    ("show", &["--print-sizes", "other"]),
    ("rev-parse", &["main"]),
    ("rev-parse", &["main^"]),
    ("rev-parse", &["main^^"]),
    ("refs", &[]),
    ("diff", &["main"]),
    ("diff", &["main^", "main"]),
    ("diff", &["--stats", "main^", "main"]),
    ("diff", &["main", "other"]),
    ("fsck", &[]),
    ("prune", &["--refs-only", "--no-prune"]),
    ("config", &["get", "core.mode"]),
    ("remote list", &[]),
];

#[test]
fn reports_are_the_same_words() {
    let scratch = Scratch::new();
    let repo = repository(&scratch);
    let mut faults = Vec::new();
    for (verb, arguments) in VERBS {
        let [theirs, ours] = [Program::ostree(), Program::ostler()]
            .map(|program| sorted_if_free(verb, &repo.with(&program).run(verb, arguments.iter())));
        if theirs != ours {
            let differing = theirs.iter().zip(&ours).find(|(a, b)| a != b);
            faults.push(format!(
                "{verb} {arguments:?}: {} and {} lines, {differing:?}",
                theirs.len(),
                ours.len()
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "ostree first:\n  {}",
        faults.join("\n  ")
    );
}

/// Lines of the output; those of a diff in order, since ostree gives them in the order of its hash tables.
fn sorted_if_free(verb: &str, output: &str) -> Vec<String> {
    let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
    // How far it is, now and then.
    lines.retain(|line| !line.starts_with("fsck objects ("));
    if matches!(verb, "diff" | "refs") {
        lines.sort();
    }
    lines
}

#[test]
fn a_commit_is_compared_with_a_folder_alike() {
    let scratch = Scratch::new();
    let repo = repository(&scratch);
    let tree = scratch.join("112");
    let [theirs, ours] = [Program::ostree(), Program::ostler()].map(|program| {
        sorted_if_free(
            "diff",
            &repo
                .with(&program)
                .run("diff", ["main".as_ref(), tree.as_os_str()]),
        )
    });
    assert_eq!(ours, theirs);
}

#[test]
fn a_file_and_a_folder_have_the_same_checksum() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    random::write(&tree, 121, 60, Kinds::ALL);
    let mut checked = 0;
    for entry in walkdir::WalkDir::new(&tree).min_depth(1) {
        let entry = entry.unwrap();
        if !entry.file_type().is_file() {
            continue;
        }
        let [theirs, ours] = [Program::ostree(), Program::ostler()]
            .map(|program| program.run(["checksum".as_ref(), entry.path().as_os_str()]));
        assert_eq!(ours, theirs, "{}", entry.path().display());
        checked += 1;
    }
    assert!(checked > 10);
}

#[test]
fn what_is_missing_is_an_error_in_both() {
    let scratch = Scratch::new();
    let repo = repository(&scratch);
    let cases: &[(&str, &[&str])] = &[
        ("ls", &["missing"]),
        ("ls", &["main", "/missing"]),
        ("cat", &["main", "/missing"]),
        ("cat", &["main", "/usr"]),
        ("rev-parse", &["missing"]),
        ("rev-parse", &["main^^^"]),
        ("show", &["main", "--print-metadata-key=missing"]),
        ("log", &["missing"]),
        ("diff", &["missing", "main"]),
        ("refs", &["--create=main", "other"]),
        ("config", &["get", "core.missing"]),
        ("remote show-url", &["missing"]),
        ("remote delete", &["missing"]),
        ("checkout", &["missing", "/nonexistent/x"]),
        ("pull", &["missing"]),
        ("reset", &["main", "missing"]),
    ];
    for program in [Program::ostree(), Program::ostler()] {
        for (verb, arguments) in cases {
            let message = repo.with(&program).fail(verb, arguments.iter());
            assert!(
                message.starts_with("error: "),
                "{} {verb} {arguments:?}: {message}",
                program.name()
            );
        }
    }
}
