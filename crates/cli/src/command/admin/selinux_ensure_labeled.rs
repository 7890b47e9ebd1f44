//! `admin instutil selinux-ensure-labeled`: labels for files that have none.

use std::path::PathBuf;

use ostler_deploy::relabel::{self, Relabelled};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin instutil selinux-ensure-labeled`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SelinuxEnsureLabeled {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Directory to label (defaults to the first deployment)
    #[arg(value_name = "SUBPATH", requires = "prefix")]
    pub(crate) subpath: Option<PathBuf>,
    /// Its path in the system, as the policy's rules have it
    #[arg(value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
}

impl Verb for SelinuxEnsureLabeled {
    const NAME: &'static str = "selinux-ensure-labeled";
    const ABOUT: &'static str =
        "Label files that have no SELinux label, as the first deployment's policy says";
    const OPERANDS: &'static str = "[SUBPATH PREFIX]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin instutil selinux-ensure-labeled --sysroot=/mnt /mnt/ostree/deploy/os/var var",
        says: "label what an installer wrote to /var",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let lock = system::lock(context, &self.sysroot)?;
        let below = self.subpath.as_deref().zip(self.prefix.as_deref());
        let printer = &context.printer;
        match relabel::ensure_labelled(&lock, below)? {
            Relabelled::NoPolicy => {
                printer.line("No SELinux policy found in the first deployment")?;
            }
            Relabelled::Done { labelled, left } => {
                for file in labelled {
                    printer.line(format_args!(
                        "Set label of '{}' to '{}'",
                        file.path, file.label
                    ))?;
                }
                if left > 0 {
                    printer.warning(format_args!(
                        "{left} files of the commit have no label; it is `ostler commit --selinux-policy` that gives them theirs"
                    ));
                }
            }
        }
        Ok(Exit::Done)
    }
}
