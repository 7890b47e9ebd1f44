//! What a retention policy holds in this system root.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_format::{CommitId, StaterootName};

use crate::deployment::Deployment;
use crate::host_file::{HostFile, HostFileError};
use crate::plan::Slot;
use crate::retention::{Candidate, Held, Retention};
use crate::trials;

use super::Sysroot;

impl Sysroot {
    /// Reads the retention policy of a stateroot, in `/etc` of the deployment that a new one would continue.
    ///
    /// # Errors
    /// [`HostFileError`].
    pub fn retention(&self, stateroot: &StaterootName) -> Result<Retention, HostFileError> {
        let Some(source) = self.merge_source(stateroot) else {
            return Ok(Retention::default());
        };
        match self.open_deployment(&source.id)?.open_dir_optional("etc")? {
            Some(etc) => Ok(HostFile::read(&etc)?.retention),
            None => Ok(Retention::default()),
        }
    }

    /// Says why the policy of a stateroot holds each deployment, in boot order; others than the stateroot's are held by none. `coming` is the
    /// commit of a new one in front of them.
    ///
    /// # Errors
    /// [`HostFileError`].
    pub fn held(
        &self,
        stateroot: &StaterootName,
        coming: Option<CommitId>,
    ) -> Result<Vec<Option<Held>>, HostFileError> {
        let policy = self.retention(stateroot)?;
        if !policy.is_set() {
            return Ok(vec![None; self.deployments.len()]);
        }
        let version = |commit: CommitId| -> Option<String> {
            let commit = self.repo.read_commit(commit).ok()?;
            commit.metadata.get_str("version").map(str::to_owned)
        };
        let candidate = |deployment: &Deployment| {
            let commit = deployment.id.commit;
            Candidate {
                stateroot: deployment.id.stateroot.to_string(),
                version: version(commit),
                timestamp: self
                    .repo
                    .read_commit(commit)
                    .ok()
                    .map(|found| found.timestamp),
            }
        };
        let candidates: Vec<Candidate> = self.deployments.iter().map(candidate).collect();
        let coming_version = coming.and_then(version);
        let coming = coming.map(|_| (stateroot.as_str(), coming_version.as_deref()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let held = policy.holds(&candidates, coming, now).into_iter();
        let own = |(held, deployment): (Option<Held>, &Deployment)| {
            held.filter(|_| deployment.id.stateroot == *stateroot)
        };
        Ok(held.zip(&self.deployments).map(own).collect())
    }

    /// Returns what plans need to know, with what the policy of a stateroot holds beside a new deployment of `coming`, and what a deployment on
    /// trial may go back to.
    ///
    /// # Errors
    /// [`HostFileError`].
    pub fn slots_beside(
        &self,
        stateroot: &StaterootName,
        coming: Option<CommitId>,
    ) -> Result<Vec<Slot>, HostFileError> {
        let held = self.held(stateroot, coming)?;
        let mut slots = self.slots();
        // A state that can't be read has no trials, and the next deployment starts it again.
        let trials = trials::read(self).unwrap_or_default();
        for ((slot, held), deployment) in slots.iter_mut().zip(held).zip(&self.deployments) {
            slot.held = held.is_some() || trials.is_needed(&trials::trial_id(&deployment.id));
        }
        Ok(slots)
    }
}
