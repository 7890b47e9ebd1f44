//! What a new deployment follows, and which commit that is.

use ostler_format::origin::{Source, Unlocked};
use ostler_format::{CommitId, Origin, RefName, Refspec};
use ostler_store::{RefKey, Repo, StoreError};

use crate::deploy::MergeFrom;
use crate::deployment::Deployment;
use crate::lock::SysrootLock;

use super::fetch::{Fetch, Want};
use super::{Older, Steps, Target, UpgradeError, UpgradeOptions, before, require_not_bad};

/// How often one ref may send on to another.
const MAX_REDIRECTS: usize = 8;

/// What a new deployment follows.
pub(super) struct Follow {
    pub(super) origin: Origin,
    commit: Option<CommitId>,
    /// Whether that commit may be of another branch.
    any_branch: bool,
    /// The ref that is not needed any more.
    pub(super) old_ref: Option<Refspec>,
}

impl Follow {
    pub(super) fn new(
        current: &Deployment,
        options: &UpgradeOptions,
    ) -> Result<Self, UpgradeError> {
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
        if origin.is_layered().map_err(failed)? {
            return Err(UpgradeError::Layered {
                deployment: Box::new(current.id.clone()),
            });
        }
        let followed = origin.refspec().map_err(failed)?;
        origin.set_unlocked(Unlocked::None).map_err(failed)?;
        let (commit, old_ref) = match &options.target {
            Target::Newest | Target::Commit(_) | Target::AnyCommit(_) => {
                if let Some(state) = origin.unconfigured_state().map_err(failed)? {
                    return Err(UpgradeError::Unconfigured { state });
                }
                let commit = match options.target {
                    Target::Commit(commit) | Target::AnyCommit(commit) => Some(commit),
                    _ => None,
                };
                (commit, None)
            }
            Target::Switch {
                refspec,
                commit,
                keep_old_ref,
                custom,
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
                let source = Source::Refspec(refspec);
                match options.deploy.merge {
                    // As rpm-ostree does: what else was asked of the system is asked of another tree, too.
                    MergeFrom::Next => origin.set_source(&source).map_err(failed)?,
                    MergeFrom::Current | MergeFrom::Nothing => {
                        origin = Origin::new(&source).map_err(failed)?;
                    }
                }
                origin.set_custom(custom.as_ref()).map_err(failed)?;
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
            any_branch: matches!(options.target, Target::AnyCommit(_)),
            old_ref,
        })
    }

    /// Fetches, and follows refs that send on to others.
    pub(super) fn resolve(
        &mut self,
        lock: &SysrootLock,
        fetch: &mut dyn Fetch,
        options: &UpgradeOptions,
        current: &Deployment,
    ) -> Result<CommitId, UpgradeError> {
        let failed = |source| UpgradeError::Origin {
            deployment: Box::new(current.id.clone()),
            source,
        };
        let mut refspec = self.origin.refspec().map_err(failed)?;
        for _ in 0..=MAX_REDIRECTS {
            let Some(followed) = &refspec else { break };
            let commit = match options.steps {
                Steps::DeployOnly => self.local(&lock.repo, followed)?,
                Steps::All | Steps::FetchOnly => {
                    self.fetched(lock, fetch, followed, current, options)?
                }
            };
            if self.commit.is_some() {
                return Ok(commit);
            }
            let Some(next) = redirect(&lock.repo, commit, followed)? else {
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

    fn local(&self, repo: &Repo, followed: &Refspec) -> Result<CommitId, UpgradeError> {
        match self.commit {
            Some(commit) => {
                if !self.any_branch {
                    repo.set_ref(&RefKey::from_refspec(followed), Some(commit))?;
                }
                Ok(commit)
            }
            None => Ok(repo.resolve(&followed.to_string())?),
        }
    }

    fn fetched(
        &self,
        lock: &SysrootLock,
        fetch: &mut dyn Fetch,
        followed: &Refspec,
        current: &Deployment,
        options: &UpgradeOptions,
    ) -> Result<CommitId, UpgradeError> {
        let Some(remote) = &followed.remote else {
            return self.local(&lock.repo, followed);
        };
        let failed = |source| UpgradeError::Fetch {
            refspec: followed.to_string(),
            source,
        };
        let commit = match self.commit {
            Some(commit) => commit,
            None => fetch
                .newest(&lock.repo, remote, &followed.name)
                .map_err(failed)?,
        };
        require_not_bad(lock, options.if_bad, commit, current)?;
        let not_older_than = (options.older == Older::Refuse).then_some(current.id.commit);
        before::content_is_fetched(lock, fetch, followed, commit, current, not_older_than)?;
        let want = Want {
            remote,
            reference: (!self.any_branch).then_some(&followed.name),
            commit,
            not_older_than,
        };
        fetch.fetch(&lock.repo, &want).map_err(failed)?;
        Ok(commit)
    }
}

/// Returns the refspec that is meant: a bare ref is one of the remote that was followed so far.
#[must_use]
pub fn with_remote_of(refspec: &Refspec, followed: Option<&Refspec>) -> Refspec {
    let remote = refspec.remote.clone().or_else(|| followed?.remote.clone());
    Refspec {
        remote,
        name: refspec.name.clone(),
    }
}

/// Returns the ref that a commit without a future names as its successor.
pub(super) fn redirect(
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
