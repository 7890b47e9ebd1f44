//! Verbs of the package databases that trees carry. One file a verb.

mod diff;
mod list;
mod side;
mod version;

use crate::grammar::{Group, Section, verb};

/// `db` and its verbs.
pub(crate) static GROUP: Group = Group {
    name: "db",
    about: "Show the packages of commits, deployments and directories, and what changes between them",
    operands: "VERB",
    sections: &[Section {
        heading: "Packages",
        nodes: &[
            verb::<list::List>(),
            verb::<diff::Diff>(),
            verb::<version::Version>(),
        ],
    }],
    without_verb: None,
};
