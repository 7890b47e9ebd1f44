//! The shape of the source: which crate may know which, who may touch files and the network, how long a file may be.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 600;

/// Crates for one effect only, and who may use them.
const CONFINED: &[(&str, &[&str])] = &[
    ("rustix", &["fs", "tests"]),
    ("nix", &["fs", "tests"]),
    ("cap-std", &["fs", "tests"]),
    ("cap-std-ext", &["fs", "tests"]),
    ("libc", &["fs", "tests"]),
    ("reqwest", &["http"]),
    ("hyper", &["http"]),
    ("hyper-util", &["http"]),
    ("tokio", &["http"]),
    ("rustls", &["http"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli", "tests"]),
];

/// What pure code can't mention: `format` turns bytes into values and back, without a clock, files, or an environment.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The crates of the workspace by their short names: `store` for crates/store.
fn crates() -> BTreeMap<String, PathBuf> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest
        .split("members = [")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap();
    members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
        .map(|member| {
            (
                member.rsplit('/').next().unwrap().to_owned(),
                root().join(member),
            )
        })
        .collect()
}

/// The names of one dependency table of a crate.
fn dependencies(folder: &Path, table: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == table
                || (header.starts_with("target.") && header.ends_with(&format!(".{table}")));
        } else if inside
            && let Some(name) = line
                .split(['.', '=', ' '])
                .next()
                .filter(|name| !name.is_empty() && !name.starts_with('#'))
        {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The arrows that ARCHITECTURE.md draws: `store -> format fs http` in the block after "Arrows, all of them".
fn drawn_arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = text
        .split("Arrows, all of them:")
        .nth(1)
        .expect("ARCHITECTURE.md draws the arrows");
    let block = block
        .split("```")
        .nth(1)
        .expect("the arrows stand in a code block");
    let mut arrows = BTreeMap::new();
    for line in block.lines().filter(|line| !line.starts_with("never:")) {
        // Two arrows may share a line, set apart by two spaces or more.
        for arrow in line.split("  ").filter(|part| part.contains("->")) {
            let (from, to) = arrow.split_once("->").unwrap();
            let to = to.split_whitespace().map(str::to_owned).collect();
            arrows.insert(from.trim().to_owned(), to);
        }
    }
    arrows
}

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // In a linked work tree `.git` is a file.
        if matches!(name, "target" | ".git" | "corpus" | "artifacts") {
            continue;
        }
        if path.is_dir() {
            source_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    source_files(folder, &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn assert_none(faults: &[String], claim: &str) {
    assert!(faults.is_empty(), "{claim}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_arrow_between_crates_is_drawn() {
    let drawn = drawn_arrows();
    let mut faults = Vec::new();
    for (name, folder) in crates().iter().filter(|(name, _)| *name != "tests") {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for other in dependencies(folder, table) {
                let Some(other) = other.strip_prefix("ostler-") else {
                    continue;
                };
                if !drawn.get(name).is_some_and(|to| to.contains(other)) {
                    faults.push(format!("{name} -> {other} ({table})"));
                }
            }
        }
    }
    assert_none(&faults, "ARCHITECTURE.md does not draw these arrows");
}

#[test]
fn crates_for_one_effect_are_used_by_their_owner_alone() {
    let mut faults = Vec::new();
    for (name, folder) in &crates() {
        let used = dependencies(folder, "dependencies");
        for (confined, owners) in CONFINED {
            if used.contains(*confined) && !owners.contains(&name.as_str()) {
                faults.push(format!(
                    "{name} uses {confined}, which belongs to {}",
                    owners.join(", ")
                ));
            }
        }
    }
    assert_none(
        &faults,
        "one crate touches files, one dials out, one prints",
    );
}

#[test]
fn format_is_pure() {
    let mut faults = Vec::new();
    for path in rust_files(&root().join("crates/format/src")) {
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            faults.push(format!("{}: {word}", shown(&path)));
        }
    }
    assert_none(
        &faults,
        "bytes in, value out: no clock, no files, no environment",
    );
}

#[test]
fn unsafe_code_is_in_fs_alone() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        workspace.contains("unsafe_code = \"forbid\""),
        "the workspace forbids unsafe code"
    );
    let mut faults = Vec::new();
    for (name, folder) in crates().iter().filter(|(name, _)| *name != "fs") {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            faults.push(format!("{name} does not take the lints of the workspace"));
        }
    }
    assert_none(&faults, "unsafe code is in `fs` alone");
}

#[test]
fn no_file_is_longer_than_a_head_can_hold() {
    let mut faults = Vec::new();
    for path in rust_files(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert_none(
        &faults,
        &format!("more than {MAX_LINES} lines: look for the second thing inside"),
    );
}

#[test]
fn no_file_is_named_for_nothing() {
    let mut faults = Vec::new();
    for path in rust_files(&root()) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if matches!(
            stem,
            "util" | "utils" | "helper" | "helpers" | "common" | "misc" | "manager"
        ) {
            faults.push(shown(&path));
        }
    }
    assert_none(&faults, "a file is named for its noun or its verb");
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["for ", "now."],
        ["for ", "now,"],
        ["todo", "!("],
        ["unimplemented", "!("],
    ]
    .map(|parts| parts.concat());
    let mut faults = Vec::new();
    for path in rust_files(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: {word}", shown(&path), number + 1));
            }
        }
    }
    assert_none(&faults, "code says what it does, not what it will");
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["/wo", "rk/"],
        ["/ro", "ot/."],
        ["brief", "/"],
        ["performance", ".md"],
        ["verbs", ".md"],
        ["wishes", ".md"],
        ["libostree-format", ".md"],
        ["issues ", "show"],
    ]
    .map(|parts| parts.concat());
    let mut files = Vec::new();
    source_files(&root(), &mut files);
    let mut faults = Vec::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if path.ends_with("Cargo.lock") || path.to_string_lossy().contains("/.cargo/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: {word}", shown(&path), number + 1));
            }
        }
    }
    assert_none(
        &faults,
        "a reader of the project finds there what it speaks of",
    );
}
