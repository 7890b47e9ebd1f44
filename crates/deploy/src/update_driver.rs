//! A program that drives updates, such as Zincati: it says so once a boot, and people are told before they upgrade behind its back.
//!
//! `/run/rpm-ostree/update-driver.gv` is rpm-ostree's, an `a{sv}` with `driver-name` and `driver-sd-unit`, so that either program knows what was
//! registered with the other.

use ostler_format::Value;
use ostler_fs::{Dir, Durability, FsError, Trusted};

use crate::host::{Host, HostError};
use crate::lock::SysrootLock;

/// Within `/run`.
const DIRECTORY: &str = "rpm-ostree";
/// Within [`DIRECTORY`].
const FILE: &str = "update-driver.gv";
const NAME: &str = "driver-name";
const UNIT: &str = "driver-sd-unit";

/// A program that drives updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateDriver {
    /// Its name, for people.
    pub name: String,
    /// The systemd unit that it runs in.
    pub unit: String,
}

/// A driver was not registered.
#[derive(Debug, thiserror::Error)]
pub enum UpdateDriverError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The running system.
    #[error("{0}")]
    Host(#[from] HostError),
    /// There is one already.
    #[error("`{name}` drives updates already")]
    Other {
        /// Its name.
        name: String,
    },
}

impl UpdateDriver {
    /// Reads what is registered; `None` if nothing is.
    ///
    /// # Errors
    /// [`HostError`] if it can't be read.
    pub fn read(host: &Host) -> Result<Option<Self>, HostError> {
        let Some(value) = host.dictionary(&format!("{DIRECTORY}/{FILE}"))? else {
            return Ok(None);
        };
        let text = |key: &str| {
            let found = value.lookup(key).and_then(|value| value.unboxed().as_str());
            found.map(str::to_owned)
        };
        Ok(text(NAME).map(|name| Self {
            name,
            unit: text(UNIT).unwrap_or_default(),
        }))
    }

    /// Registers it until the next boot.
    ///
    /// # Errors
    /// [`UpdateDriverError::Other`] if another one is.
    pub fn register(&self, lock: &SysrootLock) -> Result<(), UpdateDriverError> {
        if let Some(other) = Self::read(&lock.host)?.filter(|other| other.name != self.name) {
            return Err(UpdateDriverError::Other { name: other.name });
        }
        let text = |text: &str| Value::Str(text.to_owned());
        let value = Value::vardict([
            (NAME.to_owned(), text(&self.name)),
            (UNIT.to_owned(), text(&self.unit)),
        ]);
        let bytes = value.to_bytes().expect("it was built of matching types");
        let run = Dir::open_ambient(&lock.host.run)?;
        run.ensure_dir(DIRECTORY, 0o755)?;
        let file = Trusted(format!("{DIRECTORY}/{FILE}"));
        Ok(run.write_atomic(file, bytes, 0o644, Durability::Cached)?)
    }
}

/// Reads the systemd unit of a process out of its `/proc/PID/cgroup`; `None` if it is in none.
#[must_use]
pub fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope");
    path.rsplit('/').find(is_unit).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_service_or_scope_is_the_unit() {
        for (cgroup, unit) in [
            (
                "0::/system.slice/zincati.service\n",
                Some("zincati.service"),
            ),
            (
                "0::/user.slice/user-0.slice/session-3.scope\n",
                Some("session-3.scope"),
            ),
            ("0::/system.slice/a.service/inner\n", Some("a.service")),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(cgroup).as_deref(), unit, "{cgroup}");
        }
    }
}
