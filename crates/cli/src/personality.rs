//! The name by which the program was called, and what follows from it.

use std::ffi::OsStr;
use std::path::Path;

/// Whose command line is taken, and whose help, version and exit codes are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Personality {
    /// Every verb; errors come with hints, usage errors exit with 2.
    Ostler,
    /// The verbs of `ostree`; every failure exits with 1.
    Ostree,
    /// The host verbs, as `rpm-ostree` spells them.
    RpmOstree,
}

impl Personality {
    /// Chooses by the last component of `argv[0]`.
    pub(crate) fn from_program_name(argv0: &OsStr) -> Self {
        match Path::new(argv0).file_name().and_then(OsStr::to_str) {
            Some("ostree") => Self::Ostree,
            Some("rpm-ostree") => Self::RpmOstree,
            _ => Self::Ostler,
        }
    }

    /// Returns the name that usage lines and messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ostler => "ostler",
            Self::Ostree => "ostree",
            Self::RpmOstree => "rpm-ostree",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_argv0_chooses() {
        for (argv0, expected) in [
            ("/usr/bin/ostree", Personality::Ostree),
            ("rpm-ostree", Personality::RpmOstree),
            ("./target/debug/ostler", Personality::Ostler),
            ("/opt/ostree/bin/ostler-0.1", Personality::Ostler),
            ("", Personality::Ostler),
        ] {
            assert_eq!(
                Personality::from_program_name(OsStr::new(argv0)),
                expected,
                "{argv0}"
            );
        }
    }
}
