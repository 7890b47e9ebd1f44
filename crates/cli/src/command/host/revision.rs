//! Versions and commits in the history of a ref.

use ostler_deploy::upgrade::Steps;
use ostler_format::{CommitId, Refspec};
use ostler_store::Repo;

use super::fetch::Puller;
use crate::context::Context;

/// Finds the commit of `refspec` that has this version, or this id or start of an id.
///
/// The history comes from the remote first, without any tree, unless only what is here counts.
pub(crate) fn find(
    context: &Context,
    repo: &Repo,
    refspec: &Refspec,
    revision: &str,
    steps: Steps,
) -> anyhow::Result<CommitId> {
    let newest = match &refspec.remote {
        Some(remote) if steps != Steps::DeployOnly => {
            Puller::new(context).history(repo, remote, &refspec.name)?
        }
        _ => repo.resolve(&refspec.to_string())?,
    };
    let mut at = Some(newest);
    while let Some(id) = at {
        let Ok(commit) = repo.read_commit(id) else {
            break;
        };
        let version = commit.metadata.get_str("version");
        if version == Some(revision)
            || (revision.len() >= 8 && id.to_string().starts_with(revision))
        {
            return Ok(id);
        }
        at = commit.parent;
    }
    anyhow::bail!("no commit of `{refspec}` has the version or id `{revision}`")
}
