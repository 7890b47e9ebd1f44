//! `remote gpg-list-keys`.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use ostler_store::sign::TrustRoots;
use ostler_store::sign::openpgp::{listing, trusted};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, SysrootOption, Verb};

/// Options of `remote gpg-list-keys`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GpgListKeys {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// The remote; without it, the keys that the host trusts for all remotes
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

impl Verb for GpgListKeys {
    const NAME: &'static str = "gpg-list-keys";
    const ALIASES: &'static [&'static str] = &["list-gpg-keys"];
    const ABOUT: &'static str = "List the OpenPGP keys that are trusted";
    const OPERANDS: &'static str = "[NAME]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote gpg-list-keys --repo=repo origin",
        says: "the keys of a remote, with users, dates and where updates are published",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (repo, remotes_dir) = super::open(&self.repo, &self.sysroot, context)?;
        let keyring = match &self.name {
            Some(name) => {
                let remote = repo.remote(name, remotes_dir.as_deref())?;
                trusted::own_of_remote(&repo, &remote)?
            }
            None => trusted::of_directory(&TrustRoots::of_host().keyrings)?,
        };
        for cert in listing::list(&keyring, SystemTime::now()) {
            let shown = cert.describe(&TimeZone::system());
            context.printer.text(&shown)?;
        }
        Ok(Exit::Done)
    }
}
