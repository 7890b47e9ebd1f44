//! `admin set-origin`: what a deployment follows.

use anyhow::Context as _;
use ostler_deploy::origin_file;
use ostler_format::origin::Source;
use ostler_format::{RefName, Refspec, RemoteName};
use ostler_store::remote::{IfExists, RemoteError, RemoteValue};

use super::system;
use crate::command::values::parse_key_value;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};

/// Options of `admin set-origin`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetOrigin {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Set another key of the remote's configuration (repeatable)
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Index in the list of deployments, from 0 (defaults to the booted one)
    #[arg(long, value_name = "INDEX")]
    pub(crate) index: Option<usize>,
    /// The remote; it is added if there is none of this name
    #[arg(value_name = "REMOTENAME", required = true)]
    pub(crate) remote: String,
    /// Where it is
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: String,
    /// The ref (defaults to the deployment's)
    #[arg(value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
}

impl Verb for SetOrigin {
    const NAME: &'static str = "set-origin";
    const ABOUT: &'static str = "Change what a deployment follows, and add the remote";
    const OPERANDS: &'static str = "REMOTENAME URL [BRANCH]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "admin set-origin origin http://server:8080 os/stable",
        says: "say where the booted deployment's upgrades come from",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut lock = system::lock(context, &self.sysroot)?;
        let index = match self.index {
            Some(index) => index,
            None => {
                lock.require_booted()?;
                lock.deployments
                    .iter()
                    .position(|deployment| deployment.booted)
                    .unwrap_or_default()
            }
        };
        let remote = RemoteName::new(self.remote.as_str())?;
        let mut origin = lock.at(index)?.origin.clone().unwrap_or_default();
        let name = match &self.branch {
            Some(branch) => RefName::new(branch.as_str())?,
            None => {
                origin
                    .refspec()?
                    .context("the origin has no ref: name a BRANCH")?
                    .name
            }
        };
        let mut keys = vec![("url".to_owned(), RemoteValue::Text(self.url))];
        keys.extend(
            self.set
                .into_iter()
                .map(|(key, value)| (key, RemoteValue::Text(value))),
        );
        let repo = lock.repo_mut();
        let remotes_dir = repo.remotes_dir(None);
        match repo.add_remote(&remote, &keys, IfExists::Refuse, remotes_dir.as_deref()) {
            Err(RemoteError::Exists { .. }) => {}
            other => other?,
        }
        origin.set_source(&Source::Refspec(Refspec {
            remote: Some(remote),
            name,
        }))?;
        origin_file::replace(&mut lock, index, &origin)?;
        Ok(Exit::Done)
    }
}
