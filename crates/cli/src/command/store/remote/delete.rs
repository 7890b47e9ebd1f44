//! `remote delete`.

use ostler_format::RemoteName;
use ostler_store::RemoteError;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, SysrootOption, Verb};

/// Options of `remote delete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Do nothing if there is no such remote
    #[arg(long)]
    pub(crate) if_exists: bool,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}

impl Verb for Delete {
    const NAME: &'static str = "delete";
    const ABOUT: &'static str = "Forget a remote; its refs and objects stay";
    const OPERANDS: &'static str = "NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote delete --repo=repo origin",
        says: "forget a remote",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (mut repo, remotes_dir) = super::open(&self.repo, &self.sysroot, context)?;
        let name = RemoteName::new(self.name)?;
        match repo.delete_remote(&name, remotes_dir.as_deref()) {
            Err(RemoteError::NotFound { .. }) if self.if_exists => {}
            other => other?,
        }
        Ok(Exit::Done)
    }
}
