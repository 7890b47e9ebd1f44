//! What deployments change by package.

use ostler_deploy::Sysroot;
use ostler_packages::changes;
use ostler_packages::database::DatabaseError;

use crate::context::Context;
use crate::text;

/// Sums up for each deployment what it changes against the booted one; `None` where nothing changes or nothing is known.
///
/// What cannot be told is warned of: it must not keep the rest from being told.
pub(crate) fn diffs(context: &Context, sysroot: &Sysroot) -> Vec<Option<String>> {
    let Some(booted) = sysroot.booted() else {
        return Vec::new();
    };
    let diff = |commit| match changes::between(sysroot.repo(), booted.id.commit, commit) {
        Ok(changes) => changes.map(|changes| text::packages::sum_up(&changes)),
        Err(DatabaseError::NotHere { .. }) => None,
        Err(problem) => {
            let problem = format_args!("packages were not compared: {problem}");
            context.printer.warning(problem);
            None
        }
    };
    let deployments = sysroot.deployments.iter();
    deployments
        .map(|deployment| match deployment.booted {
            true => None,
            false => diff(deployment.id.commit).filter(|sum| !sum.is_empty()),
        })
        .collect()
}
