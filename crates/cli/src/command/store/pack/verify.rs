//! `pack verify`.

use ostler_store::pack;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::hinted;

/// Options of `pack verify`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Commits or refs; all that have packs if there are none
    #[arg(value_name = "REV")]
    pub(crate) revs: Vec<String>,
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const ABOUT: &'static str = "Check that packs hold what their indexes say";
    const OPERANDS: &'static str = "[REV...]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "pack verify --repo=repo",
        says: "read all packs, and check each object's checksum",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let mut commits = Vec::new();
        for rev in &self.revs {
            commits.push(repo.resolve(rev)?);
        }
        if self.revs.is_empty() {
            commits.extend(pack::list(&repo)?.iter().map(|entry| entry.commit));
        }
        for commit in commits {
            let verified = pack::verify(&repo, commit).map_err(|error| {
                let hint = "clients do without a pack that is damaged; `ostler pack delete` and `pack create` make it anew";
                hinted(error.to_string(), hint)
            })?;
            context.printer.line(format_args!(
                "{commit} {} objects in {} packs are whole",
                verified.objects, verified.packs
            ))?;
        }
        Ok(Exit::Done)
    }
}
