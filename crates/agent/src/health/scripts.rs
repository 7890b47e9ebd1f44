//! Which programs are run, from directories.

use std::collections::BTreeMap;
use std::path::Path;

use ostler_fs::{Dir, FsError, Trusted};

use super::After;

/// Of this project: the tree's, and the administrator's.
const OWN: [&str; 2] = ["usr/lib/ostler/health", "etc/ostler/health"];
/// Of greenboot.
const GREENBOOT: [&str; 2] = ["usr/lib/greenboot", "etc/greenboot"];
const GREENBOOT_CONFIG: &str = "etc/greenboot/greenboot.conf";
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Its own units; they run what is in its directories.
const GREENBOOT_UNITS: [&str; 2] = [
    "usr/lib/systemd/system/greenboot-healthcheck.service",
    "etc/systemd/system/greenboot-healthcheck.service",
];

/// Who starts a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Itself,
    Shell,
}

/// A program of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// The file's name.
    pub(super) name: String,
    /// Its path in the system.
    pub(super) path: String,
    pub(super) required: bool,
    by: By,
}

impl Script {
    /// The program and its arguments, of the system at `root`.
    pub(super) fn command(&self, root: &Path) -> Vec<String> {
        let path = root.join(self.path.trim_start_matches('/'));
        let path = path.display().to_string();
        match self.by {
            By::Itself => vec![path],
            By::Shell if Path::new("/bin/bash").exists() => vec!["/bin/bash".to_owned(), path],
            By::Shell => vec!["/bin/sh".to_owned(), path],
        }
    }
}

/// All checks, in the order in which they are run.
pub(super) fn checks(root: &Dir) -> Result<Vec<Script>, FsError> {
    let mut found = Vec::new();
    for (directory, required) in [("required.d", true), ("wanted.d", false)] {
        found.extend(own(root, directory, required)?);
    }
    if !has_greenboot(root)? {
        for (directory, required) in [("check/required.d", true), ("check/wanted.d", false)] {
            found.extend(greenboot(root, directory, required)?);
        }
    }
    Ok(found)
}

/// What is run after a verdict.
pub(super) fn after(root: &Dir, after: After) -> Result<Vec<Script>, FsError> {
    let directory = match after {
        After::Green => "green.d",
        After::Red => "red.d",
    };
    let mut found = own(root, directory, false)?;
    if !has_greenboot(root)? {
        found.extend(greenboot(root, directory, false)?);
    }
    Ok(found)
}

/// Reads `DISABLED_HEALTHCHECKS=("a.sh" "b.sh")`, on one line as its documentation has it.
pub(super) fn disabled_by_greenboot(root: &Dir) -> Result<Vec<String>, FsError> {
    let text = root.read_in_root_optional(GREENBOOT_CONFIG, MAX_CONFIG_BYTES)?;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let mut names = Vec::new();
    for line in text.lines() {
        let list = line
            .trim()
            .strip_prefix("DISABLED_HEALTHCHECKS=(")
            .and_then(|list| list.split(')').next());
        let words = list.into_iter().flat_map(str::split_whitespace);
        names.extend(words.map(|word| word.trim_matches(['"', '\'']).to_owned()));
    }
    Ok(names)
}

fn has_greenboot(root: &Dir) -> Result<bool, FsError> {
    for unit in GREENBOOT_UNITS {
        if root.open_in_root_optional(Trusted(unit))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The later place's file stands for one of the same name before.
fn own(root: &Dir, directory: &str, required: bool) -> Result<Vec<Script>, FsError> {
    let mut found = BTreeMap::new();
    for place in OWN {
        for name in names(root, &format!("{place}/{directory}"))? {
            let path = format!("/{place}/{directory}/{name}");
            let by = By::Itself;
            let script = Script {
                name: name.clone(),
                path,
                required,
                by,
            };
            found.insert(name, script);
        }
    }
    Ok(found.into_values().collect())
}

fn greenboot(root: &Dir, directory: &str, required: bool) -> Result<Vec<Script>, FsError> {
    let mut found = Vec::new();
    for place in GREENBOOT {
        for name in names(root, &format!("{place}/{directory}"))? {
            if name.ends_with(".sh") {
                let path = format!("/{place}/{directory}/{name}");
                let by = By::Shell;
                found.push(Script {
                    name,
                    path,
                    required,
                    by,
                });
            }
        }
    }
    Ok(found)
}

/// The files and symlinks of a directory by their names, without hidden ones.
fn names(root: &Dir, directory: &str) -> Result<Vec<String>, FsError> {
    let Some(directory) = root.open_dir_in_root_optional(Trusted(directory))? else {
        return Ok(Vec::new());
    };
    let entries = directory.entries()?;
    let mut names: Vec<String> = entries
        .iter()
        .filter(|entry| !entry.file_type.is_dir())
        .filter_map(|entry| entry.str_name())
        .filter(|name| !name.starts_with('.') && !name.ends_with('~'))
        .map(str::to_owned)
        .collect();
    names.sort();
    Ok(names)
}
