//! What the units of a boot call: the watch that starts early, the checks, and the proof.

use std::thread;
use std::time::Duration;

use ostler_agent::health::After;
use ostler_deploy::health_report;
use ostler_deploy::trial::{Standing, Verdict};
use ostler_deploy::trials::{self, Step};
use ostler_fs::{Dir, Trusted};

use super::{deadline, reboot, reboot_for, run_after, run_checks, since_boot, tell_step};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Left by the first root when it has counted a boot.
const COUNTED: &str = "ostree/trial";
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Options of `health boot-watch`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Watch {
    const NAME: &'static str = "boot-watch";
    const ABOUT: &'static str =
        "Count this boot, take up a rollback that is due, and reboot if no verdict comes in time";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health boot-watch",
        says: "what ostler-health-watch.service calls as soon as there are file systems",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let step = self.start(context)?;
        if let Some(step) = &step {
            tell_step(context, step)?;
            reboot_for(context, step)?;
        }
        if step.is_some_and(|step| step.reboots()) {
            return Ok(Exit::Done);
        }
        let deadline = deadline();
        while self.is_on_trial() {
            if since_boot() < deadline {
                thread::sleep(PAUSE);
                continue;
            }
            let step = self.give_up(context, deadline)?;
            tell_step(context, &step)?;
            context.printer.flush()?;
            match step {
                Step::Nothing | Step::Proven => return Ok(Exit::Failed),
                Step::Retry { .. } | Step::RolledBack { .. } => reboot()?,
            }
            return Ok(Exit::Done);
        }
        Ok(Exit::Done)
    }
}

impl Watch {
    /// Takes the first step as soon as `/boot` and the rest are there; `None` if they do not come in time.
    fn start(&self, context: &Context) -> anyhow::Result<Option<Step>> {
        loop {
            let step = match system::lock(context, &self.sysroot) {
                Ok(mut lock) => trials::started(&mut lock).map_err(anyhow::Error::from),
                Err(error) => Err(error),
            };
            match step {
                Ok(step) => return Ok(Some(step)),
                Err(error) if since_boot() >= deadline() => {
                    context.printer.warning(error);
                    return Ok(None);
                }
                Err(error) => {
                    context.printer.debug(error);
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Where the deployments can't be read, the first root has left word.
    fn is_on_trial(&self) -> bool {
        let state = system::open(&self.sysroot).and_then(|sysroot| {
            let trials = trials::read(&sysroot)?;
            let booted = sysroot.require_booted()?.clone();
            Ok(trials::record(&trials, &booted).map(|record| record.standing))
        });
        match state {
            Ok(standing) => matches!(standing, Some(Standing::Trial { .. })),
            Err(_) => was_counted(),
        }
    }

    fn give_up(&self, context: &Context, deadline: Duration) -> anyhow::Result<Step> {
        let seconds = deadline.as_secs();
        let why = format!("no verdict within {seconds} s\n{}", super::waiting_jobs());
        let judged = match system::lock(context, &self.sysroot) {
            Ok(mut lock) => trials::judge(&mut lock, Verdict::Unhealthy(why.trim_end()))
                .map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        match judged {
            // The first root counts, so that this comes to an end; without that a boot after another would not.
            Err(error) if was_counted() => {
                context.printer.warning(error);
                Ok(Step::Retry { left: 0 })
            }
            judged => judged,
        }
    }
}

/// Whether the first root counted this boot.
fn was_counted() -> bool {
    let run = Dir::open_ambient("/run");
    run.and_then(|run| run.exists(Trusted(COUNTED)))
        .unwrap_or(false)
}

/// Options of `health boot-check`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Check {
    const NAME: &'static str = "boot-check";
    const ABOUT: &'static str =
        "Make the checks of this boot; if one fails in a trial, boot again or roll back";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health boot-check",
        says: "what ostler-health.service calls before boot-complete.target",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        // Where no unit did so earlier.
        let step = trials::started(&mut system::lock(context, &self.sysroot)?)?;
        if step.reboots() {
            tell_step(context, &step)?;
            reboot_for(context, &step)?;
            return Ok(Exit::Done);
        }
        let (failure, report) = match run_checks(context) {
            Ok(report) => (report.failure().map(|it| it.complaint()), report),
            Err(error) => (Some(error.to_string()), health_report::Report::default()),
        };
        let Some(why) = failure else {
            let lock = system::lock(context, &self.sysroot)?;
            health_report::write(&lock, &report)?;
            return Ok(Exit::Done);
        };
        run_after(context, After::Red);
        let mut lock = system::lock(context, &self.sysroot)?;
        health_report::write(&lock, &report)?;
        let step = trials::judge(&mut lock, Verdict::Unhealthy(&why))?;
        drop(lock);
        tell_step(context, &step)?;
        reboot_for(context, &step)?;
        context.printer.warning(format_args!("unhealthy: {why}"));
        Ok(Exit::Failed)
    }
}

/// Options of `health boot-good`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Good {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Good {
    const NAME: &'static str = "boot-good";
    const ABOUT: &'static str = "Mark the running deployment good, as the boot is complete";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health boot-good",
        says: "what ostler-health-good.service calls after boot-complete.target",
    }];
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let step = trials::judge(&mut system::lock(context, &self.sysroot)?, Verdict::Healthy)?;
        tell_step(context, &step)?;
        run_after(context, After::Green);
        Ok(Exit::Done)
    }
}
