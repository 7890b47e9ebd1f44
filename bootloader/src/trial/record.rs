//! What is kept of trials, and its text: a key file with a group for each deployment and for each commit that is refused.

use std::collections::BTreeMap;
use std::fmt;

use ostler_format::keyfile::KeyFileError;
use ostler_format::{CommitId, DeploymentName, KeyFile, StaterootName};

const DEPLOYMENT: &str = "deployment ";
const REFUSED: &str = "refused ";
/// The most characters of a reason that are kept.
const MAX_WHY: usize = 2000;
/// Commits that are refused; the oldest are forgotten.
const MAX_REFUSED: usize = 50;

/// A file of trials that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrialsError {
    /// It is no key file.
    #[error("{0}")]
    KeyFile(#[from] KeyFileError),
    /// A group or value says what cannot be.
    #[error("group `{group}`: {reason}")]
    Value {
        /// The group.
        group: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Names a deployment among those of all stateroots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialId {
    /// Its stateroot.
    pub stateroot: StaterootName,
    /// Its directory.
    pub name: DeploymentName,
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stateroot, self.name)
    }
}

impl TrialId {
    fn parse(text: &str) -> Option<Self> {
        let (stateroot, name) = text.split_once('/')?;
        Some(Self {
            stateroot: StaterootName::new(stateroot).ok()?,
            name: DeploymentName::parse(name).ok()?,
        })
    }
}

/// How a deployment stands; one without a record is untried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not proven itself yet.
    Trial {
        /// Boots that it may take after those that were counted.
        left: u32,
    },
    /// Its tries are used up, and the rollback is due.
    Failed,
    /// It has failed, and was rolled back where there was something to go back to.
    Bad,
    /// It has proven itself.
    Good,
}

impl Standing {
    /// The word for it in the file and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trial { .. } => "trial",
            Self::Failed => "failed",
            Self::Bad => "bad",
            Self::Good => "good",
        }
    }
}

/// What is known of a deployment's trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How it stands.
    pub standing: Standing,
    /// Boots that it was given.
    pub tries: u32,
    /// Boots of the trial so far.
    pub boots: u32,
    /// The kernel's identifier of the boot that was counted last.
    pub counted: Option<String>,
    /// The deployment to go back to.
    pub fallback: Option<TrialId>,
    /// Why it failed, or why its last boot did.
    pub why: Option<String>,
    /// When it came to its standing, in seconds since 1970-01-01 UTC; 0 where there was no clock.
    pub since: u64,
}

/// A commit that no upgrade takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it was found bad, in seconds since 1970-01-01 UTC.
    pub since: u64,
    /// Why.
    pub why: String,
}

/// The state of all trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    pub(super) records: BTreeMap<TrialId, Record>,
    pub(super) refused: BTreeMap<CommitId, Refusal>,
}

impl Trials {
    /// Parses the file.
    ///
    /// # Errors
    /// [`TrialsError`].
    pub fn parse(text: &[u8]) -> Result<Self, TrialsError> {
        let file = KeyFile::parse(text)?;
        let mut trials = Self::default();
        for group in file.groups() {
            let bad = |reason: &str| TrialsError::Value {
                group: group.to_owned(),
                reason: reason.to_owned(),
            };
            if let Some(id) = group.strip_prefix(DEPLOYMENT) {
                let id = TrialId::parse(id).ok_or_else(|| bad("no deployment's name"))?;
                trials.records.insert(id, record(&file, group)?);
            } else if let Some(commit) = group.strip_prefix(REFUSED) {
                let commit = commit.parse().map_err(|_| bad("no commit's checksum"))?;
                let refusal = Refusal {
                    since: file.unsigned(group, "since")?.unwrap_or(0),
                    why: file.string(group, "why")?.unwrap_or_default(),
                };
                trials.refused.insert(commit, refusal);
            }
        }
        Ok(trials)
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = KeyFile::new();
        for (id, record) in &self.records {
            let group = format!("{DEPLOYMENT}{id}");
            set(&mut file, &group, "state", record.standing.word());
            if let Standing::Trial { left } = record.standing {
                set(&mut file, &group, "left", &left.to_string());
            }
            set(&mut file, &group, "tries", &record.tries.to_string());
            set(&mut file, &group, "boots", &record.boots.to_string());
            set(&mut file, &group, "since", &record.since.to_string());
            if let Some(counted) = &record.counted {
                set(&mut file, &group, "counted", counted);
            }
            if let Some(fallback) = &record.fallback {
                set(&mut file, &group, "fallback", &fallback.to_string());
            }
            if let Some(why) = &record.why {
                set(&mut file, &group, "why", why);
            }
        }
        for (commit, refusal) in &self.refused {
            let group = format!("{REFUSED}{commit}");
            set(&mut file, &group, "since", &refusal.since.to_string());
            set(&mut file, &group, "why", &refusal.why);
        }
        file.to_bytes()
    }

    /// What is known of a deployment; `None` if it is untried.
    #[must_use]
    pub fn record(&self, id: &TrialId) -> Option<&Record> {
        self.records.get(id)
    }

    /// Why a commit is refused; `None` if it is not.
    #[must_use]
    pub fn refusal(&self, commit: CommitId) -> Option<&Refusal> {
        self.refused.get(&commit)
    }

    /// The commits that are refused.
    pub fn refused(&self) -> impl Iterator<Item = (&CommitId, &Refusal)> {
        self.refused.iter()
    }

    pub(super) fn refuse(&mut self, commit: CommitId, why: &str, now: u64) {
        let refusal = Refusal {
            since: now,
            why: shortened(why),
        };
        self.refused.insert(commit, refusal);
        while self.refused.len() > MAX_REFUSED {
            let others = self.refused.iter().filter(|(other, _)| **other != commit);
            let oldest = others.min_by_key(|(_, refusal)| refusal.since);
            let Some(oldest) = oldest.map(|(commit, _)| *commit) else {
                return;
            };
            self.refused.remove(&oldest);
        }
    }
}

/// The beginning of a reason, which may hold what a program has said.
pub(super) fn shortened(why: &str) -> String {
    why.replace('\0', " ").chars().take(MAX_WHY).collect()
}

fn set(file: &mut KeyFile, group: &str, key: &str, value: &str) {
    file.set_string(group, key, value)
        .expect("groups and keys are made of plain words, and values are escaped");
}

fn record(file: &KeyFile, group: &str) -> Result<Record, TrialsError> {
    let bad = |reason: String| TrialsError::Value {
        group: group.to_owned(),
        reason,
    };
    let number = |key: &str| -> Result<u32, TrialsError> {
        let number = file.unsigned(group, key)?.unwrap_or(0);
        u32::try_from(number).map_err(|_| bad(format!("`{key}` is too large")))
    };
    let standing = match file.string(group, "state")?.as_deref() {
        Some("trial") => Standing::Trial {
            left: number("left")?,
        },
        Some("failed") => Standing::Failed,
        Some("bad") => Standing::Bad,
        Some("good") => Standing::Good,
        other => return Err(bad(format!("no state `{}`", other.unwrap_or_default()))),
    };
    let fallback = file.string(group, "fallback")?;
    let fallback = fallback.map(|id| {
        TrialId::parse(&id).ok_or_else(|| bad("`fallback` is no deployment's name".to_owned()))
    });
    Ok(Record {
        standing,
        tries: number("tries")?,
        boots: number("boots")?,
        counted: file.string(group, "counted")?,
        fallback: fallback.transpose()?,
        why: file.string(group, "why")?,
        since: file.unsigned(group, "since")?.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn what_is_kept_reads_back_whatever_a_check_has_said() {
        let id = |serial| TrialId::parse(&format!("os/{COMMIT}.{serial}")).unwrap();
        let mut trials = Trials::default();
        let states = [
            Standing::Trial { left: 2 },
            Standing::Failed,
            Standing::Bad,
            Standing::Good,
        ];
        for (serial, standing) in (0..).zip(states) {
            let record = Record {
                standing,
                tries: 3,
                boots: serial,
                counted: Some("a-b".to_owned()),
                fallback: Some(id(9)),
                why: Some(" [x]\n\ty\r=;\\n\u{1b}é ".to_owned()),
                since: 7,
            };
            trials.records.insert(id(serial), record);
        }
        trials.refuse(COMMIT.parse().unwrap(), "line\nline\0", 8);
        let text = trials.to_bytes();
        let read = Trials::parse(&text).unwrap();
        trials.refuse(COMMIT.parse().unwrap(), "line\nline ", 8);
        assert_eq!(read, trials, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn what_is_damaged_is_refused_and_named() {
        for (text, said) in [
            ("x", "line 1"),
            ("[deployment os/1]\nstate=good\n", "deployment os/1"),
            (
                &format!("[deployment os/{COMMIT}.0]\nstate=fine\n"),
                "no state `fine`",
            ),
            (
                &format!("[deployment os/{COMMIT}.0]\nstate=trial\nleft=99999999999\n"),
                "`left` is too large",
            ),
            ("[refused ../x]\n", "no commit's checksum"),
        ] {
            let error = Trials::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn of_many_bad_commits_the_oldest_are_forgotten() {
        let mut trials = Trials::default();
        for number in 0..=MAX_REFUSED {
            let commit = format!("{number:064}").parse().unwrap();
            trials.refuse(commit, "why", number as u64);
        }
        assert_eq!(trials.refused.len(), MAX_REFUSED);
        let first = format!("{:064}", 0).parse().unwrap();
        assert_eq!(trials.refusal(first), None);
    }
}
