//! The system root that a verb works on.

use anyhow::Context as _;
use ostler_deploy::deploy::{self, DeployOptions, Deployed};
use ostler_deploy::etc_merge::{FileAgainstDirectory, MergeReport};
use ostler_deploy::finalization;
use ostler_deploy::lock_owner::{self, HeldBy};
use ostler_deploy::publish::Published;
use ostler_deploy::staged::{self, Finalization, StagedDeployment};
use ostler_deploy::upgrade::Finish;
use ostler_deploy::{Deployment, Settings, Sysroot, SysrootLock};
use ostler_format::{CommitId, StaterootName};
use ostler_store::transaction::format_size;

use crate::context::Context;
use crate::grammar::SysrootOption;
use crate::personality::Personality;
use crate::text::date;

/// Opens the system root to look at it; needs no privilege.
pub(crate) fn open(option: &SysrootOption) -> anyhow::Result<Sysroot> {
    Ok(Sysroot::open(option.path(), Settings::from_environment())?)
}

/// Finds the deployment of a stateroot, the booted one's unless one is given, that boots next.
pub(crate) fn next_of(
    sysroot: &Sysroot,
    stateroot: Option<&StaterootName>,
) -> anyhow::Result<Deployment> {
    let stateroot = sysroot.stateroot_or_booted(stateroot)?;
    let next = sysroot.next_of(&stateroot).cloned();
    next.with_context(|| format!("no deployment for stateroot `{stateroot}`"))
}

/// Opens the system root to change it, and says for whom it waits.
pub(crate) fn lock(context: &Context, option: &SysrootOption) -> anyhow::Result<SysrootLock> {
    let mut waiting = |holders: &[ostler_fs::lock::Holder]| {
        // Without what the holder says of itself, its number and name will do.
        let held = lock_owner::held_by(option.path()).unwrap_or_default();
        let mut names: Vec<String> = held.iter().map(shown_holder).collect();
        if names.is_empty() {
            names.extend(holders.iter().map(ToString::to_string));
        }
        let by = if names.is_empty() {
            "another process".to_owned()
        } else {
            names.join(", ")
        };
        context
            .printer
            .note(format_args!("waiting for {by}, which changes this system"));
    };
    let settings = Settings {
        // Scripts of these programs rely on the refusal.
        file_against_directory: match context.personality {
            Personality::Ostler => FileAgainstDirectory::Keep,
            Personality::Ostree | Personality::RpmOstree => FileAgainstDirectory::Refuse,
        },
        ..Settings::from_environment()
    };
    Ok(SysrootLock::acquire(option.path(), settings, &mut waiting)?)
}

/// Names who holds the lock of a system root, what it does and since when.
pub(crate) fn shown_holder(held: &HeldBy) -> String {
    let Some(owner) = &held.owner else {
        return held.holder.to_string();
    };
    let since = date::utc(owner.since).unwrap_or_default();
    let (what, pid, user) = (&owner.what, owner.pid, owner.user);
    format!("`{what}` (pid {pid}, user {user}, since {since})")
}

/// Parses the name of a stateroot that may be given.
pub(crate) fn stateroot(given: Option<&str>) -> anyhow::Result<Option<StaterootName>> {
    Ok(given.map(StaterootName::new).transpose()?)
}

/// Says when a change of a host verb is finished: at shutdown where the running system does that, or else at once.
pub(crate) fn finish(lock: &SysrootLock, lock_finalization: bool) -> anyhow::Result<Finish> {
    if lock_finalization {
        return Ok(Finish::Staged(Finalization::Locked));
    }
    Ok(match finalization::finishes_at_shutdown(lock)? {
        true => Finish::Staged(Finalization::AtShutdown),
        false => Finish::Now,
    })
}

/// Deploys a commit that is here already, now or at shutdown as the running system does it, and tells of it.
pub(crate) fn deploy(
    context: &Context,
    lock: &mut SysrootLock,
    commit: CommitId,
    options: &DeployOptions,
    lock_finalization: bool,
) -> anyhow::Result<()> {
    let sink = context.sink();
    match finish(lock, lock_finalization)? {
        Finish::Staged(finalization) => {
            let staged = staged::stage(lock, commit, options, finalization, &*sink)?;
            tell_staged(context, &staged);
        }
        Finish::Now => {
            let deployed = deploy::deploy(lock, commit, options, &*sink)?;
            tell_deployed(context, &deployed)?;
        }
    }
    Ok(())
}

/// Tells what a new deployment is, and what its merge of `/etc` did.
pub(crate) fn tell_deployed(context: &Context, deployed: &Deployed) -> anyhow::Result<()> {
    if let Some(merge) = &deployed.merge {
        tell_merge(context, merge)?;
    }
    tell_published(context, deployed.published.as_ref())?;
    tell_freed(context, deployed.bytes_freed)
}

/// Tells what waits for the shutdown, and what the merge of `/etc` would do now.
pub(crate) fn tell_staged(context: &Context, staged: &StagedDeployment) {
    for conflict in staged
        .merge
        .iter()
        .flat_map(|merge| &merge.report.conflicts)
    {
        context.printer.warning(conflict);
    }
    let when = match staged.finalization {
        Finalization::AtShutdown => "it is finished when the system stops",
        Finalization::Locked => "it is locked until `ostler finalize-deployment`",
    };
    context
        .printer
        .note(format_args!("staged `{}`; {when}", staged.id));
}

/// Tells how much room the removal of objects gave back, if any.
pub(crate) fn tell_freed(context: &Context, bytes: u64) -> anyhow::Result<()> {
    if bytes > 0 {
        let text = format!("Freed objects: {}", format_size(bytes));
        match context.personality {
            Personality::Ostree => context.printer.line(text)?,
            Personality::Ostler | Personality::RpmOstree => context.printer.note(text),
        }
    }
    Ok(())
}

/// Tells what the merge of `/etc` did: counts, and each path that deserves a look.
fn tell_merge(context: &Context, merge: &MergeReport) -> anyhow::Result<()> {
    let (modified, removed, added) = (merge.modified, merge.removed, merge.added);
    let counts =
        format!("Copying /etc changes: {modified} modified, {removed} removed, {added} added");
    match context.personality {
        Personality::Ostree => context.printer.line(counts)?,
        Personality::Ostler | Personality::RpmOstree => context.printer.note(counts),
    }
    for conflict in &merge.conflicts {
        context.printer.warning(conflict);
    }
    for odd in &merge.odd {
        context.printer.warning(odd);
    }
    Ok(())
}

/// Tells what became of the boot order, as the name that the program was called by does.
pub(crate) fn tell_published(
    context: &Context,
    published: Option<&Published>,
) -> anyhow::Result<()> {
    let Some(published) = published else {
        return Ok(());
    };
    for warning in &published.warnings {
        context.printer.warning(warning);
    }
    let change = i128::try_from(published.count)? - i128::try_from(published.count_before)?;
    let text = format!(
        "{}; bootconfig swap: {}; bootversion: {}, deployment count change: {change}",
        if published.one_step {
            "Transaction complete"
        } else {
            "Bootloader updated"
        },
        if published.entries { "yes" } else { "no" },
        published.bootlinks,
    );
    match context.personality {
        Personality::Ostree => context.printer.line(text)?,
        Personality::Ostler | Personality::RpmOstree => context.printer.debug(text),
    }
    Ok(())
}
