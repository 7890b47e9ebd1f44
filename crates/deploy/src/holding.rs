//! What holds each deployment, kernel and commit, and how many bytes each of them holds.

use std::collections::{BTreeMap, HashMap};

use ostler_format::{CommitId, ObjectName};
use ostler_fs::{Dir, FsError, Next, Step, Trusted, walk};
use ostler_store::StoreError;
use ostler_store::reachable::{Depth, Missing, Reachable};
use serde::Serialize;

use crate::host_file::HostFileError;
use crate::layout;
use crate::retention::Held;
use crate::sysroot::Sysroot;

/// Something could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum HoldingError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The retention policy.
    #[error("{0}")]
    HostFile(#[from] HostFileError),
}

/// All that takes room in a system root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The deployments in boot order.
    pub deployments: Vec<HeldDeployment>,
    /// The directories of kernels in `/boot`.
    pub kernels: Vec<HeldKernel>,
    /// The commits that deployments and refs keep in the repository.
    pub commits: Vec<HeldCommit>,
    /// The `/var` of each stateroot.
    pub stateroots: Vec<HeldStateroot>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeldDeployment {
    /// Its place in the boot order.
    pub index: usize,
    /// Its stateroot.
    pub stateroot: String,
    /// Its name, `<commit>.<serial>`.
    pub name: String,
    /// Why it stays: `booted`, `next-boot`, `staged`, `pinned`, `rollback`, `retention-count`, `retention-version`; none means that the next
    /// new deployment of its stateroot replaces it.
    pub held_by: Vec<&'static str>,
    /// Bytes of files that are its alone, as its `/etc`; the others are the repository's too.
    pub own_bytes: u64,
}

/// A kernel with its initramfs and device trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeldKernel {
    /// Its directory in `/boot/ostree`.
    pub directory: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Indices of the deployments that boot with it; none means that `cleanup --base` removes it.
    pub deployments: Vec<usize>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeldCommit {
    /// Its id.
    pub commit: String,
    /// Indices of its deployments.
    pub deployments: Vec<usize>,
    /// Refs that lead to it, `REMOTE:REF` or `REF`.
    pub refs: Vec<String>,
    /// Bytes of objects that none of the other commits here needs.
    pub own_bytes: u64,
}

/// A stateroot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeldStateroot {
    /// Its name.
    pub name: String,
    /// Bytes of its `/var`; files in several places count once for each.
    pub var_bytes: u64,
    /// How many deployments it has; the `/var` of one without any is used by nobody.
    pub deployments: usize,
}

impl Holding {
    /// Looks at a system root; reads every directory of the deployments, so it takes a while.
    ///
    /// # Errors
    /// [`HoldingError`]; without privilege it may fail on a directory.
    pub fn read(sysroot: &Sysroot) -> Result<Self, HoldingError> {
        Ok(Self {
            deployments: deployments(sysroot)?,
            kernels: kernels(sysroot)?,
            commits: commits(sysroot)?,
            stateroots: stateroots(sysroot)?,
        })
    }
}

fn deployments(sysroot: &Sysroot) -> Result<Vec<HeldDeployment>, HoldingError> {
    let (_, rollback) = sysroot.pending_and_rollback();
    let mut found = Vec::with_capacity(sysroot.deployments.len());
    for (index, deployment) in sysroot.deployments.iter().enumerate() {
        let policy = sysroot.held(&deployment.id.stateroot, None)?[index];
        let reasons = [
            (deployment.booted, "booted"),
            (index == 0, "next-boot"),
            (deployment.staged.is_some(), "staged"),
            (deployment.is_pinned(), "pinned"),
            (rollback == Some(index), "rollback"),
            (policy == Some(Held::Count), "retention-count"),
            (policy == Some(Held::Version), "retention-version"),
        ];
        let held_by = reasons
            .iter()
            .filter_map(|(is, reason)| is.then_some(*reason));
        let root = sysroot.open_deployment(&deployment.id)?;
        found.push(HeldDeployment {
            index,
            stateroot: deployment.id.stateroot.to_string(),
            name: deployment.id.name(),
            held_by: held_by.collect(),
            own_bytes: bytes(&root, 1)?,
        });
    }
    Ok(found)
}

fn kernels(sysroot: &Sysroot) -> Result<Vec<HeldKernel>, HoldingError> {
    let directory = match &sysroot.boot {
        Some(boot) => boot.open_dir_optional(layout::BOOT_KERNELS)?,
        None => None,
    };
    let Some(directory) = directory else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in directory.entries()?.iter() {
        let kernel = entry.str_name().and_then(layout::parse_kernel_dir);
        let (Some(name), Some((stateroot, bootcsum))) = (entry.str_name(), kernel) else {
            continue;
        };
        let users = sysroot
            .deployments
            .iter()
            .enumerate()
            .filter(|(_, it)| it.bootcsum == bootcsum && it.id.stateroot.as_str() == stateroot);
        found.push(HeldKernel {
            directory: name.to_owned(),
            bytes: bytes(&directory.open_dir(name)?, u32::MAX)?,
            deployments: users.map(|(index, _)| index).collect(),
        });
    }
    found.sort_by(|a, b| a.directory.cmp(&b.directory));
    Ok(found)
}

fn commits(sysroot: &Sysroot) -> Result<Vec<HeldCommit>, HoldingError> {
    let mut users: BTreeMap<CommitId, (Vec<usize>, Vec<String>)> = BTreeMap::new();
    for (index, deployment) in sysroot.deployments.iter().enumerate() {
        users.entry(deployment.id.commit).or_default().0.push(index);
    }
    let refs = sysroot.repo.list_refs(None)?;
    for (key, commit) in &refs {
        if layout::parse_deployment_ref(key.name().as_str()).is_none() {
            users.entry(*commit).or_default().1.push(key.to_string());
        }
    }
    let mut sets = Vec::with_capacity(users.len());
    let mut counts: HashMap<ObjectName, u32> = HashMap::new();
    for commit in users.keys() {
        let mut reachable = Reachable::new(&sysroot.repo, Missing::PassOver);
        reachable.add_commit(*commit, Depth::Parents(0))?;
        let set = reachable.into_set();
        for name in set.iter() {
            *counts.entry(name).or_default() += 1;
        }
        sets.push(set);
    }
    let mut found = Vec::with_capacity(users.len());
    for ((commit, (deployments, refs)), set) in users.into_iter().zip(sets) {
        let mut own_bytes: u64 = 0;
        for name in set.iter().filter(|name| counts.get(name) == Some(&1)) {
            // What is missing takes no room.
            if sysroot.repo.has_own_object(&name)? {
                own_bytes = own_bytes.saturating_add(sysroot.repo.object_size_on_disk(&name)?);
            }
        }
        found.push(HeldCommit {
            commit: commit.to_string(),
            deployments,
            refs,
            own_bytes,
        });
    }
    Ok(found)
}

fn stateroots(sysroot: &Sysroot) -> Result<Vec<HeldStateroot>, HoldingError> {
    let mut found = Vec::new();
    let directory = sysroot.ostree.open_dir(layout::DEPLOY)?;
    for entry in directory
        .entries()?
        .iter()
        .filter(|it| it.file_type.is_dir())
    {
        let Some(name) = entry.str_name() else {
            continue;
        };
        let var = directory.open_dir_optional(Trusted(format!("{name}/var")))?;
        let deployments = &sysroot.deployments;
        let count = deployments
            .iter()
            .filter(|it| it.id.stateroot.as_str() == name)
            .count();
        found.push(HeldStateroot {
            name: name.to_owned(),
            var_bytes: var.map_or(Ok(0), |var| bytes(&var, u32::MAX))?,
            deployments: count,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Adds up the sizes of regular files below a directory that have at most `max_links` names.
fn bytes(root: &Dir, max_links: u32) -> Result<u64, FsError> {
    let mut sum: u64 = 0;
    walk(root, |step| {
        if let Step::Entry(visited) = step
            && visited.metadata.is_file()
            && visited.metadata.nlink <= max_links
        {
            sum = sum.saturating_add(visited.metadata.size);
        }
        Ok::<_, FsError>(Next::Continue)
    })?;
    Ok(sum)
}
