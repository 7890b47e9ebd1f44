//! Verbs of this host, spelled as `rpm-ostree` spells them. One file a verb.

pub(crate) mod apply;
pub(crate) mod cancel;
pub(crate) mod change;
pub(crate) mod cleanup;
pub(crate) mod deploy;
pub(crate) mod driver;
pub(crate) mod editor;
pub(crate) mod explained;
pub(crate) mod factory_reset;
pub(crate) mod fetch;
pub(crate) mod finalize_deployment;
pub(crate) mod history;
pub(crate) mod initramfs_etc;
pub(crate) mod kargs;
pub(crate) mod options;
pub(crate) mod preview;
pub(crate) mod rebase;
pub(crate) mod reboot;
pub(crate) mod reload;
pub(crate) mod reset;
pub(crate) mod revision;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod status_packages;
pub(crate) mod status_text;
pub(crate) mod upgrade;
pub(crate) mod usroverlay;

use crate::grammar::{Node, verb};

/// All of them, in the order in which they are listed.
pub(crate) const VERBS: &[Node] = &[
    verb::<status::Status>(),
    verb::<upgrade::Upgrade>(),
    verb::<rebase::Rebase>(),
    verb::<deploy::Deploy>(),
    verb::<rollback::Rollback>(),
    verb::<kargs::Kargs>(),
    verb::<initramfs_etc::InitramfsEtc>(),
    verb::<usroverlay::UsrOverlay>(),
    verb::<finalize_deployment::FinalizeDeployment>(),
    verb::<cleanup::Cleanup>(),
    verb::<history::History>(),
    verb::<cancel::Cancel>(),
];
