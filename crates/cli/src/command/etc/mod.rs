//! Verbs of a deployment's `/etc`. One file a verb.

pub(crate) mod diff;
mod lines;
pub(crate) mod restore;

use anyhow::Context as _;
use ostler_deploy::etc_restore::{RestoreError, path_in_etc};
use ostler_deploy::{Deployment, Sysroot};

use crate::command::admin::system;
use crate::grammar::{Group, Section, SysrootOption, verb};

/// `etc` and its verbs.
pub(crate) static GROUP: Group = Group {
    name: "etc",
    about: "See and undo what was changed in /etc",
    operands: "VERB",
    sections: &[Section {
        heading: "/etc",
        nodes: &[verb::<diff::Diff>(), verb::<restore::Restore>()],
    }],
    without_verb: None,
};

/// Which deployment's `/etc`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Look at this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Look at this deployment (defaults to the booted one, or else the first of the stateroot)
    #[arg(long, value_name = "INDEX")]
    pub(crate) deploy_index: Option<usize>,
}

impl Which {
    /// Finds the deployment.
    fn deployment<'a>(&self, sysroot: &'a Sysroot) -> anyhow::Result<&'a Deployment> {
        if let Some(index) = self.deploy_index {
            return Ok(sysroot.at(index)?);
        }
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
        sysroot
            .merge_source(&stateroot)
            .with_context(|| format!("no deployment for stateroot `{stateroot}`"))
    }
}

/// Reads paths as a person gives them.
fn paths_in_etc(given: &[String]) -> Result<Vec<Vec<u8>>, RestoreError> {
    given.iter().map(|path| path_in_etc(path)).collect()
}
