//! `etc restore`: put defaults back.

use ostler_deploy::etc_restore::{self, Directories, Yours};

use super::{Which, paths_in_etc};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `etc restore`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Put back all that was changed or removed in a directory; what was added to it stays
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Keep your file beside the default, as PATH.old
    #[arg(short, long)]
    pub(crate) keep: bool,
    /// What to put back: `/etc/NAME`, or NAME alone
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
}

impl Verb for Restore {
    const NAME: &'static str = "restore";
    const ABOUT: &'static str =
        "Put the default of a path in /etc back: content, owner, mode and attributes";
    const OPERANDS: &'static str = "PATH...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "etc restore --keep /etc/ssh/sshd_config",
            says: "take the default again, and keep your file as sshd_config.old",
        },
        Example {
            call: "etc restore --recursive /etc/pam.d",
            says: "undo every change below a directory",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let paths = paths_in_etc(&self.paths)?;
        let lock = system::lock(context, &self.which.sysroot)?;
        let id = self.which.deployment(&lock)?.id.clone();
        let directories = match self.recursive {
            true => Directories::WithContents,
            false => Directories::Refuse,
        };
        let yours = match self.keep {
            true => Yours::Keep,
            false => Yours::Replace,
        };
        let steps = etc_restore::restore(&lock, &id, &paths, directories, yours)?;
        if steps.is_empty() {
            context.printer.note("nothing was changed there");
        }
        for step in &steps {
            let path = step.shown_path();
            context.printer.line(match step.shown_copy() {
                Some(copy) => format!("Restored /etc/{path}, yours is /etc/{copy}"),
                None => format!("Restored /etc/{path}"),
            })?;
        }
        Ok(Exit::Done)
    }
}
