//! `remote`: the places that a repository pulls from.

pub(crate) mod add;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod refs;
pub(crate) mod show_url;
pub(crate) mod summary;

use std::path::PathBuf;

use ostler_store::Repo;

use crate::context::Context;
use crate::grammar::{Group, Node, RepoOption, Section, SysrootOption, verb};

/// The group of these verbs.
pub(crate) static GROUP: Group = Group {
    name: "remote",
    about: "Tell a repository where to pull from",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Verbs",
        nodes: VERBS,
    }],
    without_verb: None,
};

const VERBS: &[Node] = &[
    verb::<add::Add>(),
    verb::<delete::Delete>(),
    verb::<show_url::ShowUrl>(),
    verb::<list::List>(),
    verb::<refs::Refs>(),
    verb::<summary::Summary>(),
];

/// Opens the repository of `--sysroot`, else that of `--repo`, and finds the directory of remotes that goes with it.
fn open(
    repo: &RepoOption,
    sysroot: &SysrootOption,
    context: &Context,
) -> anyhow::Result<(Repo, Option<PathBuf>)> {
    let repo = match &sysroot.sysroot {
        Some(root) => RepoOption {
            repo: Some(root.join("ostree/repo")),
        }
        .open(context)?,
        None => repo.open(context)?,
    };
    let remotes_dir = repo.remotes_dir(sysroot.sysroot.as_deref());
    Ok((repo, remotes_dir))
}
