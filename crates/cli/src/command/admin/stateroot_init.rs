//! `admin stateroot-init`: a stateroot without deployments.

use ostler_deploy::stateroot;
use ostler_format::StaterootName;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin stateroot-init`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StaterootInit {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// The stateroot's name
    #[arg(value_name = "STATEROOT", required = true)]
    pub(crate) stateroot: String,
}

impl Verb for StaterootInit {
    const NAME: &'static str = "stateroot-init";
    const ALIASES: &'static [&'static str] = &["os-init"];
    const ABOUT: &'static str = "Initialize an empty stateroot";
    const OPERANDS: &'static str = "STATEROOT";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin stateroot-init --sysroot=/mnt os",
        says: "a place for the deployments of an operating system, and its /var",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = StaterootName::new(self.stateroot)?;
        let lock = system::lock(context, &self.sysroot)?;
        stateroot::init_stateroot(&lock, &name)?;
        context.printer.line(format_args!(
            "ostree/deploy/{name} initialized as OSTree root"
        ))?;
        Ok(Exit::Done)
    }
}
