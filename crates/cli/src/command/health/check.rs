//! `health check`: look whether this system works, and change nothing.

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `health check`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Check {
    /// Print JSON: the checks, with what they said
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for Check {
    const NAME: &'static str = "check";
    const ABOUT: &'static str =
        "Make the checks of this system; exits with 1 if one fails that must pass";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "health check",
            says: "try what is in health/{required.d,wanted.d} and health.toml, of /etc/ostler and /usr/lib/ostler",
        },
        Example {
            call: "health check --json",
            says: "the same for a program",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let report = super::run_checks(context)?;
        if self.json {
            let json = serde_json::to_string_pretty(&report)?;
            context.printer.line(json)?;
        } else if let Some(failure) = report.failure() {
            let complaint = failure.complaint();
            let first = complaint.lines().next().unwrap_or_default();
            context.printer.line(format_args!("Unhealthy: {first}"))?;
        } else {
            let count = report.checks.len();
            context
                .printer
                .line(format_args!("Healthy ({count} checks)"))?;
        }
        Ok(match report.failure() {
            None => Exit::Done,
            Some(_) => Exit::Failed,
        })
    }
}
