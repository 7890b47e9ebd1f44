//! `cleanup`: give room back.

use ostler_deploy::plan::Wish;
use ostler_deploy::{cleanup, order};

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::report::usage;

/// Options of `cleanup`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Work on this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Delete what no deployment refers to
    #[arg(short, long)]
    pub(crate) base: bool,
    /// Delete the deployment that would be booted next
    #[arg(short, long)]
    pub(crate) pending: bool,
    /// Delete the deployment to go back to
    #[arg(short, long)]
    pub(crate) rollback: bool,
}

impl Verb for Cleanup {
    const NAME: &'static str = "cleanup";
    const ABOUT: &'static str = "Give room back: leftovers, pending or rollback deployments";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "cleanup --pending",
            says: "give up what would boot next but for the booted deployment",
        },
        Example {
            call: "cleanup --rollback",
            says: "give up the previous deployment, to free its kernel's room in /boot",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if !(self.base || self.pending || self.rollback) {
            return Err(usage(
                "at least one of --base, --pending and --rollback is needed",
            ));
        }
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        let mut lock = system::lock(context, &self.sysroot)?;
        if self.pending || self.rollback {
            let stateroot = stateroot.map(|name| name.to_string());
            let wish = Wish::Drop {
                stateroot,
                pending: self.pending,
                rollback: self.rollback,
            };
            let change = order::change(&mut lock, &wish)?;
            system::tell_published(context, change.published.as_ref())?;
            for id in &change.removed {
                context
                    .printer
                    .line(format_args!("Deleted deployment {id}"))?;
            }
            system::tell_freed(context, change.bytes_freed)?;
        }
        if self.base {
            system::tell_freed(context, cleanup::full(&lock)?.bytes_freed)?;
        }
        Ok(Exit::Done)
    }
}
