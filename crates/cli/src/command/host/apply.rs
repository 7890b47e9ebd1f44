//! `apply`: make the host what its host file says.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_deploy::apply::{self, ApplyStep};
use ostler_deploy::deploy::{DeployOptions, MergeFrom};
use ostler_deploy::host_file::{self, HostFile};
use ostler_deploy::kargs::sources;
use ostler_deploy::{Sysroot, SysrootLock};
use ostler_format::StaterootName;

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::progress::ProgressOptions;

/// Options of `apply`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Work on this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Show what is not as the file says, and change nothing
    #[arg(long)]
    pub(crate) diff: bool,
    /// Print that as JSON
    #[arg(long, requires = "diff")]
    pub(crate) json: bool,
    /// Exit with 77 if all is as the file says
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// The file, which becomes the host's (defaults to /etc/ostler/host.toml)
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

impl Verb for Apply {
    const NAME: &'static str = "apply";
    const ABOUT: &'static str =
        "Make remotes, the ref that is followed and kernel arguments what a host file says";
    const OPERANDS: &'static str = "[FILE]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "apply --diff host.toml",
            says: "check a host file, and show what it would change",
        },
        Example {
            call: "apply --unchanged-exit-77 host.toml",
            says: "make the host so, and tell by the exit code whether there was anything to do",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        let unchanged = match self.unchanged_exit_77 {
            true => Exit::NothingToDo,
            false => Exit::Done,
        };
        if self.diff {
            let sysroot = system::open(&self.sysroot)?;
            let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
            let (_, _, steps) = self.plan(&sysroot, &stateroot)?;
            if self.json {
                context
                    .printer
                    .line(serde_json::to_string_pretty(&steps)?)?;
            } else {
                tell(context, &steps)?;
            }
            return Ok(if steps.is_empty() {
                unchanged
            } else {
                Exit::Done
            });
        }
        let mut lock = system::lock(context, &self.sysroot)?;
        let stateroot = lock.stateroot_or_booted(stateroot.as_ref())?;
        let (text, wish, steps) = self.plan(&lock, &stateroot)?;
        if steps.is_empty() {
            context.printer.note("all is as the file says");
            return Ok(unchanged);
        }
        apply::apply(&mut lock, &stateroot, &wish, &text, &steps)?;
        for step in &steps {
            set_kargs(context, &mut lock, &stateroot, step)?;
        }
        tell(context, &steps)?;
        Ok(Exit::Done)
    }
}

impl Apply {
    /// Reads the file and what there is; all of the file is checked here.
    fn plan(
        &self,
        sysroot: &Sysroot,
        stateroot: &StaterootName,
    ) -> anyhow::Result<(Vec<u8>, HostFile, Vec<ApplyStep>)> {
        let (path, name) = match &self.file {
            Some(path) => (path.clone(), path.display().to_string()),
            None => {
                let current = sysroot
                    .merge_source(stateroot)
                    .with_context(|| format!("no deployment for stateroot `{stateroot}`"))?;
                let etc = sysroot.deployment_path(&current.id).join("etc");
                (
                    etc.join(host_file::PATH),
                    format!("/etc/{}", host_file::PATH),
                )
            }
        };
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading `{name}`"))?;
        let wish = HostFile::parse(&text, &name)?;
        let facts = apply::read_facts(sysroot, stateroot, text.as_bytes())?;
        let steps = apply::plan_apply(&facts, &wish)?;
        Ok((text.into_bytes(), wish, steps))
    }
}

fn tell(context: &Context, steps: &[ApplyStep]) -> anyhow::Result<()> {
    let printer = &context.printer;
    for step in steps {
        match step {
            ApplyStep::Install => {
                printer.line(format_args!("/etc/{}: this file", host_file::PATH))?
            }
            ApplyStep::AddRemote { name, url } => {
                printer.line(format_args!("remote {name}: added, {url}"))?;
            }
            ApplyStep::ChangeRemote { name, keys } => {
                for (key, now, then) in keys {
                    printer.line(format_args!("remote {name}: {key} {now} -> {then}"))?;
                }
            }
            ApplyStep::Follow { from, to } => {
                let from = from.as_deref().unwrap_or("nothing");
                printer.line(format_args!("follow: {from} -> {to}"))?;
            }
            ApplyStep::Kargs {
                add,
                remove,
                release,
            } => {
                for (arguments, what) in [
                    (add, "added"),
                    (remove, "removed"),
                    (
                        release,
                        "stay as they are, the file has no say in them any more",
                    ),
                ] {
                    if !arguments.is_empty() {
                        printer.line(format_args!("kargs: {} {what}", arguments.join(" ")))?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Deploys what boots next once more, with the arguments that a step asks for.
fn set_kargs(
    context: &Context,
    lock: &mut SysrootLock,
    stateroot: &StaterootName,
    step: &ApplyStep,
) -> anyhow::Result<()> {
    let next = system::next_of(lock, Some(stateroot))?;
    let owned = sources::owned_by(&next, sources::HOST_FILE);
    let Some(kargs) = apply::kargs_wish(&next.entry.options, &owned, step)? else {
        return Ok(());
    };
    let options = DeployOptions {
        stateroot: Some(stateroot.clone()),
        origin: next.origin.clone(),
        kargs,
        merge: MergeFrom::Next,
        ..DeployOptions::default()
    };
    system::deploy(context, lock, next.id.commit, &options, false)
}
