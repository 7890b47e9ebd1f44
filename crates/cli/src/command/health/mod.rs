//! Verbs of trials: whether the running deployment works, and what follows. One file a verb.

mod bad;
mod boot;
mod check;
mod good;
mod status;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ostler_agent::health::{self, Watch};
use ostler_deploy::health_file::HealthFile;
use ostler_deploy::health_report::{Checked, Report};
use ostler_deploy::trials::Step;
use ostler_fs::{Dir, Trusted};

use crate::command::host::reboot::systemctl;
use crate::context::Context;
use crate::grammar::{Group, Section, verb};

/// `health` and its verbs.
pub(crate) static GROUP: Group = Group {
    name: "health",
    about: "See whether this system works, and prove or give up a new deployment",
    operands: "VERB",
    sections: &[Section {
        heading: "Health",
        nodes: &[
            verb::<status::Status>(),
            verb::<check::Check>(),
            verb::<good::Good>(),
            verb::<bad::Bad>(),
            verb::<boot::Watch>(),
            verb::<boot::Check>(),
            verb::<boot::Good>(),
        ],
    }],
    without_verb: None,
};

/// The system whose checks are made.
const ROOT: &str = "/";

/// Makes the checks of this system, and tells of each.
fn run_checks(context: &Context) -> anyhow::Result<Report> {
    let mut told = |checked: &Checked| tell(context, checked);
    let mut watch = Watch {
        end: health::end(deadline(), since_boot()),
        told: &mut told,
    };
    Ok(health::check(Path::new(ROOT), &mut watch)?)
}

/// Runs what follows a verdict; it is no reason for another one.
fn run_after(context: &Context, after: health::After) {
    let mut told = |checked: &Checked| tell(context, checked);
    let mut watch = Watch {
        end: health::end(deadline(), since_boot()),
        told: &mut told,
    };
    if let Err(error) = health::after(Path::new(ROOT), after, &mut watch) {
        context.printer.warning(error);
    }
}

fn tell(context: &Context, checked: &Checked) {
    if checked.passed {
        context
            .printer
            .note(format_args!("passed: {}", checked.name));
        return;
    }
    let complaint = checked.complaint();
    match checked.required {
        true => context.printer.warning(format_args!("failed: {complaint}")),
        false => context
            .printer
            .warning(format_args!("failed, and is not required: {complaint}")),
    }
}

/// How long a boot has; where no file can be read, what they would say without words.
fn deadline() -> Duration {
    let root = Dir::open_ambient(ROOT);
    let file = root.ok().and_then(|root| HealthFile::read(&root).ok());
    Duration::from_secs(file.unwrap_or_default().deadline_seconds)
}

/// How long the kernel runs.
fn since_boot() -> Duration {
    let proc = Dir::open_ambient("/proc").ok();
    let text = proc.and_then(|proc| proc.read(Trusted("uptime"), 256).ok());
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let seconds = text.split([' ', '.']).next().and_then(|it| it.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// Tells what a step of a trial came to.
fn tell_step(context: &Context, step: &Step) -> anyhow::Result<()> {
    let text = match step {
        Step::Nothing => return Ok(()),
        Step::Proven => "The running deployment is good.".to_owned(),
        Step::Retry { left: 0 } => "It is booted once more, for the last time.".to_owned(),
        Step::Retry { left } => format!("It is booted once more; {left} tries are left then."),
        Step::RolledBack { from, to } => format!("Rolled back from {from} to {to}."),
    };
    Ok(context.printer.line(text)?)
}

/// What the first program still waits for, and what has failed, for a person.
fn waiting_jobs() -> String {
    let ask = |words: &[&str]| {
        let output = Command::new("systemctl").args(words).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let jobs = ask(&["list-jobs", "--no-legend", "--no-pager"]);
    let failed = ask(&[
        "list-units",
        "--failed",
        "--plain",
        "--no-legend",
        "--no-pager",
    ]);
    format!("jobs:\n{jobs}failed:\n{failed}")
}

/// Boots the machine if a step asks for it.
fn reboot_for(context: &Context, step: &Step) -> anyhow::Result<()> {
    if !step.reboots() {
        return Ok(());
    }
    context.printer.flush()?;
    reboot()
}

fn reboot() -> anyhow::Result<()> {
    // Where the first program does not answer any more, the kernel does.
    systemctl(&["reboot"]).or_else(|_| systemctl(&["reboot", "--force", "--force"]))
}
