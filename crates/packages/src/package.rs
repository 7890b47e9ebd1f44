//! What a package is called, in both worlds.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use crate::version;

/// Who packs, and thus how versions are compared and names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Debian's.
    Dpkg,
    /// Fedora's and its relatives'.
    Rpm,
}

impl World {
    /// Returns its name, that of the program.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
        }
    }

    /// Says which of two whole versions is newer.
    #[must_use]
    pub fn compare_versions(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Dpkg => version::deb::compare(one, other),
            Self::Rpm => version::rpm::compare(one, other),
        }
    }

    /// Writes a package as its world does: `bash_5.2-1_amd64`, `bash-5.2-1.fc40.x86_64`.
    #[must_use]
    pub fn full_name(self, package: &Package) -> String {
        let Package {
            name,
            architecture,
            version,
        } = package;
        match (self, architecture.as_str()) {
            (Self::Dpkg, "") => format!("{name}_{version}"),
            (Self::Dpkg, architecture) => format!("{name}_{version}_{architecture}"),
            (Self::Rpm, "") => format!("{name}-{version}"),
            (Self::Rpm, architecture) => format!("{name}-{version}.{architecture}"),
        }
    }

    /// Writes a name with its architecture, without a version: `bash:amd64`, `bash.x86_64`.
    #[must_use]
    pub fn name_and_architecture(self, name: &str, architecture: &str) -> String {
        match (self, architecture) {
            (_, "") => name.to_owned(),
            (Self::Dpkg, architecture) => format!("{name}:{architecture}"),
            (Self::Rpm, architecture) => format!("{name}.{architecture}"),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture; empty if the database says none.
    pub architecture: String,
    /// Its whole version as its packager writes it: `[EPOCH:]UPSTREAM[-REVISION]`.
    pub version: String,
}
