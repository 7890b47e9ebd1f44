//! `health good`: the running deployment is good, a person says.

use ostler_deploy::trials;

use super::tell_step;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `health good`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Good {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Good {
    const NAME: &'static str = "good";
    const ABOUT: &'static str =
        "Take the running deployment for good, whatever its trial has come to";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "health good",
        says: "end the trial: it is not rolled back any more, and upgrades may take its commit",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let step = trials::approve(&mut lock)?;
        tell_step(context, &step)?;
        Ok(Exit::Done)
    }
}
