//! Verbs of packages as files. One file a verb.

mod check;
mod import;
mod show;

use crate::grammar::{Group, Section, verb};

/// `package` and its verbs.
pub(crate) static GROUP: Group = Group {
    name: "package",
    about: "Look into packages as files, of Debian and of rpm, and make commits of them",
    operands: "VERB",
    sections: &[Section {
        heading: "Packages as files",
        nodes: &[
            verb::<show::Show>(),
            verb::<check::Check>(),
            verb::<import::Import>(),
        ],
    }],
    without_verb: None,
};
