//! A commit becomes the next boot: checked, made, published, and what it replaces removed.

use std::path::PathBuf;

use ostler_format::kargs::KargsError;
use ostler_format::{Checksum, CommitId, KernelArgs, Origin, StaterootName};
use ostler_fs::FsError;
use ostler_store::progress::Sink;

use crate::cleanup::{self, CleanupError};
use crate::deployment::Deployment;
use crate::etc_merge::MergeReport;
use crate::finalization;
use crate::history;
use crate::host_file::HostFileError;
use crate::initramfs_etc::{self, InitramfsEtcError};
use crate::kargs::defaults::{Defaults, DefaultsError};
use crate::kargs::sources::{self, Annotations};
use crate::kargs::{Inherited, KargsWish};
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::materialize::{self, MaterializeError, Request};
use crate::order;
use crate::overlay::{self, OverlayError};
use crate::plan::{self, PlanError, Position, Retain, Wish};
use crate::preflight::{self, PreflightError};
use crate::publish::{self, PublishError, Published};
use crate::signatures::{self, SignatureError};
use crate::sysroot::SysrootError;
use crate::trials::{self, TrialError};

/// A commit could not be deployed; the old boot order is in place unless only the cleanup failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A deployment that is there.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The kernel arguments.
    #[error("{0}")]
    Kargs(#[from] KargsError),
    /// The kernel arguments that the tree brings along.
    #[error("{0}")]
    DefaultKargs(#[from] DefaultsError),
    /// An initrd that should be added.
    #[error("{0}")]
    Overlay(#[from] OverlayError),
    /// Files of `/etc` that go along with the initramfs.
    #[error("{0}")]
    InitramfsEtc(#[from] InitramfsEtcError),
    /// What must hold before anything is written.
    #[error("{0}")]
    Preflight(#[from] PreflightError),
    /// The commit lacks signatures that its remote asks for.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// The deployment itself.
    #[error("{0}")]
    Materialize(#[from] MaterializeError),
    /// The host file, for what should stay.
    #[error("{0}")]
    HostFile(#[from] HostFileError),
    /// The trial of the new deployment.
    #[error("{0}")]
    Trial(#[from] TrialError),
    /// The boot order.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// Its publication.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// What it replaced.
    #[error("performing cleanup: {0}")]
    Cleanup(#[from] CleanupError),
}

/// Whose `/etc` and kernel arguments a new deployment takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergeFrom {
    /// The booted deployment's, or else the first one's of the stateroot.
    #[default]
    Current,
    /// `/etc` of the same one, and the arguments of the one of the stateroot that boots next, so that a change of them which waits for its boot
    /// is not lost.
    Next,
    /// Nobody's: the commit's own `/etc`, and no arguments.
    Nothing,
}

/// Whether objects that nothing needs any more are removed afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// They are.
    #[default]
    Objects,
    /// They stay.
    Nothing,
}

/// How a commit is deployed.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// The stateroot; `None` is the booted one.
    pub stateroot: Option<StaterootName>,
    /// Where the commit came from, and what an upgrade follows.
    pub origin: Option<Origin>,
    /// The kernel arguments.
    pub kargs: KargsWish,
    /// `/etc`, and the arguments to start with.
    pub merge: MergeFrom,
    /// What stays beside it.
    pub retain: Retain,
    /// Where it goes.
    pub position: Position,
    /// Files with initrds that are added to its own.
    pub overlay_initrds: Vec<PathBuf>,
    /// Objects that nothing needs.
    pub prune: Prune,
}

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            stateroot: None,
            origin: None,
            kargs: KargsWish::default(),
            merge: MergeFrom::Current,
            retain: Retain::default(),
            position: Position::Default,
            overlay_initrds: Vec::new(),
            prune: Prune::Objects,
        }
    }
}

/// What became of a deployment.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its name.
    pub id: DeploymentId,
    /// What the merge of `/etc` did; `None` if there was nothing to merge with.
    pub merge: Option<MergeReport>,
    /// The publication.
    pub published: Option<Published>,
    /// Bytes of objects that were removed afterwards.
    pub bytes_freed: u64,
}

/// Deploys a commit that is whole in the repository.
///
/// # Errors
/// [`DeployError`]; the same call again starts anew.
pub fn deploy(
    lock: &mut SysrootLock,
    commit: CommitId,
    options: &DeployOptions,
    sink: &dyn Sink,
) -> Result<Deployed, DeployError> {
    let prepared = prepare(lock, commit, options)?;
    cleanup::leftovers(lock)?;
    let wish = check(lock, &prepared, options)?;
    let deployment = materialize::check_out(lock, &prepared.request, sink)?;
    let merge = materialize::finish(lock, &deployment, prepared.merge.as_ref())?;
    let id = deployment.id.clone();
    let made = deployment.clone();
    let published = place(lock, deployment, &wish)?;
    history::note_deployed(lock, &made);
    // What was staged once is replaced, and so is the news of it.
    finalization::forget_failure(lock).map_err(SysrootError::from)?;
    let bytes_freed = match options.prune {
        Prune::Objects => cleanup::full(lock)?.bytes_freed,
        Prune::Nothing => {
            cleanup::leftovers(lock)?;
            0
        }
    };
    Ok(Deployed {
        id,
        merge,
        published,
        bytes_freed,
    })
}

/// Checks all that can fail later, and returns what is asked of the boot order.
pub(crate) fn check(
    lock: &SysrootLock,
    prepared: &Prepared,
    options: &DeployOptions,
) -> Result<Wish, DeployError> {
    let index = |id: &DeploymentId| lock.deployments.iter().position(|now| now.id == *id);
    let wish = Wish::Add {
        stateroot: prepared.request.stateroot.to_string(),
        merge: prepared.merge.as_ref().and_then(index),
        retain: options.retain,
        position: options.position,
    };
    preflight::commit(lock, &prepared.request, &wish)?;
    Ok(wish)
}

/// Publishes a boot order with a new deployment in it, which is on trial if it is the default.
pub(crate) fn place(
    lock: &mut SysrootLock,
    deployment: Deployment,
    wish: &Wish,
) -> Result<Option<Published>, DeployError> {
    let slots = lock.slots_beside(&deployment.id.stateroot, Some(deployment.id.commit))?;
    let order = plan::plan(&slots, wish)?;
    let next = order::arrange(&lock.deployments, &order, Some(&deployment));
    // Before it can be booted.
    trials::arm(lock, &next, &deployment.id)?;
    let published = publish::publish(lock, &next)?;
    trials::tell_loader(lock)?;
    Ok(published)
}

/// What is known of a deployment before anything is written.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) merge: Option<DeploymentId>,
}

pub(crate) fn prepare(
    lock: &SysrootLock,
    commit: CommitId,
    options: &DeployOptions,
) -> Result<Prepared, DeployError> {
    let stateroot = lock.stateroot_or_booted(options.stateroot.as_ref())?;
    lock.require_stateroot(&stateroot)?;
    signatures::require(lock, commit, options.origin.as_ref())?;
    let merge = match options.merge {
        MergeFrom::Current | MergeFrom::Next => lock.merge_source(&stateroot),
        MergeFrom::Nothing => None,
    };
    let continued = match options.merge {
        MergeFrom::Next => lock.next_of(&stateroot),
        MergeFrom::Current | MergeFrom::Nothing => merge,
    };
    let (kargs, annotations) = kernel_arguments(lock, commit, continued, &options.kargs)?;
    let mut overlay_initrds: Vec<Checksum> = overlay::stage(lock, &options.overlay_initrds)?;
    if let (Some(merge), Some(origin)) = (merge, &options.origin) {
        overlay_initrds.extend(initramfs_etc::stage(lock, merge, origin)?);
    }
    Ok(Prepared {
        merge: merge.map(|deployment| deployment.id.clone()),
        request: Request {
            stateroot,
            commit,
            origin: options.origin.clone(),
            kargs,
            annotations,
            overlay_initrds,
        },
    })
}

/// The arguments of a new deployment that continues another one, and the keys of its boot entry that say whose they are.
fn kernel_arguments(
    lock: &SysrootLock,
    commit: CommitId,
    continued: Option<&Deployment>,
    wish: &KargsWish,
) -> Result<(KernelArgs, Annotations), DeployError> {
    let inherited = match continued {
        None => Inherited::default(),
        Some(deployment) => Inherited {
            kargs: deployment.entry.options.clone(),
            defaults: match Defaults::of_deployment(&lock.open_deployment(&deployment.id)?) {
                // Another program has deployed it: it is no reason to stay on this tree for ever.
                Err(DefaultsError::File { .. }) => Defaults::default(),
                defaults => defaults?,
            },
            owned: sources::all_owned(deployment),
        },
    };
    let defaults = Defaults::of_commit(&lock.repo, commit)?;
    let kargs = wish.apply(&inherited, &lock.host.kernel_command_line, &defaults)?;
    let mut annotations = continued.map(Deployment::annotations).unwrap_or_default();
    for (name, owned) in &wish.owned {
        sources::set_owned(&mut annotations, name, owned);
    }
    Ok((kargs, annotations))
}
