//! `admin undeploy`: delete a deployment.

use ostler_deploy::order;
use ostler_deploy::plan::{IfOnly, Wish};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::personality::Personality;

/// Options of `admin undeploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Undeploy {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Index in the list of deployments, from 0
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) index: usize,
}

impl Verb for Undeploy {
    const NAME: &'static str = "undeploy";
    const ABOUT: &'static str = "Delete deployment INDEX";
    const OPERANDS: &'static str = "INDEX";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin undeploy 1",
        says: "give up the second deployment that `ostler status` lists, and free what only it needs",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let wish = Wish::Remove {
            index: self.index,
            only: match context.personality {
                // Scripts that build images rely on it.
                Personality::Ostree => IfOnly::Remove,
                Personality::Ostler | Personality::RpmOstree => IfOnly::Refuse,
            },
        };
        let change = order::change(&mut lock, &wish)?;
        system::tell_published(context, change.published.as_ref())?;
        for id in &change.removed {
            context
                .printer
                .line(format_args!("Deleted deployment {}", id.name()))?;
        }
        system::tell_freed(context, change.bytes_freed)?;
        Ok(Exit::Done)
    }
}
