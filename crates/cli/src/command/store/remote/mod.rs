//! `remote`: the places that a repository pulls from.

pub(crate) mod add;
pub(crate) mod add_cookie;
pub(crate) mod delete;
pub(crate) mod delete_cookie;
pub(crate) mod gpg_import;
pub(crate) mod gpg_list_keys;
pub(crate) mod list;
pub(crate) mod list_cookies;
pub(crate) mod refs;
pub(crate) mod show_url;
pub(crate) mod summary;

pub(crate) use add::sign_verify_keys;

use std::path::{Path, PathBuf};

use ostler_format::RemoteName;
use ostler_store::Repo;
use ostler_store::pull::{self, NetworkOptions, RemoteSummary};

use crate::command::values::{netrc, summary_cache};
use crate::context::Context;
use crate::grammar::{Group, Node, RepoOption, Section, SysrootOption, verb};
use crate::report::hinted;
use crate::version;

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
    verb::<gpg_import::GpgImport>(),
    verb::<gpg_list_keys::GpgListKeys>(),
    verb::<refs::Refs>(),
    verb::<summary::Summary>(),
    verb::<add_cookie::AddCookie>(),
    verb::<delete_cookie::DeleteCookie>(),
    verb::<list_cookies::ListCookies>(),
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

/// Opens the repository and checks that it has the remote whose cookies are meant.
fn with_cookies(
    context: &Context,
    repo: &RepoOption,
    name: &str,
) -> anyhow::Result<(Repo, RemoteName)> {
    let repo = repo.open(context)?;
    let remote = RemoteName::new(name)?;
    repo.remote(name, repo.remotes_dir(None).as_deref())?;
    Ok((repo, remote))
}

/// Fetches a remote's summary; `missing` is said if the remote has none.
fn fetch_summary(
    context: &Context,
    repo: &RepoOption,
    name: &str,
    cache_dir: Option<&Path>,
    missing: &str,
) -> anyhow::Result<RemoteSummary> {
    let repo = repo.open(context)?;
    let remote = repo.remote(name, repo.remotes_dir(None).as_deref())?;
    let network = NetworkOptions {
        user_agent: Some(version::user_agent(context.personality, None)),
        netrc: netrc(),
        summary_cache: summary_cache(cache_dir),
        ..NetworkOptions::default()
    };
    pull::remote_summary(&repo, &remote, &network)?
        .ok_or_else(|| hinted(missing, "make one on the server (`ostler summary -u`)"))
}
