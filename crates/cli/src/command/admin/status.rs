//! `admin status`: the list of deployments.

use ostler_deploy::status::{Judge, Status as Deployments};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Verify each commit as its remote asks for, and fail if one is not signed so
    #[arg(short = 'V', long)]
    pub(crate) verify: bool,
    /// Do not look at signatures
    #[arg(short = 'S', long, conflicts_with = "verify")]
    pub(crate) skip_signatures: bool,
    /// Print JSON
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
    /// Print `default` if the booted deployment is the default one, `not-default` if not
    #[arg(short = 'D', long)]
    pub(crate) is_default: bool,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    const ABOUT: &'static str = "List deployments";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin status --json",
        says: "list deployments for a program",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        if self.is_default {
            let booted = sysroot.require_booted()?;
            let default = sysroot
                .deployments
                .first()
                .is_some_and(|first| first.id == booted.id);
            context
                .printer
                .line(if default { "default" } else { "not-default" })?;
            return Ok(Exit::Done);
        }
        let mut deployments = Deployments::read(&sysroot)?;
        if !self.skip_signatures {
            let judge = if self.verify {
                Judge::Require
            } else {
                Judge::Describe
            };
            deployments.judge_signatures(&sysroot, judge)?;
        }
        if self.json {
            context
                .printer
                .line(serde_json::to_string_pretty(&deployments.ostree_json())?)?;
        } else {
            context
                .printer
                .bytes(deployments.ostree_text().as_bytes())?;
        }
        Ok(Exit::Done)
    }
}
