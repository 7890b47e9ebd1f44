//! What a person or a program is told of the deployments.
//!
//! A [`Status`] is read without privilege and without a booted system. [`Status::ostree_text`] is what `ostree admin status` prints,
//! [`Status::ostree_json`] what it prints with `--json`, and [`Status::rpm_ostree_json`] has the keys of `rpm-ostree status --json` for
//! all that exists here.

use ostler_bootloader::trial::{Record, Trials};
use ostler_format::CommitId;
use ostler_format::origin::Unlocked;
use serde_json::{Value as Json, json};

mod rpm_ostree;

use crate::deployment::Deployment;
use crate::etc_merge::MergeReport;
use crate::finalization;
use crate::merge_record;
use crate::signatures::{self, SignatureError};
use crate::sysroot::{Sysroot, SysrootError};
use crate::trials;

/// What is done with signatures that are not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// They are described.
    Describe,
    /// They are an error.
    Require,
}

/// The deployments of a system root, in boot order.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// What boots next comes first.
    pub deployments: Vec<DeploymentStatus>,
    /// Why the last staged deployment could not be finished at shutdown, and the way out.
    pub last_failure: Option<String>,
    /// The trials of all, and the commits that are refused.
    pub trials: Trials,
    /// Why nothing is known of them.
    pub trials_damaged: Option<String>,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentStatus {
    /// The deployment itself.
    pub deployment: Deployment,
    /// Its place in the boot order.
    pub index: usize,
    /// It boots next, and does not run.
    pub pending: bool,
    /// It ran before the running one.
    pub rollback: bool,
    /// What its commit says of itself; `None` if the commit is not in the repository.
    pub commit: Option<CommitStatus>,
    /// What the origin follows, as text.
    pub origin: Option<String>,
    /// What the merge of its `/etc` did; `None` if it was not recorded.
    pub merge: Option<MergeReport>,
    /// How it stands in its trial; `None` if it is untried.
    pub trial: Option<Record>,
    /// Its commit's signatures, in lines; none before [`Status::judge_signatures`].
    pub signatures: Vec<String>,
}

/// What a commit says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitStatus {
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: u64,
    /// A version for people.
    pub version: Option<String>,
    /// What it was built from.
    pub source_title: Option<String>,
    /// Why no update will come, in words.
    pub end_of_life: Option<String>,
}

impl Status {
    /// Gathers what there is to tell of a system root.
    ///
    /// A commit that cannot be read is left out; its deployment is there all the same.
    ///
    /// # Errors
    /// [`SysrootError`] if a record of a merge can't be read.
    pub fn read(sysroot: &Sysroot) -> Result<Self, SysrootError> {
        let (pending, rollback) = sysroot.pending_and_rollback();
        // What is damaged there must not keep the rest from being told.
        let (trials, trials_damaged) = match trials::read(sysroot) {
            Ok(trials) => (trials, None),
            Err(error) => (Trials::default(), Some(error.to_string())),
        };
        let one = |(index, deployment): (usize, &Deployment)| {
            Ok(DeploymentStatus {
                index,
                pending: pending == Some(index),
                rollback: rollback == Some(index),
                commit: commit_status(sysroot, deployment.id.commit),
                origin: origin_text(deployment),
                merge: merge_record::read(sysroot, &deployment.id)?,
                trial: trials::record(&trials, deployment).cloned(),
                deployment: deployment.clone(),
                signatures: Vec::new(),
            })
        };
        let deployments = sysroot
            .deployments
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_, SysrootError>>()?;
        Ok(Self {
            deployments,
            last_failure: finalization::last_failure(sysroot)?,
            trials,
            trials_damaged,
        })
    }

    /// Describes the signatures of each deployment's commit, as far as the remote of its origin asks for some. With
    /// [`Judge::Require`] one that is not signed as its remote asks for is an error.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn judge_signatures(
        &mut self,
        sysroot: &Sysroot,
        judge: Judge,
    ) -> Result<(), SignatureError> {
        for status in &mut self.deployments {
            let Some(origin) = &status.deployment.origin else {
                continue;
            };
            let commit = status.deployment.id.commit;
            status.signatures = match judge {
                Judge::Describe => signatures::describe(sysroot, commit, origin)?,
                Judge::Require => signatures::verified(sysroot, commit, origin)?,
            };
        }
        Ok(())
    }

    /// Returns what `ostree admin status` prints.
    #[must_use]
    pub fn ostree_text(&self) -> String {
        if self.deployments.is_empty() {
            return "No deployments.\n".to_owned();
        }
        self.deployments
            .iter()
            .map(DeploymentStatus::ostree_text)
            .collect()
    }

    /// Returns what `ostree admin status --json` prints.
    #[must_use]
    pub fn ostree_json(&self) -> Json {
        json!({ "deployments": self.deployments.iter().map(DeploymentStatus::ostree_json).collect::<Vec<_>>() })
    }

    /// Returns what `rpm-ostree status --json` prints, with `etc-merge`, `trial`, `finalize-failure` and `refused-commits`; `sysroot` is the one that it was read of.
    #[must_use]
    pub fn rpm_ostree_json(&self, sysroot: &Sysroot) -> Json {
        let one = |status: &DeploymentStatus| {
            let mut keys = rpm_ostree::deployment(sysroot, status);
            keys["trial"] = trials::as_json(&self.trials, &status.deployment);
            keys
        };
        json!({
            "deployments": self.deployments.iter().map(one).collect::<Vec<_>>(),
            "transaction": null,
            "cached-update": null,
            "update-driver": null,
            "finalize-failure": self.last_failure,
            "refused-commits": trials::refused_as_json(&self.trials),
        })
    }
}

impl DeploymentStatus {
    /// Returns the version of its commit.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.commit.as_ref()?.version.as_deref()
    }

    fn source_title(&self) -> Option<&str> {
        self.commit.as_ref()?.source_title.as_deref()
    }

    fn ostree_text(&self) -> String {
        let deployment = &self.deployment;
        let state = match (deployment.staged, self.pending, self.rollback) {
            (Some(staged), ..) if staged.locked => " (staged) (finalization locked)",
            (Some(_), ..) => " (staged)",
            (None, true, _) => " (pending)",
            (None, false, true) => " (rollback)",
            (None, false, false) => "",
        };
        let mut text = format!(
            "{} {}{state}\n",
            if deployment.booted { '*' } else { ' ' },
            deployment.id
        );
        let mut line = |line: String| {
            text.push_str("    ");
            text.push_str(&line);
            text.push('\n');
        };
        if let Some(version) = self.version() {
            line(format!("Version: {version}"));
        }
        if deployment.unlocked != Unlocked::None {
            line(format!("Unlocked: {}", deployment.unlocked.as_str()));
        }
        if deployment.is_pinned() {
            line("Pinned: yes".to_owned());
        }
        match (&deployment.origin, &self.origin) {
            (None, _) => line("origin: none".to_owned()),
            (Some(_), None) => line("origin: <unknown origin type>".to_owned()),
            (Some(_), Some(origin)) => line(format!("origin refspec: {origin}")),
        }
        if let Some(title) = self.source_title().filter(|_| deployment.origin.is_some()) {
            line(format!("`- {title}"));
        }
        self.signatures.iter().cloned().for_each(line);
        text
    }

    fn ostree_json(&self) -> Json {
        let deployment = &self.deployment;
        let mut keys = json!({
            "checksum": deployment.id.commit.to_string(),
            "stateroot": deployment.id.stateroot.as_str(),
            "refspec": self.origin,
            "serial": deployment.id.serial,
            "index": self.index,
            "booted": deployment.booted,
            "pending": self.pending,
            "rollback": self.rollback,
            "finalization-locked": deployment.staged.is_some_and(|staged| staged.locked),
            "soft-reboot-target": false,
            "staged": deployment.staged.is_some(),
            "pinned": deployment.is_pinned(),
            "unlocked": deployment.unlocked.as_str(),
        });
        insert_some(&mut keys, "version", self.version().map(Json::from));
        insert_some(
            &mut keys,
            "source-title",
            self.source_title().map(Json::from),
        );
        keys
    }
}

fn insert_some(keys: &mut Json, key: &str, value: Option<Json>) {
    if let (Some(keys), Some(value)) = (keys.as_object_mut(), value) {
        keys.insert(key.to_owned(), value);
    }
}

fn commit_status(sysroot: &Sysroot, commit: CommitId) -> Option<CommitStatus> {
    let commit = sysroot.repo.read_commit(commit).ok()?;
    let text = |key: &str| commit.metadata.get_str(key).map(str::to_owned);
    Some(CommitStatus {
        timestamp: commit.timestamp,
        version: text("version"),
        source_title: text("ostree.source-title"),
        end_of_life: text("ostree.endoflife"),
    })
}

/// The origin was checked when it was read.
fn origin_text(deployment: &Deployment) -> Option<String> {
    deployment.refspec().ok().flatten()
}
