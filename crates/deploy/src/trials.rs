//! The trial of each deployment on disk: `/ostree/trials`, read by anyone, changed under the lock, and what carries out the steps of
//! [the machine](ostler_bootloader::trial).
//!
//! A deployment is put on trial just before it becomes the default, where its tree has the units that bring a trial to its end and there is another
//! deployment to go back to. A rollback is a change of the boot order like any other, between two writes of the state: before, that it is due;
//! after, that it is done. A power cut in between finds it due, and whatever boots then does it.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_bootloader::counting::{self, CountingError};
use ostler_bootloader::trial::{
    Loader, MAX_TRIALS_BYTES, Outcome, Record, Refusal, Standing, TRIALS, TrialId, Trials,
    TrialsError, Verdict,
};
use ostler_format::{CommitId, DeploymentName, EntryName};
use ostler_fs::{Durability, FsError, Trusted};

use serde_json::{Value as Json, json};

use crate::deployment::Deployment;
use crate::health_file::HealthFile;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::order::{self, OrderError};
use crate::plan::Wish;
use crate::sysroot::Sysroot;

/// Within a tree: the unit that brings a trial to its end.
const UNIT: &str = "usr/lib/systemd/system/ostler-health.service";

/// A trial that could not be told of or taken a step further.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The state.
    #[error("`ostree/trials`: {0}")]
    State(#[from] TrialsError),
    /// A boot loader that counts.
    #[error("{0}")]
    Counting(#[from] CountingError),
    /// The rollback.
    #[error("rolling back: {0}")]
    Order(#[from] Box<OrderError>),
    /// A verdict needs a system that runs from a deployment.
    #[error("not currently booted into an OSTree system")]
    NotBooted,
}

/// What a step of a trial came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing changed.
    Nothing,
    /// The running deployment has proven itself.
    Proven,
    /// The machine is to be booted again, for another try.
    Retry {
        /// Boots that are left after that one.
        left: u32,
    },
    /// The boot order is the old one again, and the machine is to be booted.
    RolledBack {
        /// The deployment that failed.
        from: DeploymentId,
        /// The one that boots next.
        to: DeploymentId,
    },
}

impl Step {
    /// Whether the machine is to be booted.
    #[must_use]
    pub fn reboots(&self) -> bool {
        matches!(self, Self::Retry { .. } | Self::RolledBack { .. })
    }
}

/// Returns the name by which trials know a deployment.
#[must_use]
pub fn trial_id(id: &DeploymentId) -> TrialId {
    TrialId {
        stateroot: id.stateroot.clone(),
        name: DeploymentName {
            commit: id.commit,
            serial: id.serial,
        },
    }
}

/// Reads the state; a system without one has no trials.
///
/// # Errors
/// [`TrialError::State`] if it is damaged.
pub fn read(sysroot: &Sysroot) -> Result<Trials, TrialError> {
    let text = sysroot.ostree.read_optional(TRIALS, MAX_TRIALS_BYTES)?;
    Ok(text
        .map(|text| Trials::parse(&text))
        .transpose()?
        .unwrap_or_default())
}

/// What is known of the trial of a deployment; `None` if it is untried.
#[must_use]
pub fn record<'a>(trials: &'a Trials, deployment: &Deployment) -> Option<&'a Record> {
    // One that is staged may have the name of one that was removed.
    let published = deployment.staged.is_none();
    trials
        .record(&trial_id(&deployment.id))
        .filter(|_| published)
}

/// Lets upgrades take a commit again; false if it was not refused.
///
/// # Errors
/// [`TrialError`].
pub fn take_again(lock: &SysrootLock, commit: CommitId) -> Result<bool, TrialError> {
    let mut trials = read(lock)?;
    let was_refused = trials.take_again(commit);
    if was_refused {
        write(lock, &trials)?;
    }
    Ok(was_refused)
}

/// The first step of a system that was booted: takes up a rollback that is due, and counts the boot where nobody else has.
///
/// # Errors
/// [`TrialError`].
pub fn started(lock: &mut SysrootLock) -> Result<Step, TrialError> {
    let loader = loader(lock);
    let boot = lock.host.boot_id.clone();
    step(lock, |trials, order, booted, now| {
        trials.started(order, booted, &boot, loader, now)
    })
}

/// Takes a verdict on the running deployment.
///
/// # Errors
/// [`TrialError`].
pub fn judge(lock: &mut SysrootLock, verdict: Verdict<'_>) -> Result<Step, TrialError> {
    step(lock, |trials, order, booted, now| {
        trials.judge(order, booted, verdict, now)
    })
}

/// A person takes the running deployment for good, whatever its trial has come to.
///
/// # Errors
/// [`TrialError`].
pub fn approve(lock: &mut SysrootLock) -> Result<Step, TrialError> {
    step(lock, |trials, _, booted, now| {
        trials.approve(booted, now);
        Outcome::Proven
    })
}

/// Puts a deployment on trial that becomes the default of `next`; what is in neither order is forgotten.
pub(crate) fn arm(
    lock: &SysrootLock,
    next: &[Deployment],
    new: &DeploymentId,
) -> Result<(), TrialError> {
    let mut trials = read_or_start_again(lock)?;
    let before = trials.clone();
    let all = || next.iter().chain(&lock.deployments);
    trials.forget(|id| all().any(|deployment| trial_id(&deployment.id) == *id));
    let is_default = next.first().is_some_and(|first| first.id == *new);
    let tries = match is_default {
        true => tries(lock, new)?,
        false => 0,
    };
    let beside: Vec<TrialId> = next
        .iter()
        .filter(|other| other.id != *new && other.staged.is_none())
        .filter(|other| other.id.stateroot == new.stateroot)
        .map(|other| trial_id(&other.id))
        .collect();
    let booted = lock.booted().map(|booted| trial_id(&booted.id));
    let fallback = trials.fallback(&beside, booted.as_ref());
    trials.arm(&trial_id(new), tries, fallback, now());
    if trials != before {
        write(lock, &trials)?;
    }
    Ok(())
}

/// Tells a boot loader with an environment of its own that the default is on trial, once it is the default; or that none is.
pub(crate) fn tell_loader(lock: &SysrootLock) -> Result<(), TrialError> {
    let Some(boot) = &lock.boot else {
        return Ok(());
    };
    let trials = read_or_start_again(lock)?;
    let mut published = lock.deployments.iter().filter(|it| it.staged.is_none());
    let default = published.next().and_then(|it| record(&trials, it));
    match default.map(|record| record.standing) {
        Some(Standing::Trial { left }) if left > 0 => counting::start(boot, left)?,
        _ => counting::stop(boot)?,
    }
    Ok(())
}

/// Ends the trials of the deployments that a person has made, or made no longer, the default.
pub(crate) fn chosen(lock: &SysrootLock, before: Option<&DeploymentId>) -> Result<(), TrialError> {
    let Some(default) = lock.deployments.first() else {
        return Ok(());
    };
    let mut trials = read_or_start_again(lock)?;
    let before = before.map(trial_id);
    let old = trials.clone();
    trials.chosen(&trial_id(&default.id), before.as_ref());
    if trials != old {
        write(lock, &trials)?;
    }
    tell_loader(lock)
}

/// How often a new deployment is tried; 0 where nothing in its tree would bring the trial to an end.
fn tries(lock: &SysrootLock, id: &DeploymentId) -> Result<u32, TrialError> {
    let root = lock.open_deployment(id)?;
    if root.open_in_root_optional(Trusted(UNIT))?.is_none() {
        return Ok(0);
    }
    // A file that can't be read is told of by the checks, and is no reason not to go on trial.
    Ok(HealthFile::read(&root).unwrap_or_default().tries)
}

/// A state that is damaged must not keep the next deployment from being made: it starts again, and trials that ran are over.
fn read_or_start_again(lock: &SysrootLock) -> Result<Trials, TrialError> {
    match read(lock) {
        Err(TrialError::State(_)) => Ok(Trials::default()),
        trials => trials,
    }
}

fn write(lock: &SysrootLock, trials: &Trials) -> Result<(), TrialError> {
    let text = trials.to_bytes();
    Ok(lock
        .ostree
        .write_atomic(TRIALS, text, 0o644, Durability::Synced)?)
}

type Move<'a> = &'a dyn Fn(&mut Trials, &[TrialId], &TrialId, u64) -> Outcome;

fn step(
    lock: &mut SysrootLock,
    step: impl Fn(&mut Trials, &[TrialId], &TrialId, u64) -> Outcome,
) -> Result<Step, TrialError> {
    let mut trials = read(lock)?;
    let outcome = take(lock, &mut trials, &step)?;
    match outcome {
        Outcome::Nothing => Ok(Step::Nothing),
        Outcome::Proven => {
            stop_counting(lock)?;
            Ok(Step::Proven)
        }
        Outcome::Retry { left } => Ok(Step::Retry { left }),
        Outcome::RollBack { from, to } => roll_back(lock, &mut trials, &from, &to),
    }
}

/// Asks the machine, and writes what it says before anything is done.
fn take(lock: &SysrootLock, trials: &mut Trials, step: Move<'_>) -> Result<Outcome, TrialError> {
    let booted = lock.booted().ok_or(TrialError::NotBooted)?;
    let published = lock.deployments.iter().filter(|it| it.staged.is_none());
    let order: Vec<TrialId> = published.map(|it| trial_id(&it.id)).collect();
    let before = trials.clone();
    let outcome = step(trials, &order, &trial_id(&booted.id), now());
    if *trials != before {
        write(lock, trials)?;
    }
    Ok(outcome)
}

fn roll_back(
    lock: &mut SysrootLock,
    trials: &mut Trials,
    from: &TrialId,
    to: &TrialId,
) -> Result<Step, TrialError> {
    let place = |lock: &SysrootLock, id: &TrialId| {
        let found = lock.deployments.iter().enumerate();
        let mut found = found.filter(|(_, it)| it.staged.is_none());
        found
            .find(|(_, it)| trial_id(&it.id) == *id)
            .map(|(index, it)| (index, it.id.clone()))
    };
    let (Some((_, from_id)), Some((index, to_id))) = (place(lock, from), place(lock, to)) else {
        return Ok(Step::Nothing);
    };
    let is_default = |lock: &SysrootLock| {
        let mut published = lock.deployments.iter().filter(|it| it.staged.is_none());
        published.next().is_some_and(|first| first.id == to_id)
    };
    if !is_default(lock) {
        order::change_unasked(lock, &Wish::MakeDefault(index)).map_err(Box::new)?;
    }
    tell_loader(lock)?;
    trials.rolled_back(from, now());
    write(lock, trials)?;
    Ok(Step::RolledBack {
        from: from_id,
        to: to_id,
    })
}

/// Takes the boot loader's counter away from the running deployment's entry, where the loader's own program has not done so.
fn stop_counting(lock: &mut SysrootLock) -> Result<(), TrialError> {
    tell_loader(lock)?;
    let name = lock.booted().and_then(|booted| booted.entry_name.clone());
    let parsed = name.as_deref().and_then(EntryName::parse);
    let (Some(name), Some(parsed), Some(boot)) = (name, parsed, &lock.boot) else {
        return Ok(());
    };
    if parsed.tries.is_none() {
        return Ok(());
    }
    let entries = boot.open_dir(Trusted(layout::entries(lock.boot_version)))?;
    let proven = EntryName {
        tries: None,
        ..parsed
    };
    entries.rename(name.as_str(), &entries, proven.to_string().as_str())?;
    entries.sync()?;
    Ok(())
}

/// A loader that counts leaves its default with no tries, and boots the next entry.
fn loader(lock: &SysrootLock) -> Loader {
    // What can't be read has counted nothing.
    if let Some(boot) = &lock.boot
        && counting::gave_up(boot).unwrap_or(false)
    {
        return Loader::GaveUp;
    }
    let mut published = lock.deployments.iter().filter(|it| it.staged.is_none());
    let has_none_left = |deployment: &Deployment| {
        let name = deployment.entry_name.as_deref().and_then(EntryName::parse);
        let tries = name.and_then(|name| name.tries);
        tries.is_some_and(|tries| tries.left == 0)
    };
    match published.next().is_some_and(has_none_left) {
        true => Loader::GaveUp,
        false => Loader::Obeyed,
    }
}

/// How a deployment stands, for a program: `null` if it is untried.
#[must_use]
pub fn as_json(trials: &Trials, deployment: &Deployment) -> Json {
    let Some(record) = record(trials, deployment) else {
        return Json::Null;
    };
    let left = match record.standing {
        Standing::Trial { left } => Some(left),
        Standing::Failed | Standing::Bad | Standing::Good => None,
    };
    json!({
        "state": record.standing.word(),
        "tries": record.tries,
        "tries-left": left,
        "boots": record.boots,
        "since": record.since,
        "why": record.why,
        "fallback": record.fallback.as_ref().map(|id| format!("{}-{}", id.stateroot, id.name)),
    })
}

/// The commits that upgrades do not take, for a program.
#[must_use]
pub fn refused_as_json(trials: &Trials) -> Json {
    let one = |(commit, refusal): (&CommitId, &Refusal)| json!({ "checksum": commit.to_string(), "since": refusal.since, "why": refusal.why });
    trials.refused().map(one).collect()
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// Says in words how a deployment stands.
#[must_use]
pub fn in_words(record: &Record) -> String {
    let why = record.why.as_deref();
    let why = why.map(|why| why.lines().next().unwrap_or_default());
    let because = why.map(|why| format!(": {why}")).unwrap_or_default();
    match record.standing {
        Standing::Good => "good".to_owned(),
        Standing::Trial { left } if record.boots == 0 => format!("on trial, {left} tries"),
        Standing::Trial { left } => {
            let (boots, tries) = (record.boots, record.tries);
            format!("on trial, boot {boots} of {tries}, {left} left{because}")
        }
        Standing::Failed => format!("failed, the rollback is due{because}"),
        Standing::Bad => format!("bad{because}"),
    }
}
