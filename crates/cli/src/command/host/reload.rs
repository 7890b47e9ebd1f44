//! `reload`: what a daemon would have to read again, looked through.

use ostler_deploy::update_policy::UpdatePolicy;

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `reload`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
}

impl Verb for Reload {
    const NAME: &'static str = "reload";
    const ABOUT: &'static str =
        "Check that the deployments, the remotes and /etc/rpm-ostreed.conf can be read";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "reload",
        says: "after a file was edited; there is no daemon, each command reads all of it by itself",
    }];

    fn run(self, _context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let repo = sysroot.repo();
        repo.remotes(repo.remotes_dir(None).as_deref())?;
        for deployment in &sysroot.deployments {
            UpdatePolicy::read(&sysroot, &deployment.id.stateroot)?;
        }
        Ok(Exit::Done)
    }
}
