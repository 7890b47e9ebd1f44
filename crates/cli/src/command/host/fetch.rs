//! How upgrades get their commits: by the store's pull, from the remotes of the system repository.

use std::error::Error;
use std::sync::Arc;

use ostler_deploy::upgrade::{Fetch, Want};
use ostler_format::{CommitId, RefName, RemoteName};
use ostler_store::progress::Sink;
use ostler_store::pull::{self, PullOptions, PullTarget, TimestampCheck};
use ostler_store::reachable::Depth;
use ostler_store::{RefKey, Repo};

use crate::context::Context;

/// Pulls commits of remotes.
pub(crate) struct Puller {
    sink: Arc<dyn Sink>,
}

impl Puller {
    /// Returns one that shows its progress on a terminal.
    pub(crate) fn new(context: &Context) -> Self {
        Self { sink: context.sink() }
    }
}

impl Fetch for Puller {
    fn fetch(&mut self, repo: &Repo, want: &Want<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let target = match want.commit {
            Some(commit) => PullTarget::RefAt(want.reference.clone(), commit),
            None => PullTarget::Ref(want.reference.clone()),
        };
        let options = PullOptions {
            targets: vec![target],
            timestamp_check: want.not_older_than.map_or(TimestampCheck::Off, TimestampCheck::Against),
            ..PullOptions::default()
        };
        pull(repo, want.remote, &options, &*self.sink)?;
        Ok(())
    }
}
