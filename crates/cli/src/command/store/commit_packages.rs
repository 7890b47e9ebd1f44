//! The list of packages that a commit has in its metadata.

use anyhow::bail;
use ostler_format::{CommitId, Value};
use ostler_fs::Dir;
use ostler_packages::database::{Installed, installed, installed_in_commit};
use ostler_packages::pkglist;
use ostler_packages::tree::Tree;
use ostler_store::Repo;
use ostler_store::commit::Source;

use crate::report::hinted;

/// Makes the list: its key and its value. What lies above has replaced what lies below, so that the last source with a database counts.
pub(super) fn list(
    repo: &Repo,
    base: Option<CommitId>,
    sources: &[Source],
) -> anyhow::Result<(&'static str, Value)> {
    for source in sources.iter().rev() {
        if let Some(found) = installed_in(repo, source)? {
            return Ok(pkglist::write(&found));
        }
    }
    let base = base
        .map(|base| installed_in_commit(repo, base))
        .transpose()?;
    match base.flatten() {
        Some(found) => Ok(pkglist::write(&found)),
        None => bail!(
            "the tree has no package database, of which --list-packages could list the packages"
        ),
    }
}

fn installed_in(repo: &Repo, source: &Source) -> anyhow::Result<Option<Installed>> {
    Ok(match source {
        Source::Dir(path) => installed(&Tree::Directory(&Dir::open_ambient(path)?))?,
        Source::Commit(id) => installed_in_commit(repo, *id)?,
        Source::Archive(_) => {
            return Err(hinted(
                "packages in an archive cannot be listed before it is committed",
                "commit the archive first, then that commit: --tree=ref=REV --list-packages",
            ));
        }
    })
}
