//! `factory-reset`: the defaults of the tree again.

use ostler_deploy::etc_restore::path_in_etc;
use ostler_deploy::factory_reset::{self, Level, ResetOptions};

use super::reboot;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::progress::ProgressOptions;

/// Options of `factory-reset`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FactoryReset {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Reset this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// How much: `etc`, or `var` for /etc and /var
    #[arg(long, value_name = "LEVEL", default_value = "etc", value_parser = ["etc", "var"])]
    pub(crate) level: String,
    /// Take this path of /etc along, with all below it (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) keep: Vec<String>,
    /// Reboot once it is done
    #[arg(short, long)]
    pub(crate) reboot: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
}

impl Verb for FactoryReset {
    const NAME: &'static str = "factory-reset";
    const ABOUT: &'static str =
        "Boot the same version next with the /etc, or the /etc and the /var, of its tree";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "factory-reset --keep /etc/fstab --keep /etc/machine-id --keep /etc/shadow",
            says: "forget changes to /etc but these; `rollback` goes back to them",
        },
        Example {
            call: "factory-reset --level var --keep /etc/fstab",
            says: "begin with a new /var in a stateroot of its own; `admin set-default INDEX` goes back, the old /var stays",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let keep = self.keep.iter().map(|path| path_in_etc(path));
        let options = ResetOptions {
            stateroot: system::stateroot(self.stateroot.as_deref())?,
            level: match self.level.as_str() {
                "var" => Level::Var,
                _ => Level::Etc,
            },
            keep: keep.collect::<Result<_, _>>()?,
        };
        let mut lock = system::lock(context, &self.sysroot)?;
        let reset = factory_reset::factory_reset(&mut lock, &options, &*context.sink())?;
        for odd in &reset.odd {
            context.printer.warning(odd);
        }
        system::tell_deployed(context, &reset.deployed)?;
        let index = lock.deployments.iter().position(|it| it.id == reset.left);
        context
            .printer
            .line(format_args!("Deployed {}", reset.deployed.id))?;
        if let Some(index) = index {
            let back = match options.level {
                Level::Etc => "ostler rollback".to_owned(),
                Level::Var => format!("ostler admin set-default {index}"),
            };
            context
                .printer
                .note(format_args!("`{back}` goes back to what was before"));
        }
        reboot::after_change(context, &lock, self.reboot)?;
        Ok(Exit::Done)
    }
}
