//! `diff`: two trees compared.

use std::path::Path;

use anyhow::bail;
use ostler_format::{RefName, RemoteName};
use ostler_fs::Dir;
use ostler_store::Repo;
use ostler_store::changes::{announced, changes};
use ostler_store::diff::{DiffOptions, Side, diff, list_order, shared_objects};

use crate::command::host::fetch::Puller;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;
use crate::text::{self, size};

/// Options of `diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Say what changes between two commits by size and by package (dpkg or rpm)
    #[arg(long, conflicts_with_all = ["stats", "fs_diff", "no_xattrs", "owner_uid", "owner_gid"])]
    pub(crate) summary: bool,
    /// Compare with what REMOTE:REF is on the server now; of that, nothing but what its commit says of itself is fetched
    #[arg(long, requires = "summary")]
    pub(crate) available: bool,
    /// Print the summary as JSON
    #[arg(long, requires = "summary")]
    pub(crate) json: bool,
    /// Count objects that both commits share
    #[arg(long)]
    pub(crate) stats: bool,
    /// List files that differ (the default)
    #[arg(long)]
    pub(crate) fs_diff: bool,
    /// Leave extended attributes out of the comparison
    #[arg(long)]
    pub(crate) no_xattrs: bool,
    /// Take this user id for files of directories
    #[arg(long, value_name = "UID")]
    pub(crate) owner_uid: Option<u32>,
    /// Take this group id for files of directories
    #[arg(long, value_name = "GID")]
    pub(crate) owner_gid: Option<u32>,
    /// One tree, compared with the working directory's (a path has a slash); or the first of two
    #[arg(value_name = "REV_OR_DIR", required = true)]
    pub(crate) first: String,
    /// The second tree (defaults to the first one's, the first to its parent's)
    #[arg(value_name = "REV_OR_DIR")]
    pub(crate) second: Option<String>,
}

impl Verb for Diff {
    const NAME: &'static str = "diff";
    const ABOUT: &'static str = "Compare two commits, or a commit and a directory";
    const OPERANDS: &'static str = "REV_OR_DIR [REV_OR_DIR]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "diff --repo=repo os/stable",
            says: "what the newest commit changed",
        },
        Example {
            call: "diff --repo=repo --summary os/stable^ os/stable",
            says: "how large an upgrade is, and which packages it brings",
        },
        Example {
            call: "diff --repo=repo --summary --available origin:os/stable",
            says: "the same of what the server has now, before it is downloaded",
        },
        Example {
            call: "diff --repo=repo os/stable ./rootfs",
            says: "what a directory has that the commit has not",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        if self.available {
            return self.print_available(context, &repo);
        }
        let (first, second) = match &self.second {
            Some(second) => (self.first.clone(), second.clone()),
            None => (format!("{}^", self.first), self.first.clone()),
        };
        if self.summary {
            return self.print_summary(context, &repo, &first, &second);
        }
        if self.stats {
            self.print_stats(context, &repo, &first, &second)?;
        }
        if !self.stats || self.fs_diff {
            self.print_changes(context, &repo, &first, &second)?;
        }
        Ok(Exit::Done)
    }
}

impl Diff {
    fn print_changes(
        &self,
        context: &Context,
        repo: &Repo,
        first: &str,
        second: &str,
    ) -> anyhow::Result<()> {
        let options = DiffOptions {
            ignore_xattrs: self.no_xattrs,
            owner_uid: self.owner_uid,
            owner_gid: self.owner_gid,
        };
        let mut changes = diff(&side(repo, first)?, &side(repo, second)?, options)?;
        changes.sort_by(list_order);
        for change in changes {
            context
                .printer
                .line(format_args!("{}    {}", change.kind.letter(), change.path))?;
        }
        Ok(())
    }

    fn print_summary(
        &self,
        context: &Context,
        repo: &Repo,
        first: &str,
        second: &str,
    ) -> anyhow::Result<Exit> {
        if is_path(first) || is_path(second) {
            bail!("Option --summary requires both arguments to be revisions");
        }
        let changes = changes(repo, repo.resolve(first)?, repo.resolve(second)?)?;
        if self.json {
            let text = serde_json::to_string_pretty(&changes)?;
            context.printer.line(text)?;
        } else {
            context.printer.text(&text::changes::describe(&changes))?;
        }
        if let Some(problem) = &changes.package_problem {
            context
                .printer
                .note(format_args!("packages were not compared: {problem}"));
        }
        Ok(Exit::Done)
    }

    fn print_available(&self, context: &Context, repo: &Repo) -> anyhow::Result<Exit> {
        let refspec = self.second.as_ref().unwrap_or(&self.first);
        let (remote, name) = refspec
            .split_once(':')
            .ok_or_else(|| usage(format!("`{refspec}` is no REMOTE:REF")))?;
        let (remote, name) = (RemoteName::new(remote)?, RefName::new(name)?);
        let from = repo.resolve(&self.first)?;
        let puller = Puller::new(context);
        let to = puller.announcement(repo, &remote, &name)?;
        let mut announced = announced(repo, from, to)?;
        announced.delta_bytes = puller.delta_bytes(repo, &remote, to)?;
        let printer = &context.printer;
        if self.json {
            printer.line(serde_json::to_string_pretty(&announced)?)?;
        } else {
            printer.text(&text::changes::describe_announced(&announced))?;
        }
        if let Some(problem) = &announced.package_problem {
            printer.note(format_args!("packages were not compared: {problem}"));
        }
        Ok(Exit::Done)
    }

    fn print_stats(
        &self,
        context: &Context,
        repo: &Repo,
        first: &str,
        second: &str,
    ) -> anyhow::Result<()> {
        if is_path(first) || is_path(second) {
            bail!("Option --stats requires both arguments to be revisions");
        }
        let shared = shared_objects(repo, repo.resolve(first)?, repo.resolve(second)?)?;
        let printer = &context.printer;
        printer.line(format_args!("[A] Object Count: {}", shared.first))?;
        printer.line(format_args!("[B] Object Count: {}", shared.second))?;
        printer.line(format_args!("Common Object Count: {}", shared.common))?;
        printer.line(format_args!(
            "Common Object Size: {}",
            size::decimal(shared.common_bytes)
        ))?;
        Ok(())
    }
}

/// A path is told from a revision by how it begins.
fn is_path(text: &str) -> bool {
    text.starts_with('/') || text.starts_with("./")
}

fn side<'r>(repo: &'r Repo, text: &str) -> anyhow::Result<Side<'r>> {
    if is_path(text) {
        return Ok(Side::Directory(Dir::open_ambient(Path::new(text))?));
    }
    let commit = repo.read_commit(repo.resolve(text)?)?;
    Ok(Side::Commit {
        repo,
        tree: commit.tree,
        meta: commit.meta,
    })
}
