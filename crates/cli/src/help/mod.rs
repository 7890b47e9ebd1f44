//! Help texts, made from the same definitions as the parsers.

mod goption;
mod teaching;

use crate::grammar::{Group, VerbEntry};
use crate::personality::Personality;

/// Returns the help of a group, with its line end.
pub(crate) fn group(personality: Personality, group: &'static Group, path: &str) -> String {
    match personality {
        Personality::Ostree => goption::group(group, path),
        Personality::Ostler | Personality::RpmOstree => teaching::group(group, path),
    }
}

/// Returns the help of a verb, with its line end.
pub(crate) fn verb(personality: Personality, entry: &VerbEntry, path: &str) -> String {
    match personality {
        Personality::Ostree => goption::verb(entry, path),
        Personality::Ostler | Personality::RpmOstree => teaching::verb(entry, path),
    }
}
