//! `admin instutil grub2-generate`: the part of grub.cfg that boots deployments.

use std::env;

use anyhow::Context as _;
use ostler_deploy::boot_menu::{self, GrubDevice};
use ostler_format::Turn;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// The boot version whose entries are asked for, as the program that runs grub-mkconfig says.
const BOOT_VERSION: &str = "_OSTREE_GRUB2_BOOTVERSION";

/// Options of `admin instutil grub2-generate`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Grub2Generate {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Entries of this boot version, 0 or 1 (defaults to the active one)
    #[arg(value_name = "BOOTVERSION", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub(crate) boot_version: Option<u8>,
}

impl Verb for Grub2Generate {
    const NAME: &'static str = "grub2-generate";
    const ABOUT: &'static str =
        "Print GRUB 2 menu entries of the deployments; run by /etc/grub.d/15_ostree";
    const OPERANDS: &'static str = "[BOOTVERSION]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin instutil grub2-generate",
        says: "what grub-mkconfig puts into grub.cfg, for the device that GRUB2_BOOT_DEVICE_ID and GRUB2_PREPARE_ROOT_CACHE tell of",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let version = match (self.boot_version, env::var(BOOT_VERSION)) {
            (Some(version), _) => turn(&version.to_string())?,
            (None, Ok(version)) => turn(&version).context(BOOT_VERSION)?,
            (None, Err(_)) => sysroot.boot_version,
        };
        let text = |name: &str| env::var(name).unwrap_or_default();
        let device = GrubDevice {
            id: text("GRUB2_BOOT_DEVICE_ID"),
            prepare_root: text("GRUB2_PREPARE_ROOT_CACHE"),
        };
        let menu = boot_menu::grub2(&sysroot, version, &device)?;
        context.printer.text(&menu)?;
        Ok(Exit::Done)
    }
}

fn turn(text: &str) -> anyhow::Result<Turn> {
    match text {
        "0" => Ok(Turn::Zero),
        "1" => Ok(Turn::One),
        other => anyhow::bail!("`{other}` is no boot version: it is 0 or 1"),
    }
}
