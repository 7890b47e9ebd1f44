//! `static-delta delete`.

use ostler_store::delta::{self, DeltaError};

use super::{Named, parse_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `static-delta delete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// FROM-TO, TO or FROM-TO.native, as `static-delta list` shows it
    #[arg(value_name = "DELTA")]
    pub(crate) delta: Option<String>,
}

impl Verb for Delete {
    const NAME: &'static str = "delete";
    const ABOUT: &'static str = "Delete a static delta";
    const OPERANDS: &'static str = "DELTA";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta delete --repo=repo FROM-TO",
        says: "the commits stay; `summary -u` tells clients",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = parse_name(self.delta.as_deref())?;
        let repo = self.repo.open(context)?;
        let (name, removed) = match name {
            Named::Static(name) => (name, delta::remove(&repo, &name)?),
            Named::Native(name) => (name, delta::native::remove(&repo, &name)?),
        };
        if !removed {
            return Err(DeltaError::Absent { name }.into());
        }
        Ok(Exit::Done)
    }
}
