//! `admin config-diff`: what a person changed in /etc.

use anyhow::Context as _;
use ostler_deploy::etc_merge;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin config-diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ConfigDiff {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Look at this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
}

impl Verb for ConfigDiff {
    const NAME: &'static str = "config-diff";
    const ABOUT: &'static str = "List what was changed in /etc against the default";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin config-diff --os=os",
        says: "what was changed in /etc: M modified, A added, D removed",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
        let deployment = sysroot.merge_source(&stateroot);
        let deployment =
            deployment.with_context(|| format!("no deployment for stateroot `{stateroot}`"))?;
        let root = sysroot.open_deployment(&deployment.id)?;
        let changes =
            etc_merge::config_diff(&root.open_dir_in_root("usr/etc")?, &root.open_dir("etc")?)?;
        for (letter, paths) in [
            ('M', &changes.modified),
            ('D', &changes.removed),
            ('A', &changes.added),
        ] {
            for path in paths {
                context.printer.line(format_args!(
                    "{letter}    {}",
                    String::from_utf8_lossy(path)
                ))?;
            }
        }
        Ok(Exit::Done)
    }
}
