//! `admin upgrade`: the newest commit of the origin becomes a deployment.

use ostler_deploy::SysrootLock;
use ostler_deploy::deploy::DeployOptions;
use ostler_deploy::staged::{Finalization, StageError};
use ostler_deploy::upgrade::{self, Finish, Older, Steps, Target, UpgradeOptions, Upgraded};

use super::system;
use crate::command::host::fetch::Puller;
use crate::command::host::reboot::{self, Restart};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, SysrootOption, Verb};
use crate::progress::ProgressOptions;

/// Options of `admin upgrade`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Upgrade this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Finish at shutdown
    #[arg(long)]
    pub(crate) stage: bool,
    /// Download, deploy nothing
    #[arg(long, conflicts_with = "deploy_only")]
    pub(crate) pull_only: bool,
    /// Deploy what is downloaded
    #[arg(long)]
    pub(crate) deploy_only: bool,
    /// Allow a commit older than the deployed one
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Deploy this commit
    #[arg(long, value_name = "CHECKSUM")]
    pub(crate) override_commit: Option<String>,
    /// Reboot after a deployment was made
    #[arg(short, long)]
    pub(crate) reboot: bool,
    /// Restart straight into the new kernel, past firmware and boot loader
    #[arg(short, long, conflicts_with = "stage")]
    pub(crate) kexec: bool,
}

impl Verb for Upgrade {
    const NAME: &'static str = "upgrade";
    const ABOUT: &'static str = "Deploy the newest commit of the origin, if there is one";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "admin upgrade",
            says: "pull the branch that the deployment follows, and deploy it",
        },
        Example {
            call: "admin upgrade --pull-only",
            says: "fetch now, `ostler admin upgrade --deploy-only` later",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.use_link(&self.link);
        context.show_progress(&self.progress)?;
        let mut lock = system::lock(context, &self.sysroot)?;
        let options = self.options(&lock)?;
        let sink = context.sink();
        let mut puller = Puller::new(context);
        match upgrade::upgrade(&mut lock, &mut puller, &options, &*sink)? {
            Upgraded::Unchanged => context.printer.line("No update available.")?,
            Upgraded::Fetched(_) => {}
            Upgraded::Deployed(deployed) => {
                system::tell_deployed(context, &deployed)?;
                let restart = Restart::asked(self.reboot, self.kexec);
                reboot::after_deployment(context, &lock, &deployed.id, restart)?;
            }
            Upgraded::Staged(staged) => {
                system::tell_staged(context, &staged);
                reboot::after_change(context, &lock, self.reboot)?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Upgrade {
    fn options(&self, lock: &SysrootLock) -> anyhow::Result<UpgradeOptions> {
        let target = match &self.override_commit {
            Some(commit) => Target::Commit(commit.parse()?),
            None => Target::Newest,
        };
        let stage = self.stage || std::env::var_os("OSTREE_EX_STAGE_DEPLOYMENTS").is_some();
        if stage && lock.booted().is_none() {
            return Err(StageError::NotBooted.into());
        }
        Ok(UpgradeOptions {
            target,
            steps: match (self.pull_only, self.deploy_only) {
                (true, _) => Steps::FetchOnly,
                (false, true) => Steps::DeployOnly,
                (false, false) => Steps::All,
            },
            older: if self.allow_downgrade {
                Older::Allow
            } else {
                Older::Refuse
            },
            finish: if stage {
                Finish::Staged(Finalization::AtShutdown)
            } else {
                Finish::Now
            },
            deploy: DeployOptions {
                stateroot: system::stateroot(self.stateroot.as_deref())?,
                ..DeployOptions::default()
            },
            ..UpgradeOptions::default()
        })
    }
}
