//! What `upgrade`, `rebase` and `deploy` have in common.

use ostler_deploy::deploy::{DeployOptions, MergeFrom};
use ostler_deploy::upgrade::{
    self, IfBad, IfPending, Older, Steps, Target, UpgradeOptions, Upgraded,
};

use super::driver;
use super::fetch::Puller;
use super::options::HostOptions;
use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;

/// A change of what boots next.
pub(crate) struct Change {
    pub(crate) target: Target,
    pub(crate) steps: Steps,
    pub(crate) older: Older,
    pub(crate) unchanged_exit_77: bool,
    pub(crate) bypass_driver: bool,
    pub(crate) if_bad: IfBad,
}

/// Returns how far to go.
pub(crate) fn steps(cache_only: bool, download_only: bool) -> Steps {
    match (cache_only, download_only) {
        (true, _) => Steps::DeployOnly,
        (false, true) => Steps::FetchOnly,
        (false, false) => Steps::All,
    }
}

/// Says whether a commit that has failed its trial is taken.
pub(crate) fn if_bad(retry: bool) -> IfBad {
    match retry {
        true => IfBad::Retry,
        false => IfBad::Refuse,
    }
}

/// Makes the change and tells what it did.
pub(crate) fn run(context: &Context, host: &HostOptions, change: Change) -> anyhow::Result<Exit> {
    let mut lock = system::lock(context, &host.sysroot)?;
    if !change.bypass_driver {
        driver::require_none(context, &lock)?;
    }
    let options = UpgradeOptions {
        target: change.target,
        steps: change.steps,
        older: change.older,
        if_bad: change.if_bad,
        finish: system::finish(&lock, host.lock_finalization)?,
        if_pending: IfPending::Leave,
        deploy: DeployOptions {
            stateroot: system::stateroot(host.stateroot.as_deref())?,
            merge: MergeFrom::Next,
            ..DeployOptions::default()
        },
    };
    let sink = context.sink();
    match upgrade::upgrade(&mut lock, &mut Puller::new(context), &options, &*sink)? {
        Upgraded::Unchanged => {
            context.printer.line("No upgrade available.")?;
            return Ok(if change.unchanged_exit_77 {
                Exit::NothingToDo
            } else {
                Exit::Done
            });
        }
        Upgraded::Fetched(commit) => {
            context.printer.line(format_args!(
                "Downloaded {commit}; deploy it with --cache-only"
            ))?;
            return Ok(Exit::Done);
        }
        Upgraded::Staged(staged) => system::tell_staged(context, &staged),
        Upgraded::Deployed(deployed) => {
            system::tell_deployed(context, &deployed)?;
            let commit = lock.repo().read_commit(deployed.id.commit)?;
            let version = commit
                .metadata
                .get_str("version")
                .map(|version| format!(", version {version}"));
            let version = version.unwrap_or_default();
            context
                .printer
                .line(format_args!("Deployed {}{version}", deployed.id))?;
        }
    }
    reboot::after_change(context, &lock, host.reboot)?;
    Ok(Exit::Done)
}
