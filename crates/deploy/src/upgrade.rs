//! The newest commit of what a deployment follows becomes the next boot.
//!
//! Fetching is left to a [`Fetch`], so that this crate neither dials out nor knows how a commit is put together.

use std::error::Error;

use ostler_format::origin::{OriginError, Source};
use ostler_format::{CommitId, Origin, RefName, Refspec, RemoteName, StaterootName};
use ostler_store::progress::Sink;
use ostler_store::{RefKey, Repo, StoreError};

use crate::deploy::{self, DeployError, DeployOptions, Deployed};
use crate::deployment::Deployment;
use crate::layout::DeploymentId;
use crate::lock::SysrootLock;
use crate::staged::{self, Finalization, StageError, StagedDeployment};
use crate::sysroot::SysrootError;

/// How often one ref may send on to another.
const MAX_REDIRECTS: usize = 8;

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// From where.
    pub remote: &'a RemoteName,
    /// Which ref; it moves to the commit that was fetched.
    pub reference: &'a RefName,
    /// This commit, in place of the ref's newest.
    pub commit: Option<CommitId>,
    /// A commit that is older than this one is refused before its content is fetched, and the ref stays.
    pub not_older_than: Option<CommitId>,
}

/// Brings commits into a repository.
pub trait Fetch {
    /// Brings a commit whole into the repository, and moves the ref of its remote.
    ///
    /// # Errors
    /// Whatever stopped it; what was fetched so far stays for the next time.
    fn fetch(&mut self, repo: &Repo, want: &Want<'_>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

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
    /// Fetching failed.
    #[error("fetching `{refspec}`: {source}")]
    Fetch {
        /// What should have been fetched.
        refspec: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
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
    /// Refs send on to each other without an end.
    #[error("`{refspec}` sends on to another ref more than {MAX_REDIRECTS} times")]
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
    /// This commit.
    Commit(CommitId),
    /// The newest commit of another ref, or this one, which is followed from then on.
    Switch {
        /// The other ref.
        refspec: Refspec,
        /// A commit of it, in place of the newest.
        commit: Option<CommitId>,
        /// Whether the old ref stays in the repository.
        keep_old_ref: bool,
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
    /// When it is finished.
    pub finish: Finish,
    /// A commit that boots next already.
    pub if_pending: IfPending,
    /// Stateroot, kernel arguments and the rest; the origin is set by the upgrade.
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
    let current = lock
        .merge_source(&stateroot)
        .cloned()
        .ok_or(UpgradeError::NoDeployment { stateroot })?;
    let mut follow = Follow::new(&current, options)?;
    let commit = follow.resolve(lock.repo(), fetch, options, &current)?;
    let switches = matches!(options.target, Target::Switch { .. });
    if commit == current.id.commit && !switches {
        return Ok(Upgraded::Unchanged);
    }
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

/// What a new deployment follows.
struct Follow {
    origin: Origin,
    commit: Option<CommitId>,
    /// The ref that is not needed any more.
    old_ref: Option<Refspec>,
}

impl Follow {
    fn new(current: &Deployment, options: &UpgradeOptions) -> Result<Self, UpgradeError> {
        let failed = |source| UpgradeError::Origin {
            deployment: Box::new(current.id.clone()),
            source,
        };
        let nothing = || UpgradeError::NothingFollowed {
            deployment: Box::new(current.id.clone()),
        };
        let mut origin = current
            .origin
            .clone()
            .ok_or_else(nothing)?
            .without_transient();
        let followed = origin.refspec().map_err(failed)?;
        origin
            .set_unlocked(ostler_format::origin::Unlocked::None)
            .map_err(failed)?;
        let (commit, old_ref) = match &options.target {
            Target::Newest | Target::Commit(_) => {
                if let Some(state) = origin.unconfigured_state().map_err(failed)? {
                    return Err(UpgradeError::Unconfigured { state });
                }
                let commit = match options.target {
                    Target::Commit(commit) => Some(commit),
                    _ => None,
                };
                (commit, None)
            }
            Target::Switch {
                refspec,
                commit,
                keep_old_ref,
            } => {
                let refspec = with_remote_of(refspec, followed.as_ref());
                if followed.as_ref() == Some(&refspec) && commit.is_none() {
                    return Err(UpgradeError::SameRef {
                        refspec: refspec.to_string(),
                    });
                }
                let old_ref = followed
                    .clone()
                    .filter(|old| !keep_old_ref && *old != refspec);
                origin = Origin::new(&Source::Refspec(refspec)).map_err(failed)?;
                (*commit, old_ref)
            }
        };
        origin.set_override_commit(commit).map_err(failed)?;
        if origin.refspec().map_err(failed)?.is_none() {
            return Err(nothing());
        }
        Ok(Self {
            origin,
            commit,
            old_ref,
        })
    }

    /// Fetches, and follows refs that send on to others.
    fn resolve(
        &mut self,
        repo: &Repo,
        fetch: &mut dyn Fetch,
        options: &UpgradeOptions,
        current: &Deployment,
    ) -> Result<CommitId, UpgradeError> {
        let failed = |source| UpgradeError::Origin {
            deployment: Box::new(current.id.clone()),
            source,
        };
        let not_older_than = (options.older == Older::Refuse).then_some(current.id.commit);
        let mut refspec = self.origin.refspec().map_err(failed)?;
        for _ in 0..=MAX_REDIRECTS {
            let Some(followed) = &refspec else { break };
            if let Some(remote) = followed
                .remote
                .as_ref()
                .filter(|_| options.steps != Steps::DeployOnly)
            {
                let want = Want {
                    remote,
                    reference: &followed.name,
                    commit: self.commit,
                    not_older_than,
                };
                fetch
                    .fetch(repo, &want)
                    .map_err(|source| UpgradeError::Fetch {
                        refspec: followed.to_string(),
                        source,
                    })?;
            }
            if let Some(commit) = self.commit {
                repo.set_ref(&RefKey::from_refspec(followed), Some(commit))?;
                return Ok(commit);
            }
            let commit = repo.resolve(&followed.to_string())?;
            let Some(next) = redirect(repo, commit, followed)? else {
                return Ok(commit);
            };
            self.origin
                .set_source(&Source::Refspec(next.clone()))
                .map_err(failed)?;
            refspec = Some(next);
        }
        let refspec = refspec
            .map(|refspec| refspec.to_string())
            .unwrap_or_default();
        Err(UpgradeError::TooManyRedirects { refspec })
    }
}

/// A bare ref is one of the remote that was followed so far.
fn with_remote_of(refspec: &Refspec, followed: Option<&Refspec>) -> Refspec {
    let remote = refspec.remote.clone().or_else(|| followed?.remote.clone());
    Refspec {
        remote,
        name: refspec.name.clone(),
    }
}

/// Returns the ref that a commit without a future names as its successor.
fn redirect(
    repo: &Repo,
    commit: CommitId,
    followed: &Refspec,
) -> Result<Option<Refspec>, UpgradeError> {
    let commit = repo.read_commit(commit)?;
    let Some(name) = commit.metadata.get_str("ostree.endoflife-rebase") else {
        return Ok(None);
    };
    let name = RefName::new(name).map_err(StoreError::from)?;
    Ok(Some(Refspec {
        remote: followed.remote.clone(),
        name,
    }))
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
    let next = lock
        .deployments
        .iter()
        .find(|deployment| deployment.id.stateroot == current.id.stateroot);
    next.is_some_and(|next| {
        let followed = next.origin.as_ref().map(|origin| origin.refspec().ok());
        next.id.commit == commit && followed == Some(origin.refspec().ok())
    })
}
