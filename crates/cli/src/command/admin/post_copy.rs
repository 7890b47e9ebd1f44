//! `admin post-copy`: what a copy to another disk has lost.

use ostler_deploy::post_copy;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin post-copy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PostCopy {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for PostCopy {
    const NAME: &'static str = "post-copy";
    const ABOUT: &'static str = "Seal files with fs-verity again after a copy to another disk";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin post-copy --sysroot=/mnt",
        says: "a system that was copied file by file is as its repository's ex-integrity.fsverity wants it",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let lock = system::lock(context, &self.sysroot)?;
        post_copy::post_copy(&lock)?;
        Ok(Exit::Done)
    }
}
