//! Which commits stay.

use ostler_format::{CommitId, Refspec};

use super::PruneOptions;
use crate::error::StoreError;
use crate::reachable::Depth;
use crate::refs::RefKey;
use crate::repo::Repo;

/// Decides which commits stay, with how many of their parents.
///
/// # Errors
/// [`StoreError::Fs`], [`StoreError::Malformed`].
pub fn plan(repo: &Repo, options: &PruneOptions) -> Result<Vec<(CommitId, Depth)>, StoreError> {
    let mut keep = Vec::new();
    for (key, commit) in repo.list_all_refs()? {
        if !repo.has_object(&commit.into())? {
            continue;
        }
        match (depth_of(&key, options), options.keep_younger_than) {
            (Retain::Depth(depth), _) | (Retain::Default(depth), None) => {
                keep.push((commit, depth))
            }
            (Retain::Default(_), Some(oldest)) => keep.extend(younger_than(repo, commit, oldest)?),
        }
    }
    if !options.is_by_ref() {
        keep.extend(
            repo.list_commits()?
                .into_iter()
                .map(|commit| (commit, Depth::Parents(0))),
        );
    }
    Ok(keep)
}

/// The commit that a ref points to, and its parents up to the first that is older.
fn younger_than(
    repo: &Repo,
    tip: CommitId,
    oldest: u64,
) -> Result<Vec<(CommitId, Depth)>, StoreError> {
    let mut keep = vec![(tip, Depth::Parents(0))];
    let mut next = Some(tip);
    while let Some(id) = next {
        if !repo.has_object(&id.into())? {
            break;
        }
        let commit = repo.read_commit(id)?;
        if commit.timestamp < oldest {
            break;
        }
        keep.push((id, Depth::Parents(0)));
        next = commit.parent;
    }
    Ok(keep)
}

/// How much of a ref's history stays.
enum Retain {
    /// This much, whatever else was asked.
    Depth(Depth),
    /// What was asked for refs that nothing special was asked of.
    Default(Depth),
}

fn depth_of(key: &RefKey, options: &PruneOptions) -> Retain {
    let spec = match key {
        RefKey::Head(name) => Refspec {
            remote: None,
            name: name.clone(),
        },
        RefKey::Remote { remote, name } => Refspec {
            remote: Some(remote.clone()),
            name: name.clone(),
        },
        RefKey::Mirror { name, .. } => Refspec {
            remote: None,
            name: name.clone(),
        },
    };
    if let Some(depth) = options.retain_branch_depth.get(&spec) {
        return Retain::Depth(*depth);
    }
    if !options.only_branch.is_empty() && !options.only_branch.contains(&spec) {
        return Retain::Depth(Depth::All);
    }
    Retain::Default(options.depth)
}
