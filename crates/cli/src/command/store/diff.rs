//! `diff`: two trees compared.

use std::path::Path;

use anyhow::bail;
use ostler_format::{CommitId, RefName, RemoteName};
use ostler_fs::Dir;
use ostler_packages::changes::{self as packages, PackageChanges};
use ostler_packages::database::DatabaseError;
use ostler_store::Repo;
use ostler_store::changes::{announced, changes};
use ostler_store::diff::{DiffOptions, Side, diff, list_order, shared_objects};
use serde::Serialize;

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
        let (from, to) = (repo.resolve(first)?, repo.resolve(second)?);
        let told = WithPackages::new(repo, [from, to], changes(repo, from, to)?);
        let packages = told.packages.as_ref();
        let text = || text::changes::describe(&told.changes, packages);
        self.print_told(context, &told, text)
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
        let told = WithPackages::new(repo, [from, to], announced);
        let packages = told.packages.as_ref();
        let text = || text::changes::describe_announced(&told.changes, packages);
        self.print_told(context, &told, text)
    }

    fn print_told<T: Serialize>(
        &self,
        context: &Context,
        told: &WithPackages<T>,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<Exit> {
        let printer = &context.printer;
        if self.json {
            printer.line(serde_json::to_string_pretty(told)?)?;
        } else {
            printer.text(&text())?;
        }
        if let Some(problem) = &told.package_problem {
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

/// What changes, and what of that are packages.
#[derive(Serialize)]
struct WithPackages<T> {
    #[serde(flatten)]
    changes: T,
    /// `None` if no package database is there, or nothing is known of it.
    packages: Option<PackageChanges>,
    /// Why a package database or a list of packages that is there was not read.
    package_problem: Option<String>,
}

impl<T> WithPackages<T> {
    fn new(repo: &Repo, [from, to]: [CommitId; 2], changes: T) -> Self {
        let (packages, package_problem) = match packages::between(repo, from, to) {
            Ok(packages) => (packages, None),
            Err(DatabaseError::NotHere { .. }) => (None, None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        Self {
            changes,
            packages,
            package_problem,
        }
    }
}

/// A path is told from a revision by how it begins.
pub(crate) fn is_path(text: &str) -> bool {
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
