//! `/etc/ostler/host.toml`: what a person wants of this host, in one file. Parsing is pure and refuses what it does not know.
//!
//! ```toml
//! follow = "origin:os/stable"          # what `ostler apply` makes the host follow
//! kargs = ["quiet", "console=ttyS0"]   # arguments that `ostler apply` puts on the kernel command line, and takes away when they are not here
//!
//! [remotes.origin]                     # `ostler apply` makes it so
//! url = "https://example.com/repo"
//! gpg-verify = true
//!
//! [retention]                          # beside the booted, the next and pinned deployments, which always stay
//! keep = 3                             # deployments of a stateroot that stay, the new one among them
//! newest-of-each-version = true
//! max-age-days = 90                    # what those two hold is let go when it is older
//!
//! [[etc]]                              # what a merge of /etc does where both sides changed a path; the last match counts
//! path = "ssh/*"
//! policy = "both"                      # keep, take, both or fail
//! ```
//! Merging and retention read it themselves, in `/etc` of the deployment that a new one continues; the rest is for `ostler apply`.

use std::collections::BTreeMap;

use ostler_format::Refspec;
use ostler_fs::{Dir, FsError};
use serde::Deserialize;

use crate::etc_merge::{PatternError, Policy, Rule, Rules};
use crate::retention::Retention;

/// Below `/etc`.
pub const PATH: &str = "ostler/host.toml";
/// The most that is read of it.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// A host file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostFileError {
    /// The file.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// It is no TOML, or says something that is not known.
    #[error("`{name}`: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// What is wrong, with the line, in one line.
        reason: String,
        /// A key that is known and much like one that is not.
        meant: Option<String>,
    },
    /// A pattern of a path.
    #[error("`{name}`: {source}")]
    Pattern {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// A value that cannot be.
    #[error("`{name}`: {reason}")]
    Value {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a person wants of a host; what is not said is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFile {
    /// The ref that upgrades follow.
    pub follow: Option<Refspec>,
    /// Kernel arguments that must be there, `NAME` or `NAME=VALUE`.
    pub kargs: Vec<String>,
    /// Remotes that must be there, by name.
    pub remotes: BTreeMap<String, RemoteWish>,
    /// Which deployments stay.
    pub retention: Retention,
    /// What a merge of `/etc` does with conflicts.
    pub etc: Rules,
}

/// What is wanted of a remote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RemoteWish {
    /// Where it is.
    pub url: String,
    /// Whether commits must be signed by an OpenPGP key; not said means yes for a new remote.
    pub gpg_verify: Option<bool>,
    /// Whether the summary must be.
    pub gpg_verify_summary: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Text {
    follow: Option<String>,
    #[serde(default)]
    kargs: Vec<String>,
    #[serde(default)]
    remotes: BTreeMap<String, RemoteWish>,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    etc: Vec<TextRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextRule {
    path: String,
    policy: Policy,
}

impl HostFile {
    /// Parses the text of a host file; errors call it `name`.
    ///
    /// # Errors
    /// [`HostFileError`].
    pub fn parse(text: &str, name: &str) -> Result<Self, HostFileError> {
        let parsed: Text = toml::from_str(text).map_err(|error| syntax(text, name, &error))?;
        let value = |reason: String| HostFileError::Value {
            name: name.to_owned(),
            reason,
        };
        let follow = parsed.follow.as_deref().map(Refspec::parse).transpose();
        let follow = follow.map_err(|error| value(format!("follow: {error}")))?;
        if let Some(karg) = parsed.kargs.iter().find(|karg| !is_karg(karg)) {
            return Err(value(format!("kargs: `{karg}` is no kernel argument")));
        }
        if parsed.retention.keep == Some(0) {
            return Err(value("retention: keep is at least 1".to_owned()));
        }
        let rule = |rule: &TextRule| Rule::new(&rule.path, rule.policy);
        let rules: Result<Vec<Rule>, PatternError> = parsed.etc.iter().map(rule).collect();
        let rules = rules.map_err(|source| HostFileError::Pattern {
            name: name.to_owned(),
            source,
        })?;
        Ok(Self {
            follow,
            kargs: parsed.kargs,
            remotes: parsed.remotes,
            retention: parsed.retention,
            etc: Rules::new(rules),
        })
    }

    /// Reads the host file in a deployment's `etc`; a host without one wants nothing.
    ///
    /// # Errors
    /// [`HostFileError`].
    pub fn read(etc: &Dir) -> Result<Self, HostFileError> {
        let bytes = etc.read_in_root_optional(PATH, MAX_BYTES)?;
        let name = format!("/etc/{PATH}");
        match bytes.map(String::from_utf8) {
            None => Ok(Self::default()),
            Some(Ok(text)) => Self::parse(&text, &name),
            Some(Err(_)) => Err(HostFileError::Value {
                name,
                reason: "it is no UTF-8".to_owned(),
            }),
        }
    }
}

/// Whether a text is one kernel argument: blanks would make it several.
fn is_karg(text: &str) -> bool {
    let quoted = text.matches('"').count() == 2;
    let printable = !text.contains(|c: char| c.is_control());
    !text.is_empty()
        && printable
        && !text.starts_with('=')
        && (quoted || !text.contains(char::is_whitespace))
}

fn syntax(text: &str, name: &str, error: &toml::de::Error) -> HostFileError {
    let at = error.span().map(|span| span.start.min(text.len()));
    let line = at.map(|at| {
        text.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    });
    let message = error.message().replace('\n', ", ");
    HostFileError::Syntax {
        name: name.to_owned(),
        reason: match line {
            Some(line) => format!("line {line}: {message}"),
            None => message.clone(),
        },
        meant: meant(&message),
    }
}

/// Of the names between backticks the first is not known, and the others are: returns the most similar one.
fn meant(message: &str) -> Option<String> {
    if !message.starts_with("unknown") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let distances = names.map(|known| (distance(unknown, known), known));
    let (distance, known) = distances.min()?;
    (distance <= 1 + unknown.len() / 3).then(|| known.to_owned())
}

/// How many letters must be added, removed or replaced to make one name the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate().take(64) {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
follow = "origin:os/stable"
kargs = ["quiet", "console=ttyS0"]
[remotes.origin]
url = "https://example.com/repo"
gpg-verify = false
[retention]
keep = 3
newest-of-each-version = true
max-age-days = 90
[[etc]]
path = "ssh/*"
policy = "both"
"#;

    #[test]
    fn all_that_can_be_said_is_read() {
        let host = HostFile::parse(WHOLE, "host.toml").unwrap();
        assert_eq!(host.follow.unwrap().to_string(), "origin:os/stable");
        assert_eq!(host.kargs, ["quiet", "console=ttyS0"]);
        assert_eq!(host.remotes["origin"].gpg_verify, Some(false));
        let expected = Retention {
            keep: Some(3),
            newest_of_each_version: true,
            max_age_days: Some(90),
        };
        assert_eq!(host.retention, expected);
        assert_eq!(host.etc.policy(b"ssh/x"), Policy::Both);
        assert_eq!(HostFile::parse("", "x").unwrap(), HostFile::default());
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line_and_the_name_that_was_meant() {
        for (text, line, suggestion) in [
            ("\nkarg = []", "line 2", Some("kargs")),
            ("[retention]\nkeeep = 2", "line 2", Some("keep")),
            (
                "[[etc]]\npath = 'a'\npolicy = 'tak'",
                "line 3",
                Some("take"),
            ),
            ("colour = 'red'", "line 1", None),
            (
                "[remotes.o]\nurl = 'u'\ngpgverify = true",
                "line 3",
                Some("gpg-verify"),
            ),
            ("a = ", "line 1", None),
        ] {
            let error = HostFile::parse(text, "host.toml").unwrap_err();
            let message = error.to_string();
            assert!(
                message.starts_with("`host.toml`: ") && message.contains(line),
                "{message}"
            );
            assert!(!message.contains('\n'), "{message}");
            let HostFileError::Syntax { meant, .. } = error else {
                panic!("{text}: {message}")
            };
            assert_eq!(meant.as_deref(), suggestion, "{text}");
        }
        for text in [
            "follow = 'a b'",
            "kargs = ['a b']",
            "kargs = ['']",
            "[retention]\nkeep = 0",
            "[[etc]]\npath = '/usr/x'\npolicy = 'keep'",
        ] {
            assert!(HostFile::parse(text, "x").is_err(), "{text}");
        }
    }
}
