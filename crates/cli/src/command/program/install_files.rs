//! `install-files`: what a tree carries so that a machine boots it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ostler_deploy::tree_files::{self, Programs};
use ostler_fs::Dir;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::report::hinted;

const PREPARE_ROOT: &str = "ostree-prepare-root";
/// Where a system that was made by this verb has it.
const INSTALLED: &str = "/usr/lib/ostree";

/// Options of `install-files`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InstallFiles {
    /// The root directory of the tree
    #[arg(long, value_name = "DIR", required = true)]
    root: PathBuf,
    /// The program that mounts a deployment (default: `ostree-prepare-root` beside this program, else in /usr/lib/ostree)
    #[arg(long, value_name = "FILE")]
    prepare_root: Option<PathBuf>,
    /// Print the written paths as JSON
    #[arg(long)]
    json: bool,
}

impl Verb for InstallFiles {
    const NAME: &'static str = "install-files";
    const ABOUT: &'static str =
        "Put this program, its units and hooks for initramfs makers into a tree that is to boot";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "install-files --root rootfs",
        says: "before the tree's initramfs is made (by dracut or initramfs-tools), and before the commit",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let ostler = env::current_exe().context("finding this program")?;
        let prepare_root = match self.prepare_root {
            Some(path) => path,
            None => find_prepare_root(&ostler)?,
        };
        let root = Dir::open_ambient(&self.root)?;
        let programs = Programs {
            ostler: &ostler,
            prepare_root: &prepare_root,
        };
        let written = tree_files::install(&root, programs)?;
        if self.json {
            context
                .printer
                .line(serde_json::to_string_pretty(&written)?)?;
        } else {
            for path in written {
                context.printer.line(path)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn find_prepare_root(ostler: &Path) -> anyhow::Result<PathBuf> {
    let beside = ostler.with_file_name(PREPARE_ROOT);
    for path in [beside, Path::new(INSTALLED).join(PREPARE_ROOT)] {
        if path.is_file() {
            return Ok(path);
        }
    }
    Err(hinted(
        format!(
            "`{PREPARE_ROOT}` is neither beside `{}` nor in {INSTALLED}",
            ostler.display()
        ),
        "build it with `cargo build --release --package ostler-bootloader`, or name it with --prepare-root",
    ))
}
