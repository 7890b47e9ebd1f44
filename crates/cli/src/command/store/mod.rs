//! Verbs of repositories, spelled as `ostree` spells them. One file a verb.

pub(crate) mod cat;
pub(crate) mod checkout;
pub(crate) mod checksum;
pub(crate) mod commit;
mod commit_message;
mod commit_packages;
pub(crate) mod config;
pub(crate) mod create_usb;
pub(crate) mod diff;
pub(crate) mod export;
pub(crate) mod find_remotes;
pub(crate) mod fsck;
mod fsck_report;
mod fsck_sources;
pub(crate) mod gpg_sign;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod pack;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod pull_local;
pub(crate) mod refs;
pub(crate) mod remote;
pub(crate) mod reset;
pub(crate) mod rev_parse;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod static_delta;
pub(crate) mod summary;
mod tree_path;

use crate::grammar::{Node, verb};

/// All of them, in the order in which they are listed.
pub(crate) const VERBS: &[Node] = &[
    verb::<cat::Cat>(),
    verb::<checkout::Checkout>(),
    verb::<checksum::Checksum>(),
    verb::<commit::Commit>(),
    verb::<config::Config>(),
    verb::<create_usb::CreateUsb>(),
    verb::<diff::Diff>(),
    verb::<export::Export>(),
    verb::<find_remotes::FindRemotes>(),
    verb::<fsck::Fsck>(),
    verb::<gpg_sign::GpgSign>(),
    verb::<init::Init>(),
    verb::<log::Log>(),
    verb::<ls::Ls>(),
    verb::<prune::Prune>(),
    verb::<pull::Pull>(),
    verb::<pull_local::PullLocal>(),
    verb::<refs::Refs>(),
    Node::Group(&remote::GROUP),
    verb::<reset::Reset>(),
    verb::<rev_parse::RevParse>(),
    verb::<show::Show>(),
    verb::<sign::Sign>(),
    Node::Group(&static_delta::GROUP),
    verb::<summary::Summary>(),
];
