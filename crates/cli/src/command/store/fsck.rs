//! `fsck`: check a repository.

use std::collections::BTreeSet;

use anyhow::bail;
use ostler_format::CommitId;
use ostler_store::Repo;
use ostler_store::fsck::{Damage, Fsck as Check, FsckOptions, FsckReport, Outcome, Remedy};
use ostler_store::repair::{QUARANTINE, RepairSource};

use super::fsck_report;
use super::fsck_sources::{self, Deployments};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::hinted;

/// Options of `fsck`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Fsck {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Write tombstones for missing commits
    #[arg(long)]
    pub(crate) add_tombstones: bool,
    /// Print errors alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Go on after the first error
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Delete damaged objects; their commits become partial. What the disk does not give is left
    #[arg(long)]
    pub(crate) delete: bool,
    /// Replace damaged and missing objects by whole ones: from deployments, then from all remotes
    #[arg(long, conflicts_with = "delete")]
    pub(crate) repair: bool,
    /// Repair from this repository, or from `remote:NAME`, instead of all remotes (repeatable)
    #[arg(long, value_name = "REPO", conflicts_with = "delete")]
    pub(crate) repair_from: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
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
        Example {
            call: "fsck --repo=repo --repair --repair-from=/srv/mirror --repair-from=remote:origin",
            says: "replace damaged and missing objects, from a mirror on this machine if it has them",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let mut repo = self.repo.open(context)?;
        let deployments = fsck_sources::deployments(context, &repo);
        let sources = self.sources(context, &repo, &deployments)?;
        // Without a source nothing is moved away: what is damaged may still be of use to a later repair.
        let helpless = self.remedy() == Remedy::Repair && sources.is_empty();
        let options = FsckOptions {
            keep_going: self.all || helpless,
            remedy: if helpless {
                Remedy::None
            } else {
                self.remedy()
            },
            add_tombstones: self.add_tombstones,
            verify_bindings: self.verify_bindings,
            verify_back_refs: self.verify_back_refs,
        };
        let report = self.check(context, &mut repo, options, &sources)?;
        if self.json {
            fsck_report::print(context, &report, &deployments)?;
        } else {
            self.tell(context, &report, &deployments)?;
        }
        if helpless && report.is_damaged() {
            return Err(hinted(
                "there is nothing to repair from: no remote is configured, and no deployment is here",
                "name another repository with --repair-from=REPO",
            ));
        }
        self.conclude(context, &report)
    }
}

impl Fsck {
    fn remedy(&self) -> Remedy {
        if self.repair || !self.repair_from.is_empty() {
            Remedy::Repair
        } else if self.delete {
            Remedy::Delete
        } else {
            Remedy::None
        }
    }

    fn sources(
        &self,
        context: &Context,
        repo: &Repo,
        deployments: &Deployments,
    ) -> anyhow::Result<Vec<RepairSource>> {
        if self.remedy() != Remedy::Repair {
            return Ok(Vec::new());
        }
        let mut sources = fsck_sources::of_deployments(deployments);
        sources.extend(fsck_sources::named(context, repo, &self.repair_from)?);
        Ok(sources)
    }

    /// Does the steps, and says which.
    fn check(
        &self,
        context: &Context,
        repo: &mut Repo,
        options: FsckOptions,
        sources: &[RepairSource],
    ) -> anyhow::Result<FsckReport> {
        let mut check = Check::begin(repo, options)?;
        self.say(context, "Validating refs...")?;
        check.validate_refs()?;
        self.say(context, "Validating refs in collections...")?;
        check.validate_collection_refs()?;
        self.say(context, "Enumerating commits...")?;
        let commits = check.enumerate_commits()?;
        self.say(
            context,
            format_args!("Verifying content integrity of {commits} commit objects..."),
        )?;
        let report = check.verify_objects(sources, context.sink().as_ref())?;
        if report.partial_commits > 0 {
            self.say(
                context,
                format_args!("{} partial commits not verified", report.partial_commits),
            )?;
        }
        Ok(report)
    }

    fn say(&self, context: &Context, text: impl std::fmt::Display) -> anyhow::Result<()> {
        if !self.quiet && !self.json {
            context.printer.line(text)?;
        }
        Ok(())
    }

    /// Says what is wrong, and what was done about it.
    fn tell(
        &self,
        context: &Context,
        report: &FsckReport,
        deployments: &Deployments,
    ) -> anyhow::Result<()> {
        let printer = &context.printer;
        for parent in &report.missing_parents {
            if self.add_tombstones {
                printer.line(format_args!("Adding tombstone for commit {parent}"))?;
            }
        }
        for damage in &report.damage {
            tell_damage(context, damage);
            if self.remedy() == Remedy::Repair {
                tell_what_is_hit(context, damage, deployments);
            }
        }
        for complaint in &report.complaints {
            let of = complaint.object.as_deref().unwrap_or("everything");
            printer.note(format_args!(
                "{} was of no help with {of}: {}",
                complaint.source, complaint.reason
            ));
        }
        for commit in &report.marked_partial {
            printer.note(format_args!("Marking commit as partial: {commit}"));
        }
        for commit in &report.made_whole {
            printer.note(format_args!("Commit is whole again: {commit}"));
        }
        Ok(())
    }

    /// The last line, and whether all is well.
    fn conclude(&self, context: &Context, report: &FsckReport) -> anyhow::Result<Exit> {
        if report.is_damaged() {
            bail!("Repository corruption encountered");
        }
        if report.damaged_partial_commits > 0 {
            bail!(
                "{} partial commits from fsck-detected corruption",
                report.damaged_partial_commits
            );
        }
        let commits = report.commits;
        match report.damage.len() {
            0 => self.say(
                context,
                format_args!(
                    "object fsck of {commits} commits completed successfully - no errors found."
                ),
            )?,
            repaired => self.say(
                context,
                format_args!("object fsck of {commits} commits: {repaired} objects repaired."),
            )?,
        }
        Ok(Exit::Done)
    }
}

fn tell_damage(context: &Context, damage: &Damage) {
    let printer = &context.printer;
    let (name, commits) = (damage.name, join(&damage.commits));
    if damage.is_missing() {
        printer.note(format_args!("Object missing in commits {commits}: {name}"));
    } else {
        printer.note(format_args!("In commits {commits}: fsck {}", damage.error));
    }
    match &damage.outcome {
        Outcome::Left if damage.is_unreadable() => printer.note(format_args!(
            "Left {name} in place: the disk did not give it, and it may be whole"
        )),
        Outcome::Left => {}
        Outcome::Deleted => printer.note(format_args!("Deleted corrupted object {name}")),
        Outcome::Repaired { from } => printer.note(format_args!("Repaired {name} from {from}")),
        Outcome::Quarantined => printer.note(format_args!(
            "Could not repair {name}: it is in {QUARANTINE} now"
        )),
    }
}

/// Says which refs and deployments have the object.
fn tell_what_is_hit(context: &Context, damage: &Damage, deployments: &Deployments) {
    let refs: Vec<&str> = damage.refs.iter().map(String::as_str).collect();
    if !refs.is_empty() {
        context
            .printer
            .note(format_args!("  in refs {}", refs.join(", ")));
    }
    let hit = deployments.hit_by(&damage.commits);
    if !hit.is_empty() {
        context
            .printer
            .note(format_args!("  in deployments {}", hit.join(", ")));
    }
}

fn join(commits: &BTreeSet<CommitId>) -> String {
    let names: Vec<String> = commits.iter().map(ToString::to_string).collect();
    names.join(", ")
}
