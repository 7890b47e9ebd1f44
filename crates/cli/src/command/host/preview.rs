//! What an upgrade would bring, without making it.

use anyhow::Context as _;
use ostler_deploy::upgrade::Target;
use ostler_format::CommitId;

use super::fetch;
use super::options::HostOptions;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::text::date;

/// Prints the commit that would be deployed; 77 is the exit code where there is nothing newer.
pub(crate) fn print(context: &Context, host: &HostOptions, target: &Target) -> anyhow::Result<Exit> {
    let sysroot = system::open(&host.sysroot)?;
    let stateroot = system::stateroot(host.stateroot.as_deref())?;
    let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
    let current = sysroot.merge_source(&stateroot);
    let current = current.with_context(|| format!("no previous deployment for stateroot `{stateroot}`"))?;
    let origin = current.origin.as_ref().context("the current deployment has no origin")?;
    let followed = origin.refspec()?.context("the current deployment follows no ref")?;
    let commit: CommitId = match (target, &followed.remote) {
        (Target::Commit(commit), _) => *commit,
        (_, Some(remote)) => fetch::newest(context, sysroot.repo(), remote, &followed.name)?,
        (_, None) => sysroot.repo().resolve(&followed.to_string())?,
    };
    let next = sysroot.deployments.iter().find(|deployment| deployment.id.stateroot == stateroot);
    if next.is_some_and(|next| next.id.commit == commit) {
        context.printer.line("No updates available.")?;
        return Ok(Exit::NothingToDo);
    }
    let found = sysroot.repo().read_commit(commit)?;
    context.printer.line("AvailableUpdate:")?;
    let time = date::utc(found.timestamp).unwrap_or_default();
    match found.metadata.get_str("version") {
        Some(version) => context.printer.line(format_args!("        Version: {version} ({time})"))?,
        None => context.printer.line(format_args!("      Timestamp: {time}"))?,
    }
    context.printer.line(format_args!("         Commit: {commit}"))?;
    Ok(Exit::Done)
}
