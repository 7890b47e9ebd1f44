//! `admin init-fs`: the skeleton of a physical root.

use std::path::PathBuf;

use ostler_deploy::stateroot::{self, Epoch};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin init-fs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InitFs {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Make /boot and /ostree alone; as --epoch=1
    #[arg(long)]
    pub(crate) modern: bool,
    /// Layout: 0 with the traditional directories, 1 without, 2 with /ostree for root alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) epoch: Option<u8>,
    /// Directory that becomes the physical root
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: PathBuf,
}

impl Verb for InitFs {
    const NAME: &'static str = "init-fs";
    const ABOUT: &'static str = "Initialize a root file system";
    const OPERANDS: &'static str = "PATH";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin init-fs --modern /mnt",
        says: "/boot and /ostree/repo on a file system that is to become a host's root",
    }];

    fn run(self, _context: &Context) -> anyhow::Result<Exit> {
        let epoch = self.epoch.unwrap_or(u8::from(self.modern));
        let epoch = Epoch::try_from(u32::from(epoch))?;
        stateroot::init_fs(&self.path, epoch)?;
        Ok(Exit::Done)
    }
}
