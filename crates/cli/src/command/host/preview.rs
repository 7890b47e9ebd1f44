//! What an upgrade would bring, without making it.

use anyhow::Context as _;
use ostler_deploy::upgrade::{self, ConflictsError, Fetch as _, FetchError, Target};
use ostler_deploy::{Deployment, Sysroot, base};
use ostler_format::{CommitId, ObjectKind, ObjectName};
use ostler_packages::changes;
use ostler_packages::database::{self, DatabaseError};
use ostler_store::Repo;

use super::fetch::Puller;
use super::options::HostOptions;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::text::{self, date};

/// How much is told of what would be deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Which commit.
    Commit,
    /// Which packages change and what the merge of `/etc` would find, too; the package database and the default configuration are fetched for that.
    Conflicts,
}

/// Prints the commit that would be deployed; 77 is the exit code where there is nothing newer.
pub(crate) fn print(
    context: &Context,
    host: &HostOptions,
    target: &Target,
    detail: Detail,
) -> anyhow::Result<Exit> {
    let sysroot = system::open(&host.sysroot)?;
    let stateroot = system::stateroot(host.stateroot.as_deref())?;
    let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
    let current = sysroot.merge_source(&stateroot);
    let current =
        current.with_context(|| format!("no previous deployment for stateroot `{stateroot}`"))?;
    let origin = current
        .origin
        .as_ref()
        .context("the current deployment has no origin")?;
    let followed = origin
        .refspec()?
        .context("the current deployment follows no ref")?;
    let repo = sysroot.repo();
    let mut puller = Puller::new(context);
    let failed =
        |error: FetchError| anyhow::anyhow!(error).context(format!("fetching `{followed}`"));
    let commit: CommitId = match (target, &followed.remote) {
        (Target::Commit(commit) | Target::AnyCommit(commit), _) => *commit,
        (_, Some(remote)) => puller
            .newest(repo, remote, &followed.name)
            .map_err(failed)?,
        (_, None) => repo.resolve(&followed.to_string())?,
    };
    let next = sysroot.next_of(&stateroot);
    if next.is_some_and(|next| next.id.commit == commit) {
        context.printer.line("No updates available.")?;
        return Ok(Exit::NothingToDo);
    }
    let name = ObjectName::new(commit.checksum(), ObjectKind::Commit);
    if let Some(remote) = followed
        .remote
        .as_ref()
        .filter(|_| !repo.has_object(&name).unwrap_or(false))
    {
        puller.fetch_commit(repo, remote, commit).map_err(failed)?;
    }
    tell_commit(context, repo, commit)?;
    if detail == Detail::Conflicts
        && let Some(remote) = &followed.remote
        && repo.is_partial(commit)?
    {
        let mut paths = database::paths();
        paths.push(upgrade::DEFAULT_ETC.to_owned());
        puller
            .fetch_paths(repo, remote, commit, &paths)
            .map_err(failed)?;
    }
    tell_packages(context, repo, [current.id.commit, commit], detail)?;
    if detail == Detail::Conflicts {
        tell_conflicts(context, &sysroot, current, commit)?;
    }
    Ok(Exit::Done)
}

fn tell_commit(context: &Context, repo: &Repo, commit: CommitId) -> anyhow::Result<()> {
    let found = repo.read_commit(commit)?;
    context.printer.line("AvailableUpdate:")?;
    let time = date::utc(found.timestamp).unwrap_or_default();
    match found.metadata.get_str("version") {
        Some(version) => context
            .printer
            .line(format_args!("        Version: {version} ({time})"))?,
        None => context
            .printer
            .line(format_args!("      Timestamp: {time}"))?,
    }
    context
        .printer
        .line(format_args!("         Commit: {commit}"))?;
    Ok(())
}

/// Tells what changes by package, as far as it is known: from the base of what is deployed.
fn tell_packages(
    context: &Context,
    repo: &Repo,
    [from, to]: [CommitId; 2],
    detail: Detail,
) -> anyhow::Result<()> {
    let changes = base::of_commit(repo, from)
        .map_err(DatabaseError::from)
        .and_then(|from| changes::between(repo, from, to));
    let changes = match changes {
        Ok(changes) => changes.unwrap_or_default(),
        Err(DatabaseError::NotHere { .. }) => return Ok(()),
        Err(problem) => {
            let problem = format_args!("packages were not compared: {problem}");
            context.printer.note(problem);
            return Ok(());
        }
    };
    if changes.changes.is_empty() {
        return Ok(());
    }
    let sum = text::packages::sum_up(&changes);
    context
        .printer
        .line(format_args!("           Diff: {sum}"))?;
    let described = match detail {
        Detail::Commit => "",
        Detail::Conflicts => &text::packages::describe_changes(&changes, &[]),
    };
    for line in described.lines() {
        context
            .printer
            .line(format_args!("                 {line}"))?;
    }
    Ok(())
}

/// Tells the conflicts that the merge of `/etc` would meet as it is now.
fn tell_conflicts(
    context: &Context,
    sysroot: &Sysroot,
    current: &Deployment,
    commit: CommitId,
) -> anyhow::Result<()> {
    let plan = match upgrade::etc_conflicts(sysroot, current, commit) {
        Err(ConflictsError::Merge(refused)) => {
            context
                .printer
                .line(format_args!("     EtcRefused: {refused}"))?;
            return Ok(());
        }
        plan => plan?,
    };
    let Some(plan) = plan else { return Ok(()) };
    let report = &plan.report;
    let (modified, removed, added) = (report.modified, report.removed, report.added);
    let conflicts = report.conflicts.len();
    context.printer.line(format_args!(
        "     EtcChanges: {modified} modified, {removed} removed, {added} added, {conflicts} in conflict"
    ))?;
    for conflict in &report.conflicts {
        context
            .printer
            .line(format_args!("                 {conflict}"))?;
    }
    Ok(())
}
