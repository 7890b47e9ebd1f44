//! `prune`: delete what nothing refers to.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use jiff::Zoned;
use ostler_format::Refspec;
use ostler_store::delta;
use ostler_store::prune::{self, PruneOptions};
use ostler_store::reachable::Depth;

use crate::text::{date, size};

use crate::command::values::parse_branch_depth;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::usage;

/// Options of `prune`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Prune {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Delete nothing, only count
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Keep only what refs reach, not each commit
    #[arg(long)]
    pub(crate) refs_only: bool,
    /// Keep that many parents of each commit (-1 for all)
    #[arg(long, value_name = "DEPTH", default_value_t = -1, hide_default_value = true)]
    pub(crate) depth: i32,
    /// Delete this commit (repeatable)
    #[arg(long, value_name = "COMMIT")]
    pub(crate) delete_commit: Vec<String>,
    /// Delete commits older than this date
    #[arg(long, value_name = "DATE")]
    pub(crate) keep_younger_than: Option<String>,
    /// Keep that many parents of this branch (repeatable)
    #[arg(long, value_name = "BRANCH=DEPTH", value_parser = parse_branch_depth)]
    pub(crate) retain_branch_depth: Vec<(String, i32)>,
    /// Prune this branch alone (repeatable)
    #[arg(long, value_name = "BRANCH")]
    pub(crate) only_branch: Vec<String>,
    /// Delete static deltas to the commits of --delete-commit instead of the commits
    #[arg(long)]
    pub(crate) static_deltas_only: bool,
    /// Consider and delete commit objects alone
    #[arg(long)]
    pub(crate) commit_only: bool,
}

impl Verb for Prune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Delete the objects that nothing refers to";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "prune --repo=repo --refs-only --depth=10",
            says: "keep the newest commit of each ref and ten before it",
        },
        Example {
            call: "prune --repo=repo --keep-younger-than='3 months ago' --no-prune",
            says: "see what deleting old commits would free",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let mut repo = self.repo.open(context)?;
        if self.no_prune && !self.delete_commit.is_empty() {
            return Err(usage("Cannot specify both --delete-commit and --no-prune"));
        }
        if self.static_deltas_only && self.delete_commit.is_empty() {
            bail!("--static-deltas-only requires --delete-commit");
        }
        // Before anything is deleted: a mistake in one option must not leave half of the work done.
        let options = self.options()?;
        for commit in &self.delete_commit {
            let id = repo.resolve(commit)?;
            if self.static_deltas_only {
                delta::remove_to(&repo, id)?;
                delta::native::remove_to(&repo, id)?;
            } else {
                prune::delete_commit(&mut repo, id)?;
            }
        }
        let report = prune::prune(&repo, &options, context.sink().as_ref())?;
        let freed = size::decimal(report.bytes_freed);
        let printer = &context.printer;
        let kind = if self.commit_only {
            " (commit only)"
        } else {
            ""
        };
        printer.line(format_args!(
            "Total{kind} objects: {}",
            report.objects_total
        ))?;
        if report.objects_deleted == 0 {
            printer.line("No unreachable objects")?;
        } else if self.no_prune {
            printer.line(format_args!(
                "Would delete: {} objects, freeing {freed}",
                report.objects_deleted
            ))?;
        } else {
            printer.line(format_args!(
                "Deleted {} objects, {freed} freed",
                report.objects_deleted
            ))?;
        }
        Ok(Exit::Done)
    }
}

impl Prune {
    fn options(&self) -> anyhow::Result<PruneOptions> {
        let younger = match &self.keep_younger_than {
            None => None,
            Some(text) => {
                let seconds = date::parse(text, &Zoned::now())
                    .with_context(|| format!("Could not parse '{text}'"))?;
                Some(u64::try_from(seconds).unwrap_or(0))
            }
        };
        let mut branches = BTreeMap::new();
        for (branch, depth) in &self.retain_branch_depth {
            branches.insert(Refspec::parse(branch)?, Depth::from_signed(*depth));
        }
        let only: Result<Vec<_>, _> = self
            .only_branch
            .iter()
            .map(|branch| Refspec::parse(branch))
            .collect();
        Ok(PruneOptions {
            refs_only: self.refs_only,
            depth: Depth::from_signed(self.depth),
            keep_younger_than: younger,
            retain_branch_depth: branches,
            only_branch: only?,
            commit_only: self.commit_only,
            dry_run: self.no_prune,
        })
    }
}
