//! `admin deploy`: a commit becomes a deployment.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_deploy::deploy::{self, DeployOptions, MergeFrom, Prune};
use ostler_deploy::kargs::{Base, KargsWish};
use ostler_deploy::plan::{Position, Retain};
use ostler_deploy::staged::{self, Finalization};
use ostler_format::origin::Source;
use ostler_format::{Origin, Refspec};

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::usage;

/// Options of `admin deploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Deploy in this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Take the origin from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) origin_file: Option<PathBuf>,
    /// Finish at shutdown
    #[arg(long)]
    pub(crate) stage: bool,
    /// With --stage: do not finish until unlocked
    #[arg(long, requires = "stage")]
    pub(crate) lock_finalization: bool,
    /// Start with the commit's /etc and no kernel arguments of another deployment
    #[arg(long)]
    pub(crate) no_merge: bool,
    /// Leave unreachable objects in the repository
    #[arg(long)]
    pub(crate) no_prune: bool,

    /// Put the deployment last, not first
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) not_as_default: bool,
    /// Keep all other deployments
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain: bool,
    /// Keep deployments before the booted one
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain_pending: bool,
    /// Keep deployments after the booted one
    #[arg(long, help_heading = "Other deployments")]
    pub(crate) retain_rollback: bool,

    /// Set a kernel argument in place of those of this name (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg: Vec<String>,
    /// Append a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg_append: Vec<String>,
    /// Delete a kernel argument (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Kernel arguments")]
    pub(crate) karg_delete: Vec<String>,
    /// Take over no kernel arguments
    #[arg(
        long,
        conflicts_with = "karg_proc_cmdline",
        help_heading = "Kernel arguments"
    )]
    pub(crate) karg_none: bool,
    /// Take over the running kernel's arguments
    #[arg(long, help_heading = "Kernel arguments")]
    pub(crate) karg_proc_cmdline: bool,
    /// Load this archive after the initramfs (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Kernel arguments")]
    pub(crate) overlay_initrd: Vec<PathBuf>,

    /// Ref, `REMOTE:REF` or commit
    #[arg(value_name = "REFSPEC", required = true)]
    pub(crate) refspec: String,
}

impl Verb for Deploy {
    const NAME: &'static str = "deploy";
    const ABOUT: &'static str = "Make a commit the next boot";
    const OPERANDS: &'static str = "REFSPEC";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin deploy --stateroot=os origin:os/stable",
            says: "deploy the newest commit that is here",
        },
        Example {
            call: "admin deploy --karg=quiet origin:os/stable",
            says: "with one more kernel argument",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        self.check()?;
        let options = self.options()?;
        let mut lock = system::lock(context, &self.sysroot)?;
        let commit = lock.repo().resolve(&self.refspec)?;
        let sink = context.sink();
        if self.stage {
            let finalization = match self.lock_finalization {
                true => Finalization::Locked,
                false => Finalization::AtShutdown,
            };
            let staged = staged::stage(&mut lock, commit, &options, finalization, &*sink)?;
            system::tell_staged(context, &staged);
        } else {
            let deployed = deploy::deploy(&mut lock, commit, &options, &*sink)?;
            system::tell_deployed(context, &deployed)?;
        }
        Ok(Exit::Done)
    }
}

impl Deploy {
    fn check(&self) -> anyhow::Result<()> {
        if self.karg_none && !self.karg_delete.is_empty() {
            return Err(usage("can't specify both --karg-none and --karg-delete"));
        }
        if self.no_merge && !self.karg_delete.is_empty() {
            return Err(usage("can't specify both --no-merge and --karg-delete"));
        }
        Ok(())
    }

    fn options(&self) -> anyhow::Result<DeployOptions> {
        let base = match (self.karg_none, self.karg_proc_cmdline) {
            (true, _) => Base::Empty,
            (false, true) => Base::RunningKernel,
            (false, false) => Base::Inherited,
        };
        Ok(DeployOptions {
            stateroot: system::stateroot(self.stateroot.as_deref())?,
            origin: Some(self.origin()?),
            kargs: KargsWish {
                base,
                set: self.karg.clone(),
                append: self.karg_append.clone(),
                delete: self.karg_delete.clone(),
                owned: Vec::new(),
            },
            merge: if self.no_merge {
                MergeFrom::Nothing
            } else {
                MergeFrom::Current
            },
            retain: Retain {
                all: self.retain,
                pending: self.retain_pending,
                rollback: self.retain_rollback,
            },
            position: if self.not_as_default {
                Position::AfterCurrent
            } else {
                Position::Default
            },
            overlay_initrds: self.overlay_initrd.clone(),
            prune: if self.no_prune {
                Prune::Nothing
            } else {
                Prune::Objects
            },
        })
    }

    fn origin(&self) -> anyhow::Result<Origin> {
        match &self.origin_file {
            Some(path) => {
                let text =
                    std::fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
                Ok(Origin::parse(&text)?)
            }
            None => Ok(Origin::new(&Source::Refspec(Refspec::parse(
                &self.refspec,
            )?))?),
        }
    }
}
