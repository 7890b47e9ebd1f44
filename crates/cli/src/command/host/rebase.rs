//! `rebase`: follow another ref.

use ostler_deploy::upgrade::{self, Older, Target};

use super::change::{self, Change};
use super::options::HostOptions;
use super::revision;
use crate::command::admin::{switch, system};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, Verb};

/// Options of `rebase`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Rebase {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    /// Ref to follow, in place of REFSPEC
    #[arg(short, long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Remote to follow, in place of REFSPEC
    #[arg(short = 'm', long, value_name = "REMOTE")]
    pub(crate) remote: Option<String>,
    /// Keep the ref that was followed so far
    #[arg(long)]
    pub(crate) skip_purge: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Refuse a commit older than the deployed one
    #[arg(long)]
    pub(crate) disallow_downgrade: bool,
    /// Take a commit that has failed its trial once more
    #[arg(long)]
    pub(crate) retry_bad: bool,
    /// Upgrade behind the back of the program that drives updates
    #[arg(long)]
    pub(crate) bypass_driver: bool,
    /// Say in words who manages what is followed, for `status`
    #[arg(long, value_name = "TEXT", requires = "custom_origin_url")]
    pub(crate) custom_origin_description: Option<String>,
    /// Say where that is described
    #[arg(long, value_name = "URL", requires = "custom_origin_description")]
    pub(crate) custom_origin_url: Option<String>,
    /// `REMOTE:REF`, `REF` or `REMOTE:`
    #[arg(value_name = "REFSPEC", required_unless_present_any = ["branch", "remote"])]
    pub(crate) refspec: Option<String>,
    /// Version or commit of that ref (defaults to the newest)
    #[arg(value_name = "REVISION")]
    pub(crate) revision: Option<String>,
}

impl Verb for Rebase {
    const NAME: &'static str = "rebase";
    const ABOUT: &'static str = "Follow another ref, and deploy its newest commit";
    const OPERANDS: &'static str = "REFSPEC [REVISION]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "rebase origin:os/testing",
        says: "follow the ref os/testing of the remote origin",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.use_link(&self.link);
        context.show_progress(&self.host.progress)?;
        let text = match (&self.refspec, &self.remote, &self.branch) {
            (Some(refspec), None, None) => refspec.clone(),
            (None, Some(remote), None) => format!("{remote}:"),
            (None, None, Some(branch)) => branch.clone(),
            (None, Some(remote), Some(branch)) => format!("{remote}:{branch}"),
            _ => anyhow::bail!("either REFSPEC or --remote and --branch, not both"),
        };
        let stateroot = system::stateroot(self.host.stateroot.as_deref())?;
        let sysroot = system::open(&self.host.sysroot)?;
        let next = system::next_of(&sysroot, stateroot.as_ref())?;
        let followed = next.followed()?;
        let refspec = switch::wanted(followed.as_ref(), &text)?;
        let refspec = upgrade::with_remote_of(&refspec, followed.as_ref());
        let steps = change::steps(self.cache_only, self.download_only);
        let commit = match &self.revision {
            Some(revision) => Some(revision::find(
                context,
                sysroot.repo(),
                &refspec,
                revision,
                steps,
            )?),
            None => None,
        };
        let change = Change {
            target: Target::Switch {
                refspec,
                commit,
                keep_old_ref: self.skip_purge,
                custom: self
                    .custom_origin_url
                    .clone()
                    .zip(self.custom_origin_description.clone()),
            },
            steps,
            older: if self.disallow_downgrade {
                Older::Refuse
            } else {
                Older::Allow
            },
            unchanged_exit_77: false,
            bypass_driver: self.bypass_driver,
            if_bad: change::if_bad(self.retry_bad),
        };
        drop(sysroot);
        change::run(context, &self.host, change)
    }
}
