//! What a person reads: help texts, refusals, man pages, completions. Accept a wanted change with `cargo insta accept`
//! or `INSTA_UPDATE=always cargo test -p ostler --test help`.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Runs the program under another name, away from every default repository.
fn run(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
    command
        .arg0(name)
        .args(arguments)
        .current_dir("/")
        .env_clear();
    command
        .env("COLUMNS", "100")
        .env("PATH", "/nonexistent")
        .env("OSTREE_SYSROOT", "/nonexistent");
    command.output().unwrap()
}

fn stdout(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the arguments of every verb and group below `path`, in the order of the help texts.
fn verbs_below(name: &str, path: &[String]) -> Vec<Vec<String>> {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = stdout(run(name, &arguments));
    if !(help.contains("Commands:\n") || help.contains("VERB --help")) {
        return Vec::new();
    }
    let names = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with([' ', '-']) && line.contains("  "))
        .filter_map(|line| line.split_whitespace().next());
    let mut found = Vec::new();
    for verb in names {
        let mut child = path.to_vec();
        child.push(verb.to_owned());
        found.push(child.clone());
        found.extend(verbs_below(name, &child));
    }
    found
}

#[test]
fn help_of_every_verb() {
    let root = stdout(run("ostler", &["--help"]));
    let mut texts = vec![("ostler".to_owned(), root)];
    for path in verbs_below("ostler", &[]) {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = run("ostler", &arguments);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{path:?} --help"
        );
        texts.push((format!("ostler {}", path.join(" ")), stdout(output)));
    }
    assert!(texts.len() > 20, "verbs were found in the help text");
    for (title, text) in texts {
        let is_group = text.contains("Commands:\n") || text.contains("VERB --help");
        assert!(
            is_group || text.contains("\nExamples:\n"),
            "{title} has an example"
        );
        insta::assert_snapshot!(title.replace(' ', "-"), text);
    }
}

#[test]
fn every_verb_of_ostree_has_help_in_goptions_layout() {
    let verbs = verbs_below("ostree", &[]);
    assert!(verbs.len() > 20, "verbs were found in the help text");
    for path in verbs {
        let title = format!("ostree {}", path.join(" "));
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = run("ostree", &arguments);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{title} --help"
        );
        let text = stdout(output);
        assert_eq!(text.matches("Usage:\n").count(), 1, "{title}: one usage");
        assert!(
            text.starts_with(&format!("Usage:\n  {title} [OPTION…]")),
            "{title}: {text}"
        );
        assert!(
            text.contains("\nHelp Options:\n  -h, --help "),
            "{title}: {text}"
        );
        assert!(
            text.contains("\nApplication Options:\n  -"),
            "{title}: {text}"
        );
        let undescribed = text
            .lines()
            .filter(|l| l.starts_with("  -") && !l.trim().contains("  "));
        assert_eq!(
            undescribed.collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{title}"
        );
    }
}

#[test]
fn usage_errors_exit_with_2_and_under_other_names_with_1() {
    for (arguments, in_stderr) in [
        (&["log", "--nosuch"][..], "--nosuch"),
        (&["nosuchverb"], "nosuchverb"),
        (&["log"], "REV"),
        (&[], "command"),
        (&["remote"], "remote"),
        (&["remote", "nosuchverb"], "nosuchverb"),
        (&["prune", "--depth=x"], "depth"),
        (&["log", "--repo"], "--repo"),
        (&["refs"], "--repo"),
    ] {
        for (name, status) in [("ostler", 2), ("ostree", 1)] {
            let output = run(name, arguments);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.code(),
                Some(status),
                "{name} {arguments:?}: {stderr}"
            );
            assert!(
                output.stdout.is_empty(),
                "{name} {arguments:?}: nothing on stdout"
            );
            assert!(stderr.contains(in_stderr), "{name} {arguments:?}: {stderr}");
            assert!(stderr.contains("error: "), "{name} {arguments:?}: {stderr}");
        }
    }
}

#[test]
fn refusals_point_the_way_out() {
    let said = |arguments| String::from_utf8(run("ostler", arguments).stderr).unwrap();
    insta::assert_snapshot!(
        "refusals",
        [
            said(&["nosuchverb"]),
            said(&["remote"]),
            said(&["log", "--nosuch", "x"]),
            said(&["log"]),
            said(&["refs", "--repo=/nonexistent/repo"]),
            said(&["config", "--repo=/", "get"]),
        ]
        .join("---\n")
    );
}

#[test]
fn version_is_yaml_under_the_name_of_ostree() {
    let text = stdout(run("ostree", &["--version"]));
    assert!(text.starts_with("libostree:\n Version: '"), "{text}");
    assert_eq!(text, stdout(run("ostree", &["log", "--version"])));
    assert!(stdout(run("ostler", &["--version"])).starts_with("ostler "));
}

#[test]
fn each_verb_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let output = run("ostler", &["man", directory.path().to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    for path in verbs_below("ostler", &[]) {
        let page = directory
            .path()
            .join(format!("ostler-{}.1", path.join("-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert!(text.contains(".TH "), "{path:?}: it is a man page");
    }
    let page = std::fs::read_to_string(directory.path().join("ostler-log.1")).unwrap();
    for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\""] {
        assert!(
            page.contains(&format!(".SH {section}")),
            "log has {section}: {page}"
        );
    }
}

#[test]
fn completions_know_the_verbs_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(run("ostler", &["completions", shell]));
        for word in ["rev-parse", "link-checkout-speedup", "show-url"] {
            assert!(text.contains(word), "{shell} completes {word}");
        }
    }
}

/// Runs the program in a scratch repository with two refs, a remote and a small tree.
fn repository() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let repo = format!("--repo={}", scratch.path().join("repo").display());
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("usr/bin")).unwrap();
    std::fs::write(tree.join("usr/file"), "x").unwrap();
    let tree = format!("--tree=dir={}", tree.display());
    for arguments in [
        &["init", &repo, "--mode=archive"][..],
        &["commit", &repo, "-b", "os/stable", &tree],
        &["refs", &repo, "--create=os/old", "os/stable"],
        &["refs", &repo, "--create=origin:os/next", "os/stable"],
        &["remote", "add", &repo, "origin", "http://example.com"],
    ] {
        let output = run("ostler", arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    scratch
}

#[test]
fn values_that_a_repository_knows_are_completed() {
    let scratch = repository();
    let repo = format!("--repo={}", scratch.path().join("repo").display());
    for (line, expected) in [
        ("show os/", "os/old\nos/stable\n"),
        ("show ori", "origin:os/next\n"),
        ("prune --only-branch=os/s", "--only-branch=os/stable\n"),
        ("pull ", "origin\n"),
        ("pull origin ", "os/next\n"),
        ("remote delete o", "origin\n"),
        ("remote add o", ""),
        ("ls os/stable /", "/usr/\n"),
        ("ls os/stable /usr/", "/usr/bin/\n/usr/file\n"),
        ("cat os/stable /nosuch/x", ""),
        ("prune --dep", ""),
        ("nosuch x", ""),
    ] {
        let (verb, rest) = line.split_once(' ').unwrap();
        let (verb, rest) = match verb {
            "remote" => {
                let (second, rest) = rest.split_once(' ').unwrap();
                (format!("remote {second}"), rest)
            }
            verb => (verb.to_owned(), rest),
        };
        let line = format!("ostler {verb} {repo} {rest}");
        assert_eq!(
            stdout(run("ostler", &["complete", "--", &line])),
            expected,
            "{line}"
        );
    }
}
