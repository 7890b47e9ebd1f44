//! `cat`: the content of files.

use std::io;

use anyhow::{Context as _, bail};
use ostler_format::CommitId;
use ostler_store::Repo;
use ostler_store::checkout::{Target, find};

use super::tree_path::absolute;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `cat`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Ref or commit
    #[arg(value_name = "COMMIT", required = true)]
    pub(crate) commit: String,
    /// Paths in the commit
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
}

/// How many symlinks a path may lead through.
const MAX_SYMLINKS: usize = 40;

impl Verb for Cat {
    const NAME: &'static str = "cat";
    const ABOUT: &'static str = "Print the content of files";
    const OPERANDS: &'static str = "COMMIT PATH...";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "cat --repo=repo os/stable /usr/lib/os-release",
        says: "which system a commit holds",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let commit = repo.resolve(&self.commit)?;
        for path in &self.paths {
            print(context, &repo, commit, path)?;
        }
        Ok(Exit::Done)
    }
}

fn print(context: &Context, repo: &Repo, commit: CommitId, path: &str) -> anyhow::Result<()> {
    let mut path = absolute(path);
    for _ in 0..MAX_SYMLINKS {
        let id = match find(repo, commit, &path)? {
            Target::File { id, .. } => id,
            Target::Directory { .. } => bail!("Can't open directory `{path}`"),
        };
        let mut object = repo.open_file_object(id)?;
        if !object.is_symlink() {
            let copied = context.printer.with_out(|out| io::copy(&mut object, out));
            copied.with_context(|| format!("`{path}`"))?;
            return Ok(());
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        path = match object.header.symlink_target.as_str() {
            target if target.starts_with('/') => absolute(target),
            target => absolute(&format!("{parent}/{target}")),
        };
    }
    bail!("`{path}`: more than {MAX_SYMLINKS} symlinks")
}
