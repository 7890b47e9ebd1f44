//! `install`: new systems.

mod system;
mod to_disk;

use crate::grammar::{Group, Section, verb};

/// `install` and its verbs.
pub(crate) static GROUP: Group = Group {
    name: "install",
    about: "Make bootable disks out of repositories",
    operands: "COMMAND",
    sections: &[Section {
        heading: "New systems",
        nodes: &[verb::<to_disk::ToDisk>()],
    }],
    without_verb: None,
};
