//! `upgrade`: the newest commit of the origin becomes the next boot.

use ostler_deploy::update_policy::UpdatePolicy;
use ostler_deploy::upgrade::{Older, Target};

use super::change::{self, Change};
use super::options::HostOptions;
use super::preview::{self, Detail};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, Verb};

/// Options of `upgrade`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) host: HostOptions,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    /// Look whether there is something newer, change nothing (exit code 77 if there is not)
    #[arg(long)]
    pub(crate) check: bool,
    /// As --check, and tell which packages change and which conflicts /etc would have as it is now
    #[arg(long)]
    pub(crate) preview: bool,
    /// Use what is downloaded
    #[arg(short = 'C', long)]
    pub(crate) cache_only: bool,
    /// Download, deploy nothing
    #[arg(long)]
    pub(crate) download_only: bool,
    /// Allow a commit older than the deployed one
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Do what AutomaticUpdatePolicy in /etc/rpm-ostreed.conf says, for timers: nothing, check, stage or apply
    #[arg(long, conflicts_with_all = ["check", "preview", "cache_only", "download_only"])]
    pub(crate) trigger_automatic_update_policy: bool,
    /// Take a commit that has failed its trial once more
    #[arg(long)]
    pub(crate) retry_bad: bool,
    /// Upgrade behind the back of the program that drives updates
    #[arg(long)]
    pub(crate) bypass_driver: bool,
    /// Exit with 77 if there is nothing newer
    #[arg(long)]
    pub(crate) unchanged_exit_77: bool,
}

impl Verb for Upgrade {
    const NAME: &'static str = "upgrade";
    const ALIASES: &'static [&'static str] = &["update"];
    const ABOUT: &'static str = "Deploy the newest commit of what this host follows";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "upgrade --check",
            says: "look whether there is something newer",
        },
        Example {
            call: "upgrade --preview",
            says: "look which packages change, and which files of /etc both sides have changed, before anything is deployed",
        },
        Example {
            call: "upgrade --reboot",
            says: "upgrade and start it",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.use_link(&self.link);
        context.show_progress(&self.host.progress)?;
        if self.trigger_automatic_update_policy {
            return self.trigger(context);
        }
        if self.check || self.preview {
            let detail = match self.preview {
                true => Detail::Conflicts,
                false => Detail::Commit,
            };
            return preview::print(context, &self.host, &Target::Newest, detail);
        }
        self.upgrade(context, &self.host)
    }
}

impl Upgrade {
    fn upgrade(&self, context: &Context, host: &HostOptions) -> anyhow::Result<Exit> {
        let change = Change {
            target: Target::Newest,
            steps: change::steps(self.cache_only, self.download_only),
            older: if self.allow_downgrade {
                Older::Allow
            } else {
                Older::Refuse
            },
            unchanged_exit_77: self.unchanged_exit_77,
            bypass_driver: self.bypass_driver,
            if_bad: change::if_bad(self.retry_bad),
        };
        change::run(context, host, change)
    }

    /// Does what the policy allows; that there is nothing newer is no failure of a timer's.
    fn trigger(&self, context: &Context) -> anyhow::Result<Exit> {
        let policy = {
            let sysroot = system::open(&self.host.sysroot)?;
            let stateroot = system::stateroot(self.host.stateroot.as_deref())?;
            let stateroot = sysroot.stateroot_or_booted(stateroot.as_ref())?;
            UpdatePolicy::read(&sysroot, &stateroot)?.unwrap_or(UpdatePolicy::None)
        };
        let mut host = self.host.clone();
        match policy {
            UpdatePolicy::None => {
                context.printer.line("Automatic updates are disabled.")?;
                return Ok(Exit::Done);
            }
            UpdatePolicy::Check => {
                preview::print(context, &host, &Target::Newest, Detail::Commit)?;
                return Ok(Exit::Done);
            }
            UpdatePolicy::Stage => {}
            UpdatePolicy::Apply => host.reboot = true,
        }
        self.upgrade(context, &host)
    }
}
