//! A new deployment of the same commit with the defaults of its tree: `/etc`, or `/etc` and `/var`.
//!
//! Nothing of the deployment that is left is touched, so that going back is a change of the boot order. A fresh `/var` means a stateroot of its
//! own, `NAME-reset-N`: the old one keeps its `/var`, also for what a running system goes on to write there. A crash leaves a deployment that
//! nothing refers to, or an empty stateroot, which the next reset takes.

use ostler_format::{Origin, StaterootName};
use ostler_fs::FsError;
use ostler_store::progress::Sink;

use crate::cleanup;
use crate::deploy::{self, DeployError, DeployOptions, Deployed, MergeFrom, Prune};
use crate::deployment::Deployment;
use crate::etc_merge::{
    self, Action, Content, EtcMergeError, MergePlan, Node, Snapshot, Snapshots, parents, shown,
    split_path,
};
use crate::history;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::materialize::{self, MaterializeError};
use crate::stateroot::{self, InitError};
use crate::sysroot::SysrootError;

/// How many stateroots of one name are tried.
const MAX_STATEROOTS: u32 = 1000;

/// A reset that did not happen; the boot order is the old one.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The stateroot of the new `/var`.
    #[error("{0}")]
    Stateroot(#[from] InitError),
    /// The deployment.
    #[error("{0}")]
    Deploy(#[from] DeployError),
    /// The deployment's directory.
    #[error("{0}")]
    Materialize(#[from] MaterializeError),
    /// What should be kept cannot be read or copied.
    #[error("{0}")]
    Keep(#[from] EtcMergeError),
    /// There is nothing to reset.
    #[error("no deployment for stateroot `{stateroot}`")]
    NoDeployment {
        /// The stateroot.
        stateroot: StaterootName,
    },
    /// What should be kept is not there.
    #[error("cannot keep `/etc/{path}`: there is no such file")]
    NothingToKeep {
        /// The path below `/etc`.
        path: String,
    },
    /// All names are taken.
    #[error("`{stateroot}` was reset too often: there is no free stateroot for it")]
    NoName {
        /// The stateroot.
        stateroot: StaterootName,
    },
}

/// How much is reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// `/etc`.
    #[default]
    Etc,
    /// `/etc` and `/var`.
    Var,
}

/// How a reset is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetOptions {
    /// The stateroot; `None` is the booted one.
    pub stateroot: Option<StaterootName>,
    /// How much.
    pub level: Level,
    /// Paths below `/etc` that are taken along, with all below them.
    pub keep: Vec<Vec<u8>>,
}

/// What a reset made.
#[derive(Clone, Debug)]
pub struct Reset {
    /// The deployment that boots next.
    pub deployed: Deployed,
    /// The one that was left, to go back to.
    pub left: DeploymentId,
    /// Paths below `/etc` that could not be taken along, in words.
    pub odd: Vec<etc_merge::OddFile>,
}

/// Makes a deployment with the defaults of the commit that is booted, or else would be booted next, and boots it next.
///
/// # Errors
/// [`ResetError`].
pub fn factory_reset(
    lock: &mut SysrootLock,
    options: &ResetOptions,
    sink: &dyn Sink,
) -> Result<Reset, ResetError> {
    let stateroot = lock.stateroot_or_booted(options.stateroot.as_ref())?;
    let left = lock.merge_source(&stateroot).cloned();
    let left = left.ok_or_else(|| ResetError::NoDeployment {
        stateroot: stateroot.clone(),
    })?;
    require_kept(lock, &left, &options.keep)?;
    let target = match options.level {
        Level::Etc => stateroot,
        Level::Var => free_stateroot(lock, &stateroot)?,
    };
    let deploy_options = DeployOptions {
        stateroot: Some(target),
        origin: left.origin.as_ref().map(Origin::without_transient),
        merge: match options.level {
            Level::Etc => MergeFrom::Current,
            Level::Var => MergeFrom::Nothing,
        },
        prune: Prune::Nothing,
        ..DeployOptions::default()
    };
    let mut prepared = deploy::prepare(lock, left.id.commit, &deploy_options)?;
    prepared.request.kargs = left.entry.options.clone();
    prepared.request.annotations = left.annotations();
    prepared.request.overlay_initrds = left.overlay_initrds.clone();
    cleanup::leftovers(lock).map_err(DeployError::from)?;
    let wish = deploy::check(lock, &prepared, &deploy_options)?;
    let deployment = materialize::check_out(lock, &prepared.request, sink)?;
    materialize::finish(lock, &deployment, None)?;
    let odd = take_along(lock, &left, &deployment, &options.keep)?;
    let id = deployment.id.clone();
    let made = deployment.clone();
    let published = deploy::place(lock, deployment, &wish)?;
    history::note_deployed(lock, &made);
    cleanup::leftovers(lock).map_err(DeployError::from)?;
    Ok(Reset {
        deployed: Deployed {
            id,
            merge: None,
            published,
            bytes_freed: 0,
        },
        left: left.id,
        odd,
    })
}

fn require_kept(lock: &SysrootLock, left: &Deployment, keep: &[Vec<u8>]) -> Result<(), ResetError> {
    let etc = lock.open_deployment(&left.id)?.open_dir("etc")?;
    for path in keep {
        let (parent, name) = split_path(path);
        let there = match etc.open_dir_beneath_optional(parent)? {
            Some(parent) if !name.is_empty() => parent.exists(name)?,
            _ => false,
        };
        if !there {
            return Err(ResetError::NothingToKeep { path: shown(path) });
        }
    }
    Ok(())
}

/// Finds a name for a stateroot that has no deployment, and makes it.
fn free_stateroot(
    lock: &SysrootLock,
    stateroot: &StaterootName,
) -> Result<StaterootName, ResetError> {
    let base = stateroot.as_str();
    let base = match base.rsplit_once("-reset-") {
        Some((base, number)) if number.parse::<u32>().is_ok() && !base.is_empty() => base,
        _ => base,
    };
    for number in 1..=MAX_STATEROOTS {
        let Ok(name) = StaterootName::new(format!("{base}-reset-{number}")) else {
            break;
        };
        let directory = lock
            .ostree
            .open_dir_optional(ostler_fs::Trusted(layout::stateroot(&name)))?;
        match directory {
            None => {
                stateroot::init_stateroot(lock, &name)?;
                return Ok(name);
            }
            // A reset that was killed left it; a /var that was in use is never taken.
            Some(directory)
                if cleanup::deployment_directories(&lock.ostree, &name)?.is_empty()
                    && directory.open_dir_optional("var")?.is_none_or(|var| {
                        var.entries().is_ok_and(|entries| entries.is_empty())
                    }) =>
            {
                return Ok(name);
            }
            Some(_) => {}
        }
    }
    Err(ResetError::NoName {
        stateroot: stateroot.clone(),
    })
}

fn take_along(
    lock: &SysrootLock,
    left: &Deployment,
    new: &Deployment,
    keep: &[Vec<u8>],
) -> Result<Vec<etc_merge::OddFile>, ResetError> {
    if keep.is_empty() {
        return Ok(Vec::new());
    }
    let person = lock.open_deployment(&left.id)?.open_dir("etc")?;
    let root = lock.open_deployment(&new.id)?;
    root.ensure_dir("etc", 0o755)?;
    let etc = root.open_dir("etc")?;
    let (defaults, theirs) = Snapshots::read_two(&etc, &person).map_err(EtcMergeError::from)?;
    let plan = MergePlan {
        actions: plan_keep(&defaults, &theirs, keep),
        ..MergePlan::default()
    };
    Ok(etc_merge::apply(&plan, &person, &etc)?.odd)
}

/// Decides how paths of a person's, with all below them, take the place of defaults.
fn plan_keep(defaults: &Snapshot, person: &Snapshot, keep: &[Vec<u8>]) -> Vec<Action> {
    let mut keep = keep.to_vec();
    keep.sort();
    keep.dedup();
    let all = keep.clone();
    // What a path above it brings along is not brought twice.
    keep.retain(|path| !parents(path).any(|parent| all.iter().any(|other| other == parent)));
    let mut made: Vec<Vec<u8>> = Vec::new();
    let mut actions = Vec::new();
    for path in &keep {
        for parent in parents(path) {
            let there = defaults.get(parent);
            if made.iter().any(|made| made == parent) || there.is_some_and(Node::is_dir) {
                continue;
            }
            if there.is_some() {
                actions.push(Action::Remove(parent.to_vec()));
            }
            actions.push(Action::MakeDir(parent.to_vec()));
            made.push(parent.to_vec());
        }
        if defaults.get(path).is_some() {
            actions.push(Action::Remove(path.clone()));
        }
        let named = person.get(path).map(|node| (path.as_slice(), node));
        for (path, node) in named.into_iter().chain(person.below(path)) {
            match node.content {
                Content::Directory { .. } => actions.push(Action::MakeDir(path.to_vec())),
                Content::File { .. } | Content::Symlink { .. } => {
                    actions.push(Action::Copy(path.to_vec()));
                }
                Content::Special(_) => {}
            }
        }
    }
    actions
}
