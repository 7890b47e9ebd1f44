//! Verbs of this host, spelled as `rpm-ostree` spells them. One file a verb.

pub(crate) mod cleanup;
pub(crate) mod deploy;
pub(crate) mod fetch;
pub(crate) mod kargs;
pub(crate) mod options;
pub(crate) mod rebase;
pub(crate) mod reboot;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod status_text;
pub(crate) mod upgrade;

use crate::grammar::{Node, verb};

/// All of them, in the order in which they are listed.
pub(crate) const VERBS: &[Node] = &[
    verb::<status::Status>(),
    verb::<rollback::Rollback>(),
    verb::<cleanup::Cleanup>(),
];
