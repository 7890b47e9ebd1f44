//! `admin switch`: follow another ref.

use anyhow::Context as _;
use ostler_deploy::Deployment;
use ostler_deploy::deploy::DeployOptions;
use ostler_deploy::upgrade::{self, Older, Target, UpgradeOptions, Upgraded};
use ostler_format::{Refspec, RemoteName};

use super::system;
use crate::command::host::fetch::Puller;
use crate::command::host::reboot::{self, Restart};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, LinkOptions, SysrootOption, Verb};
use crate::progress::ProgressOptions;

/// Options of `admin switch`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Switch {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Switch this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Reboot after a deployment was made
    #[arg(short, long)]
    pub(crate) reboot: bool,
    /// Restart straight into the new kernel, past firmware and boot loader
    #[arg(short, long)]
    pub(crate) kexec: bool,
    /// `REMOTE:REF`; `REMOTE:` keeps the ref, a bare ref keeps the remote
    #[arg(value_name = "REFSPEC", required = true)]
    pub(crate) refspec: String,
}

impl Verb for Switch {
    const NAME: &'static str = "switch";
    const ABOUT: &'static str = "Follow another ref, and deploy its newest commit";
    const OPERANDS: &'static str = "REFSPEC";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin switch os/testing",
        says: "deploy another branch of the same remote, and follow it from now on",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.use_link(&self.link);
        context.show_progress(&self.progress)?;
        let mut lock = system::lock(context, &self.sysroot)?;
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        // That there is nothing to switch from is for the upgrade to say.
        let named = lock.stateroot_or_booted(stateroot.as_ref()).ok();
        let current = named.and_then(|stateroot| lock.merge_source(&stateroot));
        let followed = current.map(Deployment::followed).transpose()?.flatten();
        let options = UpgradeOptions {
            target: Target::Switch {
                refspec: wanted(followed.as_ref(), &self.refspec)?,
                commit: None,
                keep_old_ref: false,
                custom: None,
            },
            // What another ref has is neither older nor newer.
            older: Older::Allow,
            deploy: DeployOptions {
                stateroot,
                ..DeployOptions::default()
            },
            ..UpgradeOptions::default()
        };
        let sink = context.sink();
        let upgraded = upgrade::upgrade(&mut lock, &mut Puller::new(context), &options, &*sink)?;
        if let Upgraded::Deployed(deployed) = upgraded {
            system::tell_deployed(context, &deployed)?;
            let restart = Restart::asked(self.reboot, self.kexec);
            reboot::after_deployment(context, &lock, &deployed.id, restart)?;
        }
        Ok(Exit::Done)
    }
}

/// Reads `REMOTE:REF`; of `REMOTE:` the ref is the one that is followed now.
pub(crate) fn wanted(followed: Option<&Refspec>, text: &str) -> anyhow::Result<Refspec> {
    let Some(remote) = text.strip_suffix(':') else {
        return Ok(Refspec::parse(text)?);
    };
    let followed = followed.context("the current deployment follows no ref: name one")?;
    Ok(Refspec {
        remote: Some(RemoteName::new(remote)?),
        name: followed.name.clone(),
    })
}
