//! Packages as files, in words.

use std::fmt::Write as _;

use ostler_packages::file::{Description, ListedFile, Script};

use super::size;

/// Describes a package: its name, what it is, its relations.
pub(crate) fn describe(found: &Description) -> String {
    let package = &found.package;
    let mut text = String::new();
    for (name, value) in [
        ("Name", package.name.as_str()),
        ("Version", &package.version),
        ("Architecture", &package.architecture),
        ("Summary", &found.summary),
        ("Installed size", &size::decimal(found.installed_bytes)),
    ] {
        let _ = writeln!(text, "{name}: {value}");
    }
    for relations in &found.relations {
        let _ = writeln!(text, "{}:", relations.kind);
        for relation in &relations.list {
            let _ = writeln!(text, "  {relation}");
        }
    }
    if !found.triggers.is_empty() {
        text.push_str("Triggers:\n");
    }
    for (kind, name) in &found.triggers {
        let _ = writeln!(text, "  {kind} {name}");
    }
    let scripts: Vec<&str> = found
        .scripts
        .iter()
        .map(|script| script.when.as_str())
        .collect();
    if !scripts.is_empty() {
        let _ = writeln!(text, "Scripts: {}", scripts.join(" "));
    }
    text.push_str("Description:\n");
    for line in found.description.lines() {
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
    }
    text
}

/// Prints scripts, each below a line that says when it runs.
pub(crate) fn describe_scripts(scripts: &[Script]) -> String {
    let mut text = String::new();
    for script in scripts {
        let on = script
            .on
            .iter()
            .map(|on| format!(" on {on}"))
            .collect::<String>();
        let by = match script.program.join(" ") {
            program if program.is_empty() => String::new(),
            program => format!(" (by {program})"),
        };
        let _ = writeln!(text, "Script {}{on}{by}:", script.when);
        for line in script.text.lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    }
    text
}

/// Lists files, with their permissions, owners and sizes.
pub(crate) fn list_files(files: &[ListedFile]) -> String {
    let mut text = "Files:\n".to_owned();
    for file in files {
        let letter = match file.kind {
            "directory" => 'd',
            "symlink" => 'l',
            "hardlink" => 'h',
            "file" => '-',
            _ => '?',
        };
        let permissions = permissions(file.mode);
        let (user, group, size, path) = (&file.user, &file.group, file.size, &file.path);
        let _ = write!(
            text,
            "  {letter}{permissions} {user}:{group} {size:>9} {path}"
        );
        if !file.target.is_empty() {
            let _ = write!(text, " -> {}", file.target);
        }
        if !file.flags.is_empty() {
            let _ = write!(text, " [{}]", file.flags.join(" "));
        }
        if !file.capabilities.is_empty() {
            let _ = write!(text, " {}", file.capabilities);
        }
        text.push('\n');
    }
    text
}

/// `rwxr-xr-x`, with `s` and `t` where they are set.
fn permissions(mode: u32) -> String {
    let bits = |shift: u32, special: bool, letter: char| {
        let bit = |bit: u32, letter: char| {
            if mode >> shift & bit != 0 {
                letter
            } else {
                '-'
            }
        };
        let runs = match (special, mode >> shift & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, runs) => {
                if runs {
                    'x'
                } else {
                    '-'
                }
            }
        };
        [bit(4, 'r'), bit(2, 'w'), runs]
            .into_iter()
            .collect::<String>()
    };
    bits(6, mode & 0o4000 != 0, 's')
        + &bits(3, mode & 0o2000 != 0, 's')
        + &bits(0, mode & 0o1000 != 0, 't')
}
