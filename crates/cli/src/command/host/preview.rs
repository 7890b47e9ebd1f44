//! What an upgrade would bring, without making it.

use anyhow::Context as _;
use ostler_deploy::upgrade::{Fetch as _, FetchError, Target};
use ostler_format::{CommitId, ObjectKind, ObjectName};

use super::fetch::Puller;
use super::options::HostOptions;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::text::date;

/// Prints the commit that would be deployed; 77 is the exit code where there is nothing newer.
pub(crate) fn print(
    context: &Context,
    host: &HostOptions,
    target: &Target,
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
        (Target::Commit(commit), _) => *commit,
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
    Ok(Exit::Done)
}
