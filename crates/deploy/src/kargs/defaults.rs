//! Kernel arguments that a tree brings along, and how a machine's own follow them from one tree to the next.
//!
//! They are in files `*.toml` of two directories, sorted by name within each. The format and the first directory are bootc's:
//!
//! ```toml
//! kargs = ["quiet", "console=ttyS0"]
//! match-architectures = ["x86_64"]     # as Rust names them; without it the file is for all
//! ```
//! A new deployment takes the machine's arguments and the difference between the defaults of the two trees: what a person removed stays
//! removed, what a person added stays.

use std::io::Read as _;

use ostler_format::{CommitId, DirTree, FileId, Karg, KernelArgs};
use ostler_fs::{Dir, FsError};
use ostler_store::checkout::{self, CheckoutError, Target};
use ostler_store::{Repo, StoreError};
use serde::Deserialize;

/// Where the files are in a tree; what comes later is later on the command line.
pub const DIRECTORIES: [&str; 2] = ["usr/lib/bootc/kargs.d", "usr/lib/ostler/kargs.d"];
const SUFFIX: &str = ".toml";
/// The most that is read of a file; a kernel takes no command line of this length.
const MAX_FILE_BYTES: u64 = 1 << 16;
/// More files than any tree has.
const MAX_FILES: usize = 1024;

/// The defaults of a tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefaultsError {
    /// A file or directory of a deployment.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// An object of a commit.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The tree of a commit.
    #[error("{0}")]
    Tree(#[from] CheckoutError),
    /// A file is not what it should be.
    #[error("default kernel arguments in `/{file}`: {reason}")]
    File {
        /// Its path in the tree.
        file: String,
        /// What is wrong with it, in one line.
        reason: String,
    },
}

/// An argument that a tree brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultKarg {
    /// The argument.
    pub argument: Karg,
    /// The file that says it, from the root of the tree, without a leading `/`.
    pub file: String,
}

/// The arguments that a tree brings along, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults(Vec<DefaultKarg>);

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Text {
    kargs: Vec<String>,
    match_architectures: Option<Vec<String>>,
}

impl Defaults {
    /// Reads those of a commit, for the architecture of this program.
    ///
    /// # Errors
    /// [`DefaultsError`] names the file.
    pub fn of_commit(repo: &Repo, commit: CommitId) -> Result<Self, DefaultsError> {
        let mut defaults = Self::default();
        for directory in DIRECTORIES {
            let tree: DirTree = match checkout::find(repo, commit, directory) {
                Ok(Target::Directory { tree, .. }) => repo.read_dirtree(tree)?,
                Ok(Target::File { .. })
                | Err(CheckoutError::NoSuchPath { .. } | CheckoutError::NotADirectory { .. }) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let files: Vec<&(String, FileId)> = tree
                .files
                .iter()
                .filter(|(name, _)| name.ends_with(SUFFIX))
                .collect();
            require_few(directory, files.len())?;
            for (name, id) in files {
                let object = repo.open_file_object(*id)?;
                if object.header.is_symlink() {
                    continue;
                }
                let file = format!("{directory}/{name}");
                let mut bytes = Vec::new();
                let read = object.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
                read.map_err(|error| FsError::new("read", &file, error))?;
                defaults.add(file, &bytes)?;
            }
        }
        Ok(defaults)
    }

    /// Reads those of a deployment, for the architecture of this program.
    ///
    /// # Errors
    /// [`DefaultsError`] names the file.
    pub fn of_deployment(root: &Dir) -> Result<Self, DefaultsError> {
        let mut defaults = Self::default();
        for directory in DIRECTORIES {
            let Some(files) = root.open_dir_beneath_optional(directory)? else {
                continue;
            };
            let entries = files.entries()?;
            let names: Vec<&str> = entries
                .iter()
                .filter(|entry| entry.file_type.is_file())
                .filter_map(|entry| entry.str_name())
                .filter(|name| name.ends_with(SUFFIX))
                .collect();
            require_few(directory, names.len())?;
            for name in names {
                let file = format!("{directory}/{name}");
                defaults.add(file, &files.read(name, MAX_FILE_BYTES)?)?;
            }
        }
        Ok(defaults)
    }

    /// The arguments, in the order of the command line.
    pub fn iter(&self) -> impl Iterator<Item = &DefaultKarg> {
        self.0.iter()
    }

    /// Says whether this very argument is one of them.
    #[must_use]
    pub fn contains(&self, argument: &Karg) -> bool {
        self.0.iter().any(|default| default.argument == *argument)
    }

    fn add(&mut self, file: String, text: &[u8]) -> Result<(), DefaultsError> {
        let arguments = parse(text, std::env::consts::ARCH);
        let arguments = arguments.map_err(|reason| DefaultsError::File {
            file: file.clone(),
            reason,
        })?;
        self.0
            .extend(arguments.into_iter().map(|argument| DefaultKarg {
                argument,
                file: file.clone(),
            }));
        Ok(())
    }
}

fn require_few(directory: &str, count: usize) -> Result<(), DefaultsError> {
    match count > MAX_FILES {
        true => Err(DefaultsError::File {
            file: directory.to_owned(),
            reason: format!("{count} files, of which at most {MAX_FILES} are read"),
        }),
        false => Ok(()),
    }
}

/// Reads a file; none of its arguments count on another architecture than it names.
fn parse(text: &[u8], architecture: &str) -> Result<Vec<Karg>, String> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("more than {MAX_FILE_BYTES} bytes"));
    }
    let text = std::str::from_utf8(text).map_err(|_| "it is no UTF-8".to_owned())?;
    let parsed: Text = toml::from_str(text).map_err(|error| error.message().replace('\n', ", "))?;
    let matches = parsed
        .match_architectures
        .is_none_or(|names| names.iter().any(|name| name == architecture));
    if !matches {
        return Ok(Vec::new());
    }
    let words = parsed.kargs.iter().flat_map(|text| {
        let words = KernelArgs::parse(text);
        words.iter().cloned().collect::<Vec<_>>()
    });
    Ok(words.collect())
}

/// Takes a machine's arguments from a tree with the defaults `old` to one with `new`: those that are in `old` alone go, those that are in
/// `new` alone come, at the end and where they are missing. What somebody `owns` stays in any case.
pub fn carry_over(kargs: &mut KernelArgs, old: &Defaults, new: &Defaults, owns: &KernelArgs) {
    kargs.retain(|argument| {
        let left_out = old.contains(argument) && !new.contains(argument);
        !left_out || owns.contains(argument.as_str())
    });
    for default in new
        .iter()
        .filter(|default| !old.contains(&default.argument))
    {
        kargs.append_if_missing(default.argument.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(text: &str) -> Defaults {
        let argument = |argument: &Karg| DefaultKarg {
            argument: argument.clone(),
            file: "usr/lib/bootc/kargs.d/a.toml".to_owned(),
        };
        Defaults(KernelArgs::parse(text).iter().map(argument).collect())
    }

    fn carried(machine: &str, old: &str, new: &str, owns: &str) -> String {
        let mut kargs = KernelArgs::parse(machine);
        let owns = KernelArgs::parse(owns);
        carry_over(&mut kargs, &defaults(old), &defaults(new), &owns);
        kargs.to_string()
    }

    #[test]
    fn the_difference_of_the_defaults_is_applied_to_what_the_machine_has() {
        for (machine, old, new, expected) in [
            ("root=x", "", "quiet a=1", "root=x quiet a=1"),
            (
                "root=x quiet a=1",
                "quiet a=1",
                "quiet a=2",
                "root=x quiet a=2",
            ),
            ("root=x a=1", "quiet a=1", "quiet a=1", "root=x a=1"),
            ("quiet root=x mine", "quiet", "", "root=x mine"),
            ("quiet root=x", "", "quiet", "quiet root=x"),
            ("a=1 a=2", "a=1 a=2", "a=2 a=3", "a=2 a=3"),
        ] {
            let found = carried(machine, old, new, "");
            assert_eq!(found, expected, "{machine}: {old} -> {new}");
        }
        let kept = carried("quiet a=1", "quiet a=1", "", "quiet");
        assert_eq!(kept, "quiet", "somebody else asked for it, too");
    }

    #[test]
    fn a_file_is_for_the_architectures_that_it_names_and_has_known_keys_alone() {
        let words = |text: &str, architecture: &str| {
            let found = parse(text.as_bytes(), architecture)?;
            Ok::<_, String>(found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let all = "kargs = ['console=tty0 nosmt', 'a=\"b c\"']";
        let expected = ["console=tty0", "nosmt", "a=\"b c\""].map(str::to_owned);
        assert_eq!(words(all, "x86_64"), Ok(expected.to_vec()));
        let one = "kargs = ['a']\nmatch-architectures = ['x86_64', 'aarch64']";
        assert_eq!(words(one, "x86_64"), Ok(vec!["a".to_owned()]));
        assert_eq!(words(one, "s390x"), Ok(Vec::new()));
        for wrong in ["", "kargs = 'a'", "kargs = ['a']\nfoo = 1", "kargs = ["] {
            let reason = words(wrong, "x86_64").unwrap_err();
            assert!(
                !reason.is_empty() && !reason.contains('\n'),
                "{wrong}: {reason}"
            );
        }
        assert!(parse(&[0xff], "x86_64").is_err());
        assert!(parse(&vec![b'#'; 1 << 17], "x86_64").is_err());
    }
}
