//! `pack`: the objects of commits in a few large files.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod unpack;
pub(crate) mod verify;

use crate::grammar::{Group, Node, Section, verb};

/// The group of these verbs.
pub(crate) static GROUP: Group = Group {
    name: "pack",
    about: "Lay the objects of commits together, for pulls in few requests",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Verbs",
        nodes: VERBS,
    }],
    without_verb: None,
};

const VERBS: &[Node] = &[
    verb::<create::Create>(),
    verb::<list::List>(),
    verb::<verify::Verify>(),
    verb::<unpack::Unpack>(),
    verb::<delete::Delete>(),
];
