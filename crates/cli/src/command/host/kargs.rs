//! `kargs`: kernel arguments of the next boot.

use anyhow::Context as _;
use ostler_deploy::SysrootLock;
use ostler_deploy::deploy::{DeployOptions, MergeFrom};
use ostler_deploy::kargs::explain::explain;
use ostler_deploy::kargs::{Base, KargsWish};
use ostler_format::KernelArgs;

use super::options::HostOptions;
use super::{editor, explained, reboot};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `kargs`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Kargs {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append: Vec<String>,
    /// Append a kernel argument that is not there (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) append_if_missing: Vec<String>,
    /// Delete a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) delete: Vec<String>,
    /// Delete a kernel argument if it is there (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) delete_if_present: Vec<String>,
    /// Replace a kernel argument's value; `NAME=OLD=NEW` chooses among several (repeatable)
    #[arg(long, value_name = "NAME=VALUE[=NEW]")]
    pub(crate) replace: Vec<String>,
    /// Change the arguments in $EDITOR
    #[arg(long)]
    pub(crate) editor: bool,
    /// Show where each argument comes from: the tree's defaults, the host file, another program, the installation, a person
    #[arg(long, conflicts_with_all = ["append", "append_if_missing", "delete", "delete_if_present", "replace", "editor", "import_proc_cmdline"])]
    pub(crate) explain: bool,
    /// With --explain: print JSON
    #[arg(long, requires = "explain")]
    pub(crate) json: bool,
    /// Begin with this deployment's arguments (defaults to the first one's)
    #[arg(long, value_name = "INDEX")]
    pub(crate) deploy_index: Option<usize>,
    /// Begin with the running kernel's arguments
    #[arg(long, conflicts_with = "deploy_index")]
    pub(crate) import_proc_cmdline: bool,
    /// Exit with 77 if nothing changes
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
}

impl Verb for Kargs {
    const NAME: &'static str = "kargs";
    const ABOUT: &'static str = "Show kernel arguments, or change those of the next boot";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "kargs",
            says: "show the arguments of the next boot",
        },
        Example {
            call: "kargs --explain",
            says: "show where each of them comes from, and defaults of the tree that were removed",
        },
        Example {
            call: "kargs --append=nosmt --delete=quiet",
            says: "change them in a new deployment",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.show_progress(&self.host.progress)?;
        if !self.changes() {
            let sysroot = system::open(&self.host.sysroot)?;
            let deployment = sysroot.at(self.deploy_index.unwrap_or(0))?;
            match self.explain {
                true => explained::print(context, &explain(&sysroot, deployment)?, self.json)?,
                false => context.printer.line(&deployment.entry.options)?,
            }
            return Ok(Exit::Done);
        }
        let mut lock = system::lock(context, &self.host.sysroot)?;
        let base = self.base(&lock)?;
        let kargs = self.changed(base.clone())?;
        if kargs == base {
            context.printer.line("No changes.")?;
            return Ok(if self.unchanged_exit_77 {
                Exit::NothingToDo
            } else {
                Exit::Done
            });
        }
        self.deploy(context, &mut lock, kargs)?;
        reboot::after_change(context, &lock, self.host.reboot)?;
        Ok(Exit::Done)
    }
}

impl Kargs {
    fn changes(&self) -> bool {
        let lists = [
            &self.append,
            &self.append_if_missing,
            &self.delete,
            &self.delete_if_present,
            &self.replace,
        ];
        self.editor || self.import_proc_cmdline || lists.iter().any(|list| !list.is_empty())
    }

    /// The arguments of the chosen deployment; those of the running kernel are one more way to change them.
    fn base(&self, lock: &SysrootLock) -> anyhow::Result<KernelArgs> {
        Ok(lock
            .at(self.deploy_index.unwrap_or(0))?
            .entry
            .options
            .clone())
    }

    fn changed(&self, base: KernelArgs) -> anyhow::Result<KernelArgs> {
        let mut kargs = match self.import_proc_cmdline {
            true => KernelArgs::parse(
                &std::fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?,
            )
            .without_boot_loader_args(),
            false => base,
        };
        if self.editor {
            kargs = KernelArgs::parse(&editor::edit(&format!("{kargs}\n"))?);
        }
        for argument in &self.replace {
            kargs.replace(argument)?;
        }
        for argument in &self.delete {
            kargs.delete(argument)?;
        }
        for argument in &self.delete_if_present {
            kargs.delete_if_present(argument)?;
        }
        for argument in &self.append {
            kargs.append(argument);
        }
        for argument in &self.append_if_missing {
            kargs.append_if_missing(argument);
        }
        Ok(kargs)
    }

    fn deploy(
        &self,
        context: &Context,
        lock: &mut SysrootLock,
        kargs: KernelArgs,
    ) -> anyhow::Result<()> {
        let chosen = lock.at(self.deploy_index.unwrap_or(0))?.clone();
        let options = DeployOptions {
            stateroot: Some(chosen.id.stateroot.clone()),
            origin: chosen.origin.clone(),
            kargs: KargsWish {
                base: Base::Given(kargs),
                ..KargsWish::default()
            },
            merge: MergeFrom::Next,
            ..DeployOptions::default()
        };
        let lock_finalization = self.host.lock_finalization;
        system::deploy(context, lock, chosen.id.commit, &options, lock_finalization)
    }
}
