//! What tells two boot orders apart for the boot loader.

use std::collections::HashMap;

use ostler_format::bls::Tries;
use ostler_format::{Checksum, CommitId, EntryName};

use crate::deployment::Deployment;
use crate::lock::SysrootLock;

/// Counts the deployments that share a kernel.
pub(super) fn with_bootserials(mut order: Vec<Deployment>) -> Vec<Deployment> {
    let mut counts: HashMap<Checksum, u32> = HashMap::new();
    for deployment in &mut order {
        let count = counts.entry(deployment.bootcsum).or_default();
        deployment.bootserial = *count;
        *count += 1;
    }
    order
}

/// The versions of commits, by which boot entries are titled.
pub(super) struct Versions(HashMap<CommitId, Option<String>>);

impl Versions {
    /// A commit that cannot be read has no version; its deployment boots all the same.
    pub(super) fn read<'a>(
        lock: &SysrootLock,
        deployments: impl Iterator<Item = &'a Deployment>,
    ) -> Self {
        let version = |commit| {
            let commit = lock.repo.read_commit(commit).ok()?;
            commit.metadata.get_str("version").map(str::to_owned)
        };
        let mut versions = HashMap::new();
        for deployment in deployments {
            let commit = deployment.id.commit;
            versions.entry(commit).or_insert_with(|| version(commit));
        }
        Self(versions)
    }

    pub(super) fn of(&self, deployment: &Deployment) -> Option<&str> {
        self.0.get(&deployment.id.commit)?.as_deref()
    }
}

/// The counter in the name of a deployment's entry: the one that the boot loader has left there, or a new one where there was no entry.
///
/// An entry whose counter somebody took away has proven good, and gets no new one.
pub(super) fn counter(deployment: &Deployment, tries_of_new: u32) -> Option<Tries> {
    match (&deployment.entry_name, tries_of_new) {
        (_, 0) => None,
        (Some(name), _) => EntryName::parse(name)?.tries,
        (None, left) => Some(Tries { left, done: None }),
    }
}

/// Whether the boot loader can't tell the two apart but by where `ostree=` leads.
pub(super) fn same_entry(
    now: &Deployment,
    next: &Deployment,
    versions: &Versions,
    tries_of_new: u32,
) -> bool {
    let named = now.entry_name.as_deref().and_then(EntryName::parse);
    now.bootcsum == next.bootcsum
        && now.overlay_initrds == next.overlay_initrds
        && now.chosen_kargs() == next.chosen_kargs()
        && now.annotations() == next.annotations()
        && versions.of(now) == versions.of(next)
        && now.id.stateroot == next.id.stateroot
        && named.and_then(|name| name.tries) == counter(next, tries_of_new)
}
