//! `health.toml`: what must work for a deployment to be good, how often it is tried, and how long each boot may take. Parsing is pure and
//! refuses what it does not know.
//!
//! ```toml
//! tries = 3                  # boots that a new deployment gets to prove itself; 0: no trials
//! deadline-seconds = 600     # since the kernel started: without a verdict until then the boot is unhealthy
//! disabled = ["50-x.sh"]     # scripts that are not run, by name
//! units = ["sshd.service"]   # must be active
//!
//! [[tcp]]
//! address = "127.0.0.1:22"   # must take a connection
//!
//! [[http]]
//! url = "http://127.0.0.1:8080/healthz"   # must answer 200, and with this text
//! contains = "ok"
//!
//! [[command]]
//! run = ["/usr/bin/postgres-ready", "--quiet"]   # must end with 0
//! required = false           # a failure is told, and is no reason to go back (on each of the three)
//! within-seconds = 120       # tried again until then (on each of the three, and on units)
//! ```
//! The tree's is `/usr/lib/ostler/health.toml`, the administrator's `/etc/ostler/health.toml`; what both say counts, and of numbers the latter.

use ostler_fs::{Dir, FsError};
use serde::{Deserialize, Serialize};

/// Within a deployment, the later one counts more.
pub const PATHS: [&str; 2] = ["usr/lib/ostler/health.toml", "etc/ostler/health.toml"];
/// The most that is read of one.
const MAX_BYTES: u64 = 1 << 20;
/// As many boots as are worth a wait.
const MAX_TRIES: u32 = 20;
/// Boots that a new deployment gets where nothing else is said.
const TRIES: u32 = 3;
const DEADLINE_SECONDS: u64 = 600;
/// How long a unit, a port or an answer is waited for where nothing else is said.
const WITHIN_SECONDS: u64 = 60;

/// A health file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HealthFileError {
    /// The file.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// It is no TOML, or says something that is not known or cannot be.
    #[error("`{path}`: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// What is wrong, in one line.
        reason: String,
    },
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A unit that must be active.
    Unit(String),
    /// A port that must take a connection, `HOST:PORT`.
    Tcp(String),
    /// A URL that must be answered.
    Http {
        /// It.
        url: String,
        /// What the answer must hold.
        contains: Option<String>,
    },
    /// A program that must end with 0, and its arguments.
    Command(Vec<String>),
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is looked at.
    pub probe: Probe,
    /// Whether the deployment is bad without it.
    pub required: bool,
    /// How long it is tried again.
    pub within_seconds: u64,
}

impl Check {
    /// Names it for a person.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.probe {
            Probe::Unit(unit) => unit.clone(),
            Probe::Tcp(address) => format!("tcp {address}"),
            Probe::Http { url, .. } => format!("http {url}"),
            Probe::Command(words) => words.join(" "),
        }
    }
}

/// What is wanted of trials, and what of a system that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFile {
    /// Boots that a new deployment gets; 0 for no trials.
    pub tries: u32,
    /// Seconds since the kernel started in which a verdict must be there.
    pub deadline_seconds: u64,
    /// Names of scripts that are not run.
    pub disabled: Vec<String>,
    /// What is looked at, in this order.
    pub checks: Vec<Check>,
}

impl Default for HealthFile {
    fn default() -> Self {
        Self {
            tries: TRIES,
            deadline_seconds: DEADLINE_SECONDS,
            disabled: Vec::new(),
            checks: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Text {
    tries: Option<u32>,
    deadline_seconds: Option<u64>,
    disabled: Vec<String>,
    units: Vec<String>,
    tcp: Vec<Tcp>,
    http: Vec<Http>,
    command: Vec<Command>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tcp {
    address: String,
    required: Option<bool>,
    within_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Http {
    url: String,
    contains: Option<String>,
    required: Option<bool>,
    within_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Command {
    run: Vec<String>,
    required: Option<bool>,
    within_seconds: Option<u64>,
}

impl HealthFile {
    /// Reads both files of a deployment's root; one without any wants what [`HealthFile::default`] says.
    ///
    /// # Errors
    /// [`HealthFileError`].
    pub fn read(root: &Dir) -> Result<Self, HealthFileError> {
        let mut file = Self::default();
        for path in PATHS {
            if let Some(text) = root.read_in_root_optional(path, MAX_BYTES)? {
                file.add(&String::from_utf8_lossy(&text), &format!("/{path}"))?;
            }
        }
        Ok(file)
    }

    /// Adds what the text of a file says; errors call it `path`.
    ///
    /// # Errors
    /// [`HealthFileError::Syntax`].
    pub fn add(&mut self, text: &str, path: &str) -> Result<(), HealthFileError> {
        let bad = |reason: String| HealthFileError::Syntax {
            path: path.to_owned(),
            reason,
        };
        let parsed: Text = toml::from_str(text)
            .map_err(|error| bad(error.to_string().trim().replace('\n', ", ")))?;
        if parsed.tries.is_some_and(|tries| tries > MAX_TRIES) {
            return Err(bad(format!("tries: at most {MAX_TRIES}")));
        }
        if parsed.deadline_seconds == Some(0) {
            return Err(bad("deadline-seconds: at least 1".to_owned()));
        }
        if parsed
            .command
            .iter()
            .any(|it| !it.run.first().is_some_and(|it| it.starts_with('/')))
        {
            return Err(bad("command: `run` begins with an absolute path".to_owned()));
        }
        if let Some(unit) = parsed.units.iter().find(|unit| !is_unit(unit)) {
            return Err(bad(format!("units: `{unit}` is no unit's name")));
        }
        self.tries = parsed.tries.unwrap_or(self.tries);
        self.deadline_seconds = parsed.deadline_seconds.unwrap_or(self.deadline_seconds);
        self.disabled.extend(parsed.disabled.iter().cloned());
        self.checks.extend(parsed.checks());
        Ok(())
    }
}

impl Text {
    fn checks(self) -> impl Iterator<Item = Check> {
        let check = |probe, required: Option<bool>, within: Option<u64>| Check {
            probe,
            required: required.unwrap_or(true),
            within_seconds: within.unwrap_or(WITHIN_SECONDS),
        };
        let units = self.units.into_iter();
        let units = units.map(move |unit| check(Probe::Unit(unit), None, None));
        let tcp = self.tcp.into_iter();
        let tcp = tcp.map(move |it| check(Probe::Tcp(it.address), it.required, it.within_seconds));
        let http = self.http.into_iter().map(move |it| {
            let (url, contains) = (it.url, it.contains);
            check(
                Probe::Http { url, contains },
                it.required,
                it.within_seconds,
            )
        });
        let command = self.command.into_iter();
        let command =
            command.map(move |it| check(Probe::Command(it.run), it.required, it.within_seconds));
        units.chain(tcp).chain(http).chain(command)
    }
}

/// What `systemctl` cannot take for an option or a pattern.
fn is_unit(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@:\\".contains(c);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_count_and_of_numbers_the_later() {
        let mut file = HealthFile::default();
        let tree = "tries = 5\nunits = ['a.service']\n[[tcp]]\naddress = 'h:1'\nrequired = false\n";
        file.add(tree, "/usr").unwrap();
        let etc = "tries = 2\ndisabled = ['x.sh']\n[[http]]\nurl = 'http://h/'\ncontains = 'ok'\n\
                   [[command]]\nrun = ['/bin/true', '-x']\nwithin-seconds = 5\n";
        file.add(etc, "/etc").unwrap();
        assert_eq!((file.tries, file.deadline_seconds), (2, 600));
        let names: Vec<String> = file.checks.iter().map(Check::name).collect();
        assert_eq!(
            names,
            ["a.service", "tcp h:1", "http http://h/", "/bin/true -x"]
        );
        let required: Vec<bool> = file.checks.iter().map(|check| check.required).collect();
        assert_eq!(required, [true, false, true, true]);
        assert_eq!(file.checks[3].within_seconds, 5);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("trys = 3", "trys"),
            ("tries = 99", "tries: at most 20"),
            ("deadline-seconds = 0", "at least 1"),
            ("units = ['-x']", "`-x` is no unit's name"),
            ("units = ['a b']", "`a b` is no unit's name"),
            ("[[command]]\nrun = ['true']", "absolute path"),
            ("[[command]]\nrun = []", "absolute path"),
            ("[[tcp]]\nport = 1", "port"),
        ] {
            let error = HealthFile::default()
                .add(text, "/x")
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("`/x`: ") && error.contains(said),
                "{error}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
