//! `health status`: how each deployment stands, and what the checks said.

use ostler_deploy::trials;
use ostler_deploy::{Deployment, health_report};
use serde_json::{Value, json};

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::text::date;

/// Options of `health status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    const ABOUT: &'static str =
        "Show which deployments have proven themselves, which commits are refused, and why";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health status",
        says: "show trials, tries that are left, and what failed checks said; needs no privilege",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let trials = trials::read(&sysroot)?;
        if self.json {
            let one = |deployment: &Deployment| {
                let mut keys = json!({
                    "id": deployment.id.to_string(),
                    "booted": deployment.booted,
                    "trial": trials::as_json(&trials, deployment),
                });
                keys["report"] = match health_report::read(&sysroot, &deployment.id) {
                    Some(report) => serde_json::to_value(report)?,
                    None => Value::Null,
                };
                anyhow::Ok(keys)
            };
            let deployments: Vec<Value> = sysroot
                .deployments
                .iter()
                .map(one)
                .collect::<Result<_, _>>()?;
            let json = json!({
                "deployments": deployments,
                "refused-commits": trials::refused_as_json(&trials),
            });
            context.printer.line(serde_json::to_string_pretty(&json)?)?;
            return Ok(Exit::Done);
        }
        for deployment in &sysroot.deployments {
            let star = if deployment.booted { '*' } else { ' ' };
            let standing = trials::record(&trials, deployment)
                .map_or_else(|| "untried".to_owned(), trials::in_words);
            let line = format_args!("{star} {}: {standing}", deployment.id);
            context.printer.line(line)?;
            let report = health_report::read(&sysroot, &deployment.id).unwrap_or_default();
            for failure in report.failures() {
                for line in failure.complaint().lines() {
                    context.printer.line(format_args!("      {line}"))?;
                }
            }
        }
        for (commit, refusal) in trials.refused() {
            let since = date::utc(refusal.since).unwrap_or_default();
            let why = refusal.why.lines().next().unwrap_or_default();
            context
                .printer
                .line(format_args!("Refused: {commit} since {since}: {why}"))?;
        }
        Ok(Exit::Done)
    }
}
