//! `admin pin`: keep deployments from being cleaned up.

use ostler_deploy::Sysroot;
use ostler_deploy::origin_file::{self, Pin as Wanted};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin pin`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Pin {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Let them be cleaned up again
    #[arg(short, long)]
    pub(crate) unpin: bool,
    /// Indices in the list of deployments, from 0, or `booted`, `pending`, `rollback`
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) deployments: Vec<String>,
}

impl Verb for Pin {
    const NAME: &'static str = "pin";
    const ABOUT: &'static str = "Keep deployments from being cleaned up";
    const OPERANDS: &'static str = "INDEX...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin pin 0",
            says: "keep the first deployment whatever comes",
        },
        Example {
            call: "admin pin --unpin 0",
            says: "let it go like any other",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let (wanted, state) = if self.unpin {
            (Wanted::Clear, "unpinned")
        } else {
            (Wanted::Set, "pinned")
        };
        for deployment in &self.deployments {
            let index = index_of(&lock, deployment)?;
            let changed = origin_file::pin(&mut lock, index, wanted)?;
            let when = if changed { "now" } else { "already" };
            context
                .printer
                .line(format_args!("Deployment {index} is {when} {state}"))?;
        }
        Ok(Exit::Done)
    }
}

/// Finds a deployment by its index or its role.
fn index_of(sysroot: &Sysroot, text: &str) -> anyhow::Result<usize> {
    let (pending, rollback) = sysroot.pending_and_rollback();
    let found = match text {
        "booted" => sysroot
            .deployments
            .iter()
            .position(|deployment| deployment.booted),
        "pending" => pending,
        "rollback" => rollback,
        number => {
            return number
                .parse()
                .map_err(|_| anyhow::anyhow!("invalid index: {number}"));
        }
    };
    found.ok_or_else(|| anyhow::anyhow!("no {text} deployment found"))
}
