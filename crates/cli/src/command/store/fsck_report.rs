//! The report of `fsck --json`.
//!
//! ```text
//! commits, partial_commits, damaged_partial_commits, objects, bytes    numbers
//! damaged                                                              whether something is damaged or missing still
//! damage    [{object: ID.KIND, problem, missing, unreadable, outcome: left|deleted|repaired|quarantined, from, commits, refs, deployments}]
//! marked_partial, made_whole, missing_parents                          commits
//! complaints [{source, object, reason}]                                sources that could not help
//! ```

use std::collections::BTreeSet;

use ostler_format::CommitId;
use ostler_store::fsck::{Damage, FsckReport, Outcome};
use serde_json::{Value, json};

use super::fsck_sources::Deployments;
use crate::context::Context;

/// Prints the report on stdout.
pub(super) fn print(
    context: &Context,
    report: &FsckReport,
    deployments: &Deployments,
) -> anyhow::Result<()> {
    let damage: Vec<Value> = report
        .damage
        .iter()
        .map(|damage| entry(damage, deployments))
        .collect();
    let shown = json!({
        "commits": report.commits,
        "partial_commits": report.partial_commits,
        "damaged_partial_commits": report.damaged_partial_commits,
        "objects": report.objects,
        "bytes": report.bytes,
        "damaged": report.is_damaged(),
        "damage": damage,
        "marked_partial": ids(&report.marked_partial),
        "made_whole": ids(&report.made_whole),
        "missing_parents": ids(&report.missing_parents),
        "complaints": report.complaints,
    });
    context
        .printer
        .line(serde_json::to_string_pretty(&shown)?)?;
    Ok(())
}

fn entry(damage: &Damage, deployments: &Deployments) -> Value {
    let (outcome, from) = match &damage.outcome {
        Outcome::Left => ("left", None),
        Outcome::Deleted => ("deleted", None),
        Outcome::Repaired { from } => ("repaired", Some(from.as_str())),
        Outcome::Quarantined => ("quarantined", None),
    };
    json!({
        "object": damage.name.to_string(),
        "problem": damage.error.to_string(),
        "missing": damage.is_missing(),
        "unreadable": damage.is_unreadable(),
        "outcome": outcome,
        "from": from,
        "commits": ids(&damage.commits),
        "refs": damage.refs,
        "deployments": deployments.hit_by(&damage.commits),
    })
}

fn ids(commits: &BTreeSet<CommitId>) -> Vec<String> {
    commits.iter().map(ToString::to_string).collect()
}
