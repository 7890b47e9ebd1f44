//! `fsck`: check a repository.

use std::collections::BTreeSet;

use anyhow::bail;
use ostler_format::CommitId;
use ostler_store::fsck::{Fsck as Check, FsckOptions, FsckReport};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `fsck`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Fsck {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Write tombstones for missing commits
    #[arg(long)]
    pub(crate) add_tombstones: bool,
    /// Print errors alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Go on after the first error
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Delete damaged objects; their commits become partial
    #[arg(long)]
    pub(crate) delete: bool,
    /// Check that each ref's commit is bound to it
    #[arg(long)]
    pub(crate) verify_bindings: bool,
    /// Check that each commit's bound refs exist; implies --verify-bindings
    #[arg(long)]
    pub(crate) verify_back_refs: bool,
}

impl Verb for Fsck {
    const NAME: &'static str = "fsck";
    const ABOUT: &'static str = "Check that all commits are whole and undamaged";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "fsck --repo=repo --all",
            says: "list all damage",
        },
        Example {
            call: "fsck --repo=repo --delete",
            says: "delete damaged objects, so that a pull fetches them again",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut repo = self.repo.open(context)?;
        let options = FsckOptions {
            keep_going: self.all,
            delete: self.delete,
            add_tombstones: self.add_tombstones,
            verify_bindings: self.verify_bindings,
            verify_back_refs: self.verify_back_refs,
        };
        let say = |text: std::fmt::Arguments<'_>| {
            if self.quiet {
                Ok(())
            } else {
                context.printer.line(text)
            }
        };
        let mut check = Check::begin(&mut repo, options)?;
        say(format_args!("Validating refs..."))?;
        check.validate_refs()?;
        say(format_args!("Validating refs in collections..."))?;
        check.validate_collection_refs()?;
        say(format_args!("Enumerating commits..."))?;
        let commits = check.enumerate_commits()?;
        say(format_args!(
            "Verifying content integrity of {commits} commit objects..."
        ))?;
        let report = check.verify_objects(context.sink().as_ref())?;
        if report.partial_commits > 0 {
            say(format_args!(
                "{} partial commits not verified",
                report.partial_commits
            ))?;
        }
        self.tell(context, &report)?;
        say(format_args!(
            "object fsck of {commits} commits completed successfully - no errors found."
        ))?;
        Ok(Exit::Done)
    }
}

impl Fsck {
    /// Says what is wrong; an error if anything is.
    fn tell(&self, context: &Context, report: &FsckReport) -> anyhow::Result<()> {
        for parent in &report.missing_parents {
            if self.add_tombstones {
                context
                    .printer
                    .line(format_args!("Adding tombstone for commit {parent}"))?;
            }
        }
        for damage in &report.damage {
            let commits = join(&damage.commits);
            if damage.is_missing() {
                context.printer.note(format_args!(
                    "Object missing in commits {commits}: {}",
                    damage.name
                ));
                continue;
            }
            context
                .printer
                .note(format_args!("In commits {commits}: fsck {}", damage.error));
            if damage.deleted {
                context
                    .printer
                    .note(format_args!("Deleted corrupted object {}", damage.name));
            }
        }
        for commit in &report.marked_partial {
            context
                .printer
                .note(format_args!("Marking commit as partial: {commit}"));
        }
        if !report.damage.is_empty() {
            bail!("Repository corruption encountered");
        }
        if report.damaged_partial_commits > 0 {
            bail!(
                "{} partial commits from fsck-detected corruption",
                report.damaged_partial_commits
            );
        }
        Ok(())
    }
}

fn join(commits: &BTreeSet<CommitId>) -> String {
    let names: Vec<String> = commits.iter().map(ToString::to_string).collect();
    names.join(", ")
}
