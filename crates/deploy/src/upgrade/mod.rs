//! The newest commit of what a deployment follows becomes the next boot.
//!
//! Fetching is left to a [`Fetch`], so that this crate neither dials out nor knows how a commit is put together. Before the content of a commit
//! is fetched, its time, its size and its kernel are looked at: what would fail later is refused while it costs nothing.

mod before;
mod conflicts;
mod fetch;
mod follow;

use ostler_format::origin::OriginError;
use ostler_format::{CommitId, Origin, Refspec, StaterootName};
use ostler_store::progress::Sink;
use ostler_store::{RefKey, Repo, StoreError};

use crate::deploy::{self, DeployError, DeployOptions, Deployed, MergeFrom};
use crate::deployment::Deployment;
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::preflight::PreflightError;
use crate::staged::{self, Finalization, StageError, StagedDeployment};
use crate::sysroot::SysrootError;
use crate::trials::{self, TrialError};

use follow::Follow;

pub use conflicts::{ConflictsError, DEFAULT_ETC, etc_conflicts};
pub use fetch::{Fetch, FetchError, Want};
pub use follow::with_remote_of;

/// An upgrade that did not happen; the boot order is the old one.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The origin.
    #[error("the origin of `{deployment}`: {source}")]
    Origin {
        /// The deployment that has it.
        deployment: Box<DeploymentId>,
        /// What is wrong with it.
        source: OriginError,
    },
    /// There is nothing to upgrade.
    #[error("no previous deployment for stateroot `{stateroot}`")]
    NoDeployment {
        /// The stateroot.
        stateroot: StaterootName,
    },
    /// Nobody said what to follow.
    #[error("deployment `{deployment}` has no origin that can be followed")]
    NothingFollowed {
        /// The deployment.
        deployment: Box<DeploymentId>,
    },
    /// What comes from the remote lacks what was layered on it.
    #[error(
        "deployment `{deployment}` has packages or an initramfs of its own, which cannot be put on another tree yet"
    )]
    Layered {
        /// The deployment.
        deployment: Box<DeploymentId>,
    },
    /// A person must do something first.
    #[error("origin unconfigured-state: {state}")]
    Unconfigured {
        /// What, in the words of who set up the origin.
        state: String,
    },
    /// A switch to what is followed already.
    #[error("old and new refs are equal: `{refspec}`")]
    SameRef {
        /// Both.
        refspec: String,
    },
    /// What is known of the commit before its content is fetched.
    #[error("{0}")]
    Preflight(#[from] PreflightError),
    /// Fetching failed.
    #[error("fetching `{refspec}`: {source}")]
    Fetch {
        /// What should have been fetched.
        refspec: String,
        /// Why not.
        source: FetchError,
    },
    /// The commit is older than the one that is deployed.
    #[error(
        "Upgrade target revision `{new}` with timestamp {new_timestamp} is chronologically older than current revision `{current}` with timestamp {current_timestamp}"
    )]
    Older {
        /// The commit.
        new: CommitId,
        /// Seconds since 1970-01-01 UTC.
        new_timestamp: u64,
        /// The one that is deployed.
        current: CommitId,
        /// Seconds since 1970-01-01 UTC.
        current_timestamp: u64,
    },
    /// It was tried before.
    #[error("refused: commit {commit} failed its trial{} because {why}", on(*since))]
    Bad {
        /// The commit.
        commit: CommitId,
        /// Seconds since 1970-01-01 UTC; 0 if nobody knew the time.
        since: u64,
        /// Why it failed.
        why: String,
    },
    /// Which commits have failed their trial.
    #[error("{0}")]
    Trial(#[from] TrialError),
    /// Refs send on to each other without an end.
    #[error("`{refspec}` is one of more than 8 refs that send on to each other")]
    TooManyRedirects {
        /// The last one.
        refspec: String,
    },
    /// Deploying failed.
    #[error("{0}")]
    Deploy(#[from] DeployError),
    /// Staging failed.
    #[error("{0}")]
    Stage(#[from] StageError),
}

/// What an upgrade goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The newest commit of what is followed.
    #[default]
    Newest,
    /// This commit of what is followed.
    Commit(CommitId),
    /// This commit, of whatever branch it is; the ref that is followed stays where it is.
    AnyCommit(CommitId),
    /// The newest commit of another ref, or this one, which is followed from then on.
    Switch {
        /// The other ref.
        refspec: Refspec,
        /// A commit of it, in place of the newest.
        commit: Option<CommitId>,
        /// Whether the old ref stays in the repository.
        keep_old_ref: bool,
        /// Where it is described who manages it, and that in words.
        custom: Option<(String, String)>,
    },
}

/// How far an upgrade goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Steps {
    /// Fetch and deploy.
    #[default]
    All,
    /// Fetch alone.
    FetchOnly,
    /// Deploy what was fetched before.
    DeployOnly,
}

/// Whether an older commit than the deployed one is deployed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Older {
    /// It is not.
    #[default]
    Refuse,
    /// It is.
    Allow,
}

/// Whether a commit that has failed its trial is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfBad {
    /// It is not.
    #[default]
    Refuse,
    /// It is.
    Retry,
}

/// When a new deployment is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// At once.
    #[default]
    Now,
    /// When the system stops.
    Staged(Finalization),
}

/// What to do if the commit is what boots next already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfPending {
    /// Deploy it once more, with what changed in `/etc` since.
    #[default]
    Redeploy,
    /// Nothing.
    Leave,
}

/// How an upgrade is made.
#[derive(Clone, Debug, Default)]
pub struct UpgradeOptions {
    /// What it goes to.
    pub target: Target,
    /// How far it goes.
    pub steps: Steps,
    /// Older commits.
    pub older: Older,
    /// Commits that failed their trial.
    pub if_bad: IfBad,
    /// When it is finished.
    pub finish: Finish,
    /// A commit that boots next already.
    pub if_pending: IfPending,
    /// Stateroot, kernel arguments and the rest; the origin is that of the deployment whose arguments are taken, with what the upgrade changes.
    pub deploy: DeployOptions,
}

/// What became of an upgrade.
#[derive(Debug)]
pub enum Upgraded {
    /// There is nothing newer.
    Unchanged,
    /// The commit was fetched.
    Fetched(CommitId),
    /// The commit is deployed.
    Deployed(Deployed),
    /// The commit is deployed at shutdown.
    Staged(StagedDeployment),
}

/// Upgrades a stateroot.
///
/// # Errors
/// [`UpgradeError`].
pub fn upgrade(
    lock: &mut SysrootLock,
    fetch: &mut dyn Fetch,
    options: &UpgradeOptions,
    sink: &dyn Sink,
) -> Result<Upgraded, UpgradeError> {
    let stateroot = lock.stateroot_or_booted(options.deploy.stateroot.as_ref())?;
    let current =
        lock.merge_source(&stateroot)
            .cloned()
            .ok_or_else(|| UpgradeError::NoDeployment {
                stateroot: stateroot.clone(),
            })?;
    let continued = match options.deploy.merge {
        MergeFrom::Next => lock.next_of(&stateroot).unwrap_or(&current),
        MergeFrom::Current | MergeFrom::Nothing => &current,
    };
    let mut follow = Follow::new(continued, options)?;
    let commit = follow.resolve(lock, fetch, options, &current)?;
    let switches = matches!(options.target, Target::Switch { .. });
    if commit == current.id.commit && !switches {
        return Ok(Upgraded::Unchanged);
    }
    require_not_bad(lock, options.if_bad, commit, &current)?;
    if options.older == Older::Refuse {
        require_newer(lock.repo(), current.id.commit, commit)?;
    }
    if options.steps == Steps::FetchOnly {
        return Ok(Upgraded::Fetched(commit));
    }
    if options.if_pending == IfPending::Leave && is_next(lock, &current, commit, &follow.origin) {
        return Ok(Upgraded::Unchanged);
    }
    let deploy = DeployOptions {
        stateroot: Some(current.id.stateroot.clone()),
        origin: Some(follow.origin),
        ..options.deploy.clone()
    };
    let upgraded = match options.finish {
        Finish::Now => Upgraded::Deployed(deploy::deploy(lock, commit, &deploy, sink)?),
        Finish::Staged(finalization) => {
            Upgraded::Staged(staged::stage(lock, commit, &deploy, finalization, sink)?)
        }
    };
    if let Some(old) = follow.old_ref {
        lock.repo().set_ref(&RefKey::from_refspec(&old), None)?;
    }
    Ok(upgraded)
}

/// Refuses a commit that has failed its trial, but for the one that is there.
fn require_not_bad(
    lock: &SysrootLock,
    if_bad: IfBad,
    commit: CommitId,
    current: &Deployment,
) -> Result<(), UpgradeError> {
    if if_bad == IfBad::Retry || commit == current.id.commit {
        return Ok(());
    }
    match trials::read(lock)?.refusal(commit) {
        None => Ok(()),
        Some(refusal) => Err(UpgradeError::Bad {
            commit,
            since: refusal.since,
            why: refusal.why.lines().next().unwrap_or_default().to_owned(),
        }),
    }
}

/// The day of a time, in words; nothing for a time that nobody knew.
fn on(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    match time {
        Some(time) if seconds > 0 => format!(" on {}", time.strftime("%Y-%m-%d")),
        _ => String::new(),
    }
}

fn require_newer(repo: &Repo, current: CommitId, new: CommitId) -> Result<(), UpgradeError> {
    let (current_timestamp, new_timestamp) = (
        repo.read_commit(current)?.timestamp,
        repo.read_commit(new)?.timestamp,
    );
    match current_timestamp > new_timestamp {
        true => Err(UpgradeError::Older {
            new,
            new_timestamp,
            current,
            current_timestamp,
        }),
        false => Ok(()),
    }
}

/// Whether the commit boots next already, from the same origin.
fn is_next(lock: &SysrootLock, current: &Deployment, commit: CommitId, origin: &Origin) -> bool {
    let next = lock.next_of(&current.id.stateroot);
    next.is_some_and(|next| {
        let followed = next.origin.as_ref().map(|origin| origin.refspec().ok());
        next.id.commit == commit && followed == Some(origin.refspec().ok())
    })
}
