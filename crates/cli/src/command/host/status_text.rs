//! The deployments as a person reads them.

use anstyle::{AnsiColor, Style};
use ostler_deploy::lock_owner::HeldBy;
use ostler_deploy::status::{DeploymentStatus, Status};
use ostler_deploy::trials;
use ostler_deploy::update_driver::UpdateDriver;
use ostler_deploy::update_policy::UpdatePolicy;
use ostler_format::origin::Unlocked;

use crate::command::admin::system;
use crate::context::Context;
use crate::text::date;

/// Columns that the names of fields are aligned to.
const NAME_WIDTH: usize = 24;

/// Who upgrades this host but people.
pub(crate) struct Updates {
    /// What a timer may do.
    pub(crate) policy: Option<UpdatePolicy>,
    /// A program that does it.
    pub(crate) driver: Option<UpdateDriver>,
}

/// Prints the deployments, what boots next first.
pub(crate) fn print(
    context: &Context,
    status: &Status,
    held: &[HeldBy],
    updates: &Updates,
    diffs: &[Option<String>],
) -> anyhow::Result<()> {
    let state = if held.is_empty() { "idle" } else { "busy" };
    context.printer.line(format_args!("State: {state}"))?;
    if let Some(policy) = updates.policy {
        let policy = match policy {
            UpdatePolicy::None => "disabled",
            policy => policy.as_str(),
        };
        let line = format_args!("AutomaticUpdates: {policy}");
        context.printer.line(line)?;
    }
    if let Some(driver) = &updates.driver {
        let (name, unit) = (&driver.name, &driver.unit);
        let line = format_args!("AutomaticUpdatesDriver: {name} ({unit})");
        context.printer.line(line)?;
    }
    for held in held {
        let shown = system::shown_holder(held);
        context.printer.line(format_args!("Transaction: {shown}"))?;
    }
    if let Some(failure) = &status.last_failure {
        let warning =
            format!("Warning: the last staged deployment could not be finished: {failure}");
        context.printer.line(
            context
                .printer
                .paint(AnsiColor::Red.on_default().bold(), &warning),
        )?;
    }
    print_trials(context, status)?;
    if status.deployments.is_empty() {
        context.printer.line("No deployments.")?;
        return Ok(());
    }
    context.printer.line("Deployments:")?;
    let first = &status.deployments[0].deployment.id.stateroot;
    let several = status
        .deployments
        .iter()
        .any(|status| status.deployment.id.stateroot != *first);
    for (index, deployment) in status.deployments.iter().enumerate() {
        if index > 0 {
            context.printer.line("")?;
        }
        let diff = diffs.get(index).and_then(Option::as_deref);
        print_one(context, deployment, several, diff)?;
    }
    Ok(())
}

/// Tells which commits upgrades do not take.
fn print_trials(context: &Context, status: &Status) -> anyhow::Result<()> {
    if let Some(damaged) = &status.trials_damaged {
        let line = format_args!("Warning: nothing is known of trials: {damaged}");
        context.printer.line(line)?;
    }
    for (commit, refusal) in status.trials.refused() {
        let since = date::utc(refusal.since).filter(|_| refusal.since > 0);
        let since = since
            .map(|since| format!(" on {since}"))
            .unwrap_or_default();
        let why = refusal.why.lines().next().unwrap_or_default();
        let line = format!("Refused: {commit} failed its trial{since}: {why}");
        let line = context.printer.paint(AnsiColor::Red.on_default(), &line);
        context.printer.line(line)?;
    }
    Ok(())
}

fn print_one(
    context: &Context,
    status: &DeploymentStatus,
    show_stateroot: bool,
    diff: Option<&str>,
) -> anyhow::Result<()> {
    let printer = &context.printer;
    let deployment = &status.deployment;
    let bullet = match (deployment.booted, printer.out_is_terminal()) {
        (true, true) => '●',
        (true, false) => '*',
        (false, _) => ' ',
    };
    let origin = status.origin.as_deref().unwrap_or("(no origin)");
    let roles: Vec<&str> = roles(status).collect();
    let roles = if roles.is_empty() {
        String::new()
    } else {
        format!(" ({})", roles.join(", "))
    };
    printer.line(format_args!(
        "{bullet} {}{roles}",
        printer.paint(Style::new().bold(), origin)
    ))?;
    let verbose = printer.is_verbose();
    let mut fields = fields(status, show_stateroot || verbose);
    extras(&mut fields, status, verbose)?;
    fields.extend(diff.map(|diff| ("Diff", diff.to_owned())));
    for (name, value) in fields {
        printer.line(format_args!("{name:>NAME_WIDTH$}: {value}"))?;
    }
    let merge = status.merge.iter();
    for line in merge.flat_map(|merge| {
        merge
            .conflicts
            .iter()
            .map(ToString::to_string)
            .chain(merge.odd.iter().map(ToString::to_string))
    }) {
        let line = printer.paint(AnsiColor::Yellow.on_default(), &line);
        printer.line(format_args!("{:>NAME_WIDTH$}  {line}", ""))?;
    }
    Ok(())
}

fn roles(status: &DeploymentStatus) -> impl Iterator<Item = &'static str> {
    let deployment = &status.deployment;
    let staged = deployment.staged.is_some();
    [
        (deployment.booted, "booted"),
        (staged, "staged"),
        (status.pending && !staged, "pending"),
        (status.rollback, "rollback"),
    ]
    .into_iter()
    .filter_map(|(is, role)| is.then_some(role))
}

type Fields = Vec<(&'static str, String)>;

/// Adds what was asked for beyond the tree, and the details.
fn extras(fields: &mut Fields, status: &DeploymentStatus, verbose: bool) -> anyhow::Result<()> {
    let deployment = &status.deployment;
    if let Some(origin) = &deployment.origin {
        let requested = |group, key| origin.key_file().string_list(group, key);
        for (name, group, key) in [
            ("LayeredPackages", "packages", "requested"),
            ("LocalPackages", "packages", "requested-local"),
            ("RemovedBasePackages", "overrides", "remove"),
            ("LocalOverrides", "overrides", "replace-local"),
        ] {
            let list = requested(group, key)?.unwrap_or_default();
            if !list.is_empty() {
                fields.push((name, list.join(" ")));
            }
        }
        let etc = origin.initramfs_etc()?;
        if !etc.is_empty() {
            fields.push(("InitramfsEtc", etc.join(" ")));
        }
        if let (Some(url), description) = origin.custom()? {
            let text = [url, description.unwrap_or_default()].join(" ");
            fields.push(("CustomOrigin", text.trim_end().to_owned()));
        }
    }
    if verbose {
        fields.push(("KernelArguments", deployment.chosen_kargs().to_string()));
        for line in &status.signatures {
            fields.push(("GPGSignature", line.clone()));
        }
    }
    Ok(())
}

fn fields(status: &DeploymentStatus, show_stateroot: bool) -> Fields {
    let deployment = &status.deployment;
    let commit = status.commit.as_ref();
    let time = commit.and_then(|commit| date::utc(commit.timestamp));
    let mut fields = Vec::new();
    match (status.version(), time) {
        (Some(version), Some(time)) => fields.push(("Version", format!("{version} ({time})"))),
        (Some(version), None) => fields.push(("Version", version.to_owned())),
        (None, Some(time)) => fields.push(("Timestamp", time)),
        (None, None) => {}
    }
    fields.push(("Commit", deployment.id.commit.to_string()));
    if show_stateroot {
        fields.push(("StateRoot", deployment.id.stateroot.to_string()));
    }
    if let Some(merge) = &status.merge {
        let (modified, removed, added) = (merge.modified, merge.removed, merge.added);
        let mut text = format!("{modified} modified, {removed} removed, {added} added");
        if !merge.conflicts.is_empty() {
            text.push_str(&format!(", {} in conflict", merge.conflicts.len()));
        }
        fields.push(("EtcChanges", text));
    }
    if let Some(record) = &status.trial {
        fields.push(("Trial", trials::in_words(record)));
    }
    let yes = |name, is: bool| is.then(|| (name, "yes".to_owned()));
    fields.extend(yes("Pinned", deployment.is_pinned()));
    if let Some(staged) = deployment.staged {
        fields.push((
            "Staged",
            if staged.locked { "yes (locked)" } else { "yes" }.to_owned(),
        ));
    }
    if deployment.unlocked != Unlocked::None {
        fields.push(("Unlocked", deployment.unlocked.as_str().to_owned()));
    }
    if let Some(end) = commit.and_then(|commit| commit.end_of_life.clone()) {
        fields.push(("EndOfLife", end));
    }
    fields
}
