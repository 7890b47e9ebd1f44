//! `cancel`: end a change of this host that is going on.

use std::time::Duration;

use ostler_deploy::lock_owner::{self, Cancelled};

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::report::hinted;

/// How long a change has to end when it is asked, and once more when it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Options of `cancel`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Cancel {
    const NAME: &'static str = "cancel";
    const ABOUT: &'static str =
        "End a change of this host that is going on; what boots stays whole";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "cancel",
        says: "end an upgrade that takes too long; returns within seconds",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match lock_owner::cancel(self.sysroot.path(), PATIENCE)? {
            Cancelled::Nobody => context.printer.line("No active transaction.")?,
            Cancelled::Ended(ended) => {
                for held in &ended {
                    context
                        .printer
                        .line(format_args!("Cancelled {}", system::shown_holder(held)))?;
                }
            }
            Cancelled::StillThere(there) => {
                let names: Vec<String> = there.iter().map(system::shown_holder).collect();
                return Err(hinted(
                    format!("{} did not end", names.join(", ")),
                    "the kernel holds it, as a disk or a network file system that does not answer may do",
                ));
            }
        }
        Ok(Exit::Done)
    }
}
