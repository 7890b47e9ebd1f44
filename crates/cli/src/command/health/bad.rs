//! `health bad`: give up the running deployment that is on trial.

use ostler_deploy::trial::{Standing, Verdict};
use ostler_deploy::trials;

use super::{reboot_for, tell_step};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::report::hinted;

/// Options of `health bad`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Bad {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Reboot once it is done
    #[arg(short, long)]
    pub(crate) reboot: bool,
    /// Why, for `status`
    #[arg(value_name = "REASON", default_value = "a person found it bad")]
    pub(crate) reason: String,
}

impl Verb for Bad {
    const NAME: &'static str = "bad";
    const ABOUT: &'static str =
        "Give up the running deployment, which is on trial: roll back, and refuse its commit";
    const OPERANDS: &'static str = "[REASON]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health bad --reboot 'the display flickers'",
        says: "go back now; upgrades do not take this commit again",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let booted = lock.require_booted()?.clone();
        let state = trials::read(&lock)?;
        let standing = trials::record(&state, &booted).map(|record| record.standing);
        if !matches!(standing, Some(Standing::Trial { .. })) {
            return Err(hinted(
                "the running deployment is not on trial",
                "`ostler rollback` goes back from any deployment",
            ));
        }
        let step = trials::judge(&mut lock, Verdict::GivenUp(&self.reason))?;
        tell_step(context, &step)?;
        if self.reboot {
            drop(lock);
            reboot_for(context, &step)?;
        }
        Ok(Exit::Done)
    }
}
