//! How upgrades, and those who want to know of them, get commits: by the store's pull, from the remotes of a repository.

use std::sync::Arc;

use ostler_deploy::upgrade::{Fetch, FetchError, Want};
use ostler_format::{CommitId, ObjectKind, ObjectName, RefName, RemoteName};
use ostler_store::Repo;
use ostler_store::progress::{Silent, Sink};
use ostler_store::pull::{
    self, DeltaUse, NetworkOptions, PullError, PullOptions, PullReport, PullTarget, TimestampCheck,
};
use ostler_store::reachable::Depth;
use ostler_store::remote::Remote;

use crate::command::values::netrc;
use crate::context::Context;
use crate::version;

/// Pulls commits of remotes.
pub(crate) struct Puller {
    sink: Arc<dyn Sink>,
    user_agent: String,
    limit_rate: Option<u64>,
}

impl Puller {
    /// Returns one that shows its progress on a terminal.
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            sink: context.sink(),
            user_agent: version::user_agent(context.personality, None),
            limit_rate: context.limit_rate(),
        }
    }

    /// Brings the commits of a ref's history without their trees, as far as the remote has them, and returns the newest one.
    ///
    /// # Errors
    /// Whatever stopped it.
    pub(crate) fn history(
        &self,
        repo: &Repo,
        name: &RemoteName,
        reference: &RefName,
    ) -> anyhow::Result<CommitId> {
        let remote = remote(repo, name)?;
        let newest = pull::remote_ref(repo, &remote, reference, &self.network())?;
        self.bring_commits(repo, &remote, newest, Depth::All)?;
        Ok(newest)
    }

    /// Brings the commit that a ref of the remote points to, without its tree, and returns it.
    ///
    /// # Errors
    /// Whatever stopped it.
    pub(crate) fn announcement(
        &self,
        repo: &Repo,
        name: &RemoteName,
        reference: &RefName,
    ) -> anyhow::Result<CommitId> {
        let remote = remote(repo, name)?;
        let newest = pull::remote_ref(repo, &remote, reference, &self.network())?;
        if !repo.has_object(&ObjectName::new(newest.checksum(), ObjectKind::Commit))? {
            self.bring_commits(repo, &remote, newest, Depth::Parents(0))?;
        }
        Ok(newest)
    }

    /// Brings a commit, and so many of those before it, without their trees.
    fn bring_commits(
        &self,
        repo: &Repo,
        remote: &Remote,
        newest: CommitId,
        depth: Depth,
    ) -> anyhow::Result<()> {
        let options = PullOptions {
            commit_only: true,
            depth,
            ..self.options(PullTarget::Commit(newest))
        };
        pull::pull(repo, remote, &options, &Silent)?;
        Ok(())
    }

    /// Asks how many bytes would come by static deltas to a commit; `None` if none leads there from what is here.
    ///
    /// # Errors
    /// Whatever stopped it.
    pub(crate) fn delta_bytes(
        &self,
        repo: &Repo,
        name: &RemoteName,
        commit: CommitId,
    ) -> anyhow::Result<Option<u64>> {
        let options = PullOptions {
            deltas: DeltaUse::Required,
            dry_run: true,
            ..self.options(PullTarget::Commit(commit))
        };
        match pull::pull(repo, &remote(repo, name)?, &options, &Silent) {
            Ok(report) => Ok(Some(
                (report.deltas.bytes_total).saturating_sub(report.deltas.bytes_present),
            )),
            Err(PullError::NoDelta { .. } | PullError::DeltasInArchive) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn options(&self, target: PullTarget) -> PullOptions {
        PullOptions {
            targets: vec![target],
            network: self.network(),
            ..PullOptions::default()
        }
    }

    fn network(&self) -> NetworkOptions {
        NetworkOptions {
            user_agent: Some(self.user_agent.clone()),
            netrc: netrc(),
            limit_rate: self.limit_rate,
            ..NetworkOptions::default()
        }
    }

    fn pull(
        &self,
        repo: &Repo,
        name: &RemoteName,
        options: &PullOptions,
        sink: &dyn Sink,
    ) -> Result<PullReport, FetchError> {
        Ok(pull::pull(repo, &remote(repo, name)?, options, sink)?)
    }
}

impl Fetch for Puller {
    fn newest(
        &mut self,
        repo: &Repo,
        name: &RemoteName,
        reference: &RefName,
    ) -> Result<CommitId, FetchError> {
        Ok(pull::remote_ref(
            repo,
            &remote(repo, name)?,
            reference,
            &self.network(),
        )?)
    }

    fn fetch_commit(
        &mut self,
        repo: &Repo,
        name: &RemoteName,
        commit: CommitId,
    ) -> Result<(), FetchError> {
        let options = PullOptions {
            commit_only: true,
            ..self.options(PullTarget::Commit(commit))
        };
        self.pull(repo, name, &options, &Silent)?;
        Ok(())
    }

    fn fetch_paths(
        &mut self,
        repo: &Repo,
        name: &RemoteName,
        commit: CommitId,
        paths: &[String],
    ) -> Result<(), FetchError> {
        let options = PullOptions {
            subpaths: paths.to_vec(),
            ..self.options(PullTarget::Commit(commit))
        };
        self.pull(repo, name, &options, &*self.sink)?;
        Ok(())
    }

    fn fetch(&mut self, repo: &Repo, want: &Want<'_>) -> Result<(), FetchError> {
        let options = PullOptions {
            timestamp_check: want
                .not_older_than
                .map_or(TimestampCheck::Off, TimestampCheck::Against),
            ..self.options(match want.reference {
                Some(reference) => PullTarget::RefAt(reference.clone(), want.commit),
                None => PullTarget::Commit(want.commit),
            })
        };
        self.pull(repo, want.remote, &options, &*self.sink)?;
        Ok(())
    }
}

fn remote(repo: &Repo, name: &RemoteName) -> Result<Remote, ostler_store::remote::RemoteError> {
    repo.remote(name.as_str(), repo.remotes_dir(None).as_deref())
}
