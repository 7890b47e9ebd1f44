//! Back to the tree alone: what was asked for beyond it, by this program or by rpm-ostree, is dropped from the origin.
//!
//! Packages that rpm-ostree has layered are in a commit of their own, whose parent is the tree that came from the remote: once nothing is layered
//! any more that one is deployed.

use ostler_format::origin::{Layers, OriginError};
use ostler_format::{CommitId, Origin};
use ostler_store::StoreError;

use crate::base;
use crate::deployment::Deployment;
use crate::sysroot::Sysroot;

/// What was asked for cannot be dropped.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The origin.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// The commit.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Packages that stay would have to be layered anew.
    #[error("deployment `{deployment}` has more layered on its tree than is reset")]
    StaysLayered {
        /// Its name.
        deployment: String,
    },
    /// The tree without packages is not known.
    #[error("commit `{commit}` has packages layered on it, and does not say on which tree")]
    NoBase {
        /// The commit.
        commit: CommitId,
    },
    /// The tree without packages was removed.
    #[error("commit `{commit}`, the tree without layered packages, is not here")]
    BaseIsGone {
        /// The commit.
        commit: CommitId,
    },
}

/// What a deployment without extras is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// Its origin.
    pub origin: Origin,
    /// Its commit.
    pub commit: CommitId,
}

/// Finds what a deployment is once `what` is dropped; `None` if there is nothing of it.
///
/// # Errors
/// [`ResetError`].
pub fn plain(
    sysroot: &Sysroot,
    deployment: &Deployment,
    what: Layers,
) -> Result<Option<Plain>, ResetError> {
    let before = deployment.origin.clone().unwrap_or_default();
    let mut origin = before.clone();
    if !origin.drop_layers(what)? {
        return Ok(None);
    }
    let commit = deployment.id.commit;
    let found = sysroot.repo.read_commit(commit)?;
    if !base::is_layered(&found) || same_tree(&before, &origin)? {
        return Ok(Some(Plain { origin, commit }));
    }
    if origin.is_layered()? {
        return Err(ResetError::StaysLayered {
            deployment: deployment.id.to_string(),
        });
    }
    let base = found.parent.ok_or(ResetError::NoBase { commit })?;
    let gone = || ResetError::BaseIsGone { commit: base };
    if sysroot.repo.is_partial(base)? {
        return Err(gone());
    }
    sysroot.repo.read_commit(base).map_err(|_| gone())?;
    Ok(Some(Plain {
        origin,
        commit: base,
    }))
}

/// Whether two origins differ in nothing but files of `/etc` in the initramfs, which are no part of a tree.
fn same_tree(a: &Origin, b: &Origin) -> Result<bool, OriginError> {
    let (mut a, mut b) = (a.clone(), b.clone());
    a.set_initramfs_etc(&[])?;
    b.set_initramfs_etc(&[])?;
    Ok(a == b)
}
