//! `deploy`: a chosen version or commit of the origin becomes the next boot.

use anyhow::Context as _;
use ostler_deploy::upgrade::{Older, Steps, Target};
use ostler_format::CommitId;

use super::change::{self, Change};
use super::driver;
use super::options::HostOptions;
use super::preview::{self, Detail};
use super::revision;
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, Verb};

/// Options of `deploy`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    /// Look what would be deployed and which conflicts /etc would have, change nothing
    #[arg(long)]
    pub(crate) preview: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Do not check that the commit belongs to the origin's branch
    #[arg(long)]
    pub(crate) skip_branch_check: bool,
    /// Refuse a commit older than the deployed one
    #[arg(long)]
    pub(crate) disallow_downgrade: bool,
    /// Take a commit that has failed its trial once more
    #[arg(long)]
    pub(crate) retry_bad: bool,
    /// Upgrade behind the back of the program that drives updates
    #[arg(long)]
    pub(crate) bypass_driver: bool,
    /// Say that this service drives updates until the next boot; an empty REVISION deploys nothing
    #[arg(long, value_name = "NAME")]
    pub(crate) register_driver: Option<String>,
    /// Exit with 77 if it is deployed already
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
    /// Version or commit
    #[arg(value_name = "REVISION", required = true)]
    pub(crate) revision: String,
}

impl Verb for Deploy {
    const NAME: &'static str = "deploy";
    const ABOUT: &'static str = "Deploy a version or commit of what this host follows";
    const OPERANDS: &'static str = "REVISION";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "deploy 42.1",
        says: "go to version 42.1, newer or older",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.use_link(&self.link);
        context.show_progress(&self.host.progress)?;
        if let Some(name) = &self.register_driver {
            driver::register(&system::lock(context, &self.host.sysroot)?, name)?;
            if self.revision.is_empty() {
                return Ok(Exit::Done);
            }
        }
        let steps = change::steps(self.cache_only, self.download_only);
        let commit = self.commit(context, steps)?;
        let target = match self.skip_branch_check {
            true => Target::AnyCommit(commit),
            false => Target::Commit(commit),
        };
        if self.preview {
            return preview::print(context, &self.host, &target, Detail::Conflicts);
        }
        let change = Change {
            target,
            steps,
            older: if self.disallow_downgrade {
                Older::Refuse
            } else {
                Older::Allow
            },
            unchanged_exit_77: self.unchanged_exit_77,
            bypass_driver: self.bypass_driver || self.register_driver.is_some(),
            if_bad: change::if_bad(self.retry_bad),
        };
        change::run(context, &self.host, change)
    }
}

impl Deploy {
    /// Finds the commit in the history of what is followed; a whole id is taken as it is with `--skip-branch-check`.
    fn commit(&self, context: &Context, steps: Steps) -> anyhow::Result<CommitId> {
        if let Ok(commit) = self.revision.parse::<CommitId>()
            && self.skip_branch_check
        {
            return Ok(commit);
        }
        let sysroot = system::open(&self.host.sysroot)?;
        let stateroot = system::stateroot(self.host.stateroot.as_deref())?;
        let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
        let current = sysroot.merge_source(&stateroot);
        let current = current
            .with_context(|| format!("no previous deployment for stateroot `{stateroot}`"))?;
        let origin = current
            .origin
            .as_ref()
            .context("the current deployment has no origin")?;
        let followed = origin
            .refspec()?
            .context("the current deployment follows no ref")?;
        revision::find(context, sysroot.repo(), &followed, &self.revision, steps)
    }
}
