//! `finalize-deployment`: unlock what is staged and reboot into it.

use ostler_deploy::finalization::{self, IfUnlocked};

use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::report::UsageError;

/// Options of `finalize-deployment`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FinalizeDeployment {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Whatever commit is staged
    #[arg(long)]
    pub(crate) allow_missing_checksum: bool,
    /// Even if the staged deployment is not locked
    #[arg(long)]
    pub(crate) allow_unlocked: bool,
    /// The commit that must be the staged one
    #[arg(value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
}

impl Verb for FinalizeDeployment {
    const NAME: &'static str = "finalize-deployment";
    const ABOUT: &'static str = "Unlock the staged deployment and reboot into it";
    const OPERANDS: &'static str = "COMMIT";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "finalize-deployment --allow-missing-checksum",
        says: "reboot into what `upgrade --lock-finalization` staged",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let commit = match &self.commit {
            Some(commit) => Some(commit.parse()?),
            None if self.allow_missing_checksum => None,
            None => {
                let message = "COMMIT or --allow-missing-checksum is needed".to_owned();
                return Err(UsageError(message).into());
            }
        };
        let mut lock = system::lock(context, &self.sysroot)?;
        lock.require_booted()?;
        let if_unlocked = match self.allow_unlocked {
            true => IfUnlocked::Accept,
            false => IfUnlocked::Refuse,
        };
        finalization::release(&mut lock, commit, if_unlocked)?;
        reboot::after_change(context, &lock, true)?;
        Ok(Exit::Done)
    }
}
