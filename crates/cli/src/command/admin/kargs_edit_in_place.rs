//! `admin kargs edit-in-place`: change the boot entries that are there.

use ostler_deploy::kargs;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin kargs edit-in-place`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct EditInPlace {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Append a kernel argument to each deployment that lacks it (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append_if_missing: Vec<String>,
}

impl Verb for EditInPlace {
    const NAME: &'static str = "edit-in-place";
    const ABOUT: &'static str =
        "Change the kernel arguments of all deployments in their boot entries";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin kargs edit-in-place --append-if-missing=nosmt",
        says: "add an argument to all boot entries, without a new deployment",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        kargs::append_if_missing_in_place(&mut lock, &self.append_if_missing)?;
        Ok(Exit::Done)
    }
}
