//! `upgrade`: the newest commit of the origin becomes the next boot.

use ostler_deploy::upgrade::{Older, Target};

use super::change::{self, Change};
use super::options::HostOptions;
use super::preview;
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
    /// As --check, and fetch what is needed to tell what changes
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
            call: "upgrade --reboot",
            says: "upgrade and start it",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.printer.set_quiet(self.host.quiet);
        context.use_link(&self.link);
        context.show_progress(&self.host.progress)?;
        if self.check || self.preview {
            return preview::print(context, &self.host, &Target::Newest);
        }
        let change = Change {
            target: Target::Newest,
            steps: change::steps(self.cache_only, self.download_only),
            older: if self.allow_downgrade {
                Older::Allow
            } else {
                Older::Refuse
            },
            unchanged_exit_77: self.unchanged_exit_77,
        };
        change::run(context, &self.host, change)
    }
}
