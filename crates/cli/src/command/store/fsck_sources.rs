//! Where `fsck --repair` takes whole objects from.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use ostler_deploy::{Settings, Sysroot};
use ostler_format::CommitId;
use ostler_fs::Dir;
use ostler_store::Repo;
use ostler_store::pull::NetworkOptions;
use ostler_store::repair::RepairSource;

use crate::context::Context;
use crate::version;

/// The deployments of the system whose repository is checked.
#[derive(Default)]
pub(super) struct Deployments(Vec<Found>);

struct Found {
    /// `STATEROOT/COMMIT.SERIAL`.
    name: String,
    commit: CommitId,
    root: Option<Dir>,
}

impl Deployments {
    /// The names of those that are checkouts of one of `commits`.
    pub(super) fn hit_by(&self, commits: &BTreeSet<CommitId>) -> Vec<&str> {
        let hit = self
            .0
            .iter()
            .filter(|found| commits.contains(&found.commit));
        hit.map(|found| found.name.as_str()).collect()
    }
}

/// Finds the deployments that go with `repo`; none if it is not a system's.
pub(super) fn deployments(context: &Context, repo: &Repo) -> Deployments {
    let path = repo.dir().shown_path();
    let Some(root) = path.parent().and_then(Path::parent) else {
        return Deployments::default();
    };
    if !path.ends_with("ostree/repo") || !root.join("ostree/deploy").is_dir() {
        return Deployments::default();
    }
    let sysroot = match Sysroot::open(root, Settings::from_environment()) {
        Ok(sysroot) => sysroot,
        Err(error) => {
            context.printer.note(format_args!(
                "the deployments of `{}` cannot be read: {error}",
                root.display()
            ));
            return Deployments::default();
        }
    };
    let found = sysroot.state().deployments.iter().map(|deployment| Found {
        name: format!("{}/{}", deployment.id.stateroot, deployment.id.name()),
        commit: deployment.id.commit,
        root: sysroot.open_deployment(&deployment.id).ok(),
    });
    Deployments(found.collect())
}

/// The deployments as sources.
pub(super) fn of_deployments(deployments: &Deployments) -> Vec<RepairSource> {
    let source = |found: &Found| {
        Some(RepairSource::Tree {
            root: found.root.as_ref()?.try_clone().ok()?,
            commit: found.commit,
            label: format!("deployment {}", found.name),
        })
    };
    deployments.0.iter().filter_map(source).collect()
}

/// The repositories and remotes that are named, else all remotes.
pub(super) fn named(
    context: &Context,
    repo: &Repo,
    names: &[String],
) -> anyhow::Result<Vec<RepairSource>> {
    let remotes_dir = repo.remotes_dir(None);
    let remotes = if names.is_empty() {
        repo.remotes(remotes_dir.as_deref())?
    } else {
        Vec::new()
    };
    let network = || NetworkOptions {
        user_agent: Some(version::user_agent(context.personality, None)),
        ..NetworkOptions::default()
    };
    let as_source = |remote| RepairSource::Remote {
        remote: Box::new(remote),
        network: network(),
    };
    let mut sources: Vec<RepairSource> = remotes.into_iter().map(as_source).collect();
    for name in names {
        sources.push(match name.strip_prefix("remote:") {
            Some(remote) => as_source(repo.remote(remote, remotes_dir.as_deref())?),
            None => RepairSource::Repo(
                Repo::open(name).with_context(|| format!("--repair-from={name}"))?,
            ),
        });
    }
    Ok(sources)
}
