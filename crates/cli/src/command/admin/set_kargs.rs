//! `admin instutil set-kargs`: kernel arguments of the first deployment.

use ostler_deploy::kargs::{self, Base, KargsWish};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin instutil set-kargs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetKargs {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Begin with the running kernel's arguments
    #[arg(long)]
    pub(crate) import_proc_cmdline: bool,
    /// Begin with the deployment's arguments
    #[arg(long)]
    pub(crate) merge: bool,
    /// Set a kernel argument in place of those of this name (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) replace: Vec<String>,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append: Vec<String>,
    /// Kernel arguments to append
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,
}

impl Verb for SetKargs {
    const NAME: &'static str = "set-kargs";
    const ABOUT: &'static str = "Set the kernel arguments of the first deployment";
    const OPERANDS: &'static str = "ARGS";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin instutil set-kargs --sysroot=/mnt root=LABEL=root quiet",
        says: "kernel arguments of a system that is being installed",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let base = match (self.import_proc_cmdline, self.merge) {
            (true, _) => Base::RunningKernel,
            (false, true) => Base::Inherited,
            (false, false) => Base::Empty,
        };
        let append = self.append.into_iter().chain(self.arguments).collect();
        let wish = KargsWish {
            base,
            set: self.replace,
            append,
            ..KargsWish::default()
        };
        let published = kargs::set_default_kargs(&mut lock, &wish)?;
        system::tell_published(context, published.as_ref())?;
        Ok(Exit::Done)
    }
}
