//! What a merge tells a person: counts, conflicts with what was decided, and files that could not be merged.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a merge did; kept with the deployment and shown by `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeReport {
    /// Paths that the person changed.
    pub modified: usize,
    /// Paths that the person removed; a removed directory counts once.
    pub removed: usize,
    /// Paths that the person added.
    pub added: usize,
    /// Paths that both sides changed, in order.
    pub conflicts: Vec<Conflict>,
    /// Paths that are no files, or could not be read.
    pub odd: Vec<OddFile>,
}

/// A path that the person changed and the new default too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conflict {
    /// The path below `/etc`; bytes that are no UTF-8 stand as `\xNN`.
    pub path: String,
    /// Who did what.
    pub kind: ConflictKind,
    /// What the new deployment has.
    pub decision: Decision,
    /// Where the new default is, below the new deployment's root; `None` if it has none.
    pub new_default: Option<String>,
}

/// Who did what to a path in conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Both changed the file.
    BothChanged,
    /// Both added it, and not the same.
    BothAdded,
    /// Both changed owner, mode or attributes of the directory.
    BothChangedDirectory,
    /// The person changed it, the new default has it no more.
    DefaultRemoved,
    /// The person removed it, the new default has changed.
    PersonRemoved,
    /// The person has a file or symlink, the new default a directory.
    FileAgainstDirectory,
    /// The person has changes in a directory, the new default a file or symlink in its place.
    DirectoryAgainstFile,
}

/// What the new deployment has at a path in conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// What the person has.
    PersonKept,
    /// Nothing, as the person removed it.
    StaysRemoved,
    /// The new default, as a rule says.
    DefaultTaken,
    /// What the person has, and the new default beside it, as a rule says.
    BothKept,
    /// A rule says that nothing is merged; there is no deployment with this.
    Refused,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.kind {
            ConflictKind::BothChanged => {
                write!(f, "`/etc/{path}`: you and the new version changed it")
            }
            ConflictKind::BothAdded => write!(f, "`/etc/{path}`: you and the new version added it"),
            ConflictKind::BothChangedDirectory => {
                write!(
                    f,
                    "`/etc/{path}`: you and the new version changed the directory's mode or owner"
                )
            }
            ConflictKind::DefaultRemoved => {
                write!(
                    f,
                    "`/etc/{path}`: you changed it, the new version has it no more"
                )
            }
            ConflictKind::PersonRemoved => {
                write!(
                    f,
                    "`/etc/{path}`: you removed it, the new version changed it"
                )
            }
            ConflictKind::FileAgainstDirectory => {
                write!(
                    f,
                    "`/etc/{path}`: you have a file, the new version a directory"
                )
            }
            ConflictKind::DirectoryAgainstFile => {
                write!(
                    f,
                    "`/etc/{path}`: you have a directory, the new version a file"
                )
            }
        }?;
        match self.decision {
            Decision::PersonKept => f.write_str("; yours was kept")?,
            Decision::StaysRemoved => f.write_str("; it stays removed")?,
            Decision::DefaultTaken => return f.write_str("; the new default was taken"),
            Decision::BothKept => f.write_str("; yours stays as it is")?,
            Decision::Refused => f.write_str("; a rule says to fail")?,
        }
        match &self.new_default {
            Some(place) => write!(f, ", the new default is `{place}`"),
            None => Ok(()),
        }
    }
}

/// A path that could not be merged like the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OddFile {
    /// The path below `/etc`; bytes that are no UTF-8 stand as `\xNN`.
    pub path: String,
    /// What it is.
    pub kind: OddKind,
    /// What the new deployment has.
    pub outcome: OddOutcome,
}

/// Why a path could not be merged like the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OddKind {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device node.
    Device,
    /// It was removed or replaced while it was read.
    Vanished,
}

/// What the new deployment has at a path that could not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OddOutcome {
    /// Nothing: the new default has nothing there either.
    NotCarriedOver,
    /// Nothing: the person put it in the place of a default file, which stays away.
    DefaultRemoved,
    /// The new default.
    DefaultKept,
}

impl fmt::Display for OddFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            OddKind::Fifo => "is a fifo",
            OddKind::Socket => "is a socket",
            OddKind::Device => "is a device node",
            OddKind::Vanished => "was removed or replaced meanwhile",
        };
        let outcome = match self.outcome {
            OddOutcome::NotCarriedOver => "it was not carried over",
            OddOutcome::DefaultRemoved => "nothing is in its place now",
            OddOutcome::DefaultKept => "the new default is in its place",
        };
        write!(f, "`/etc/{}` {what}; {outcome}", self.path)
    }
}

/// A path as text, from which nothing is lost.
pub(crate) fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.contains(|c: char| c.is_control() || c == '\\') => text.to_owned(),
        _ => path.escape_ascii().to_string(),
    }
}
