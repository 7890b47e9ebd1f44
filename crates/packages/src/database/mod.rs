//! The package databases that trees carry: where they are, and what they say is installed. Read, never written.
//!
//! Of a commit only the objects of the database are touched. Two worlds may meet in one tree (a tool of the other one is installed): the first
//! database that has packages counts.

mod dpkg;
mod rpmdb;

use ostler_format::CommitId;
use ostler_store::{Repo, StoreError};
use serde::Serialize;

use crate::advisories::{self, Advisory};
use crate::error::PackagesError;
use crate::package::{Package, World};
use crate::pkglist;
use crate::tree::{Tree, TreeError};

pub(crate) use dpkg::installed as installed_debs;
pub(crate) use rpmdb::each_header;

/// What a tree says is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Whose database it is.
    pub database: World,
    /// The packages by name, architecture and version, sorted as text.
    pub packages: Vec<Package>,
}

impl Installed {
    pub(crate) fn new(database: World, mut packages: Vec<Package>) -> Self {
        packages.sort();
        packages.dedup();
        Self { database, packages }
    }
}

/// A database that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file cannot be got at.
    #[error("`/{path}`: {source}")]
    Tree {
        /// The file.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// What a file has is no database.
    #[error("`/{path}`: {source}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        source: PackagesError,
    },
    /// SQLite cannot read a file.
    #[error("`/{path}`: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// What it says.
        source: rusqlite::Error,
    },
    /// It is of a kind that is not read.
    #[error(
        "`/{path}` is a package database in rpm's {format} format, which is not read; `rpm --rebuilddb` of a newer rpm makes rpmdb.sqlite of it"
    )]
    Unsupported {
        /// The file.
        path: String,
        /// `ndb` or `Berkeley DB`.
        format: &'static str,
    },
    /// The commit's list of packages is none.
    #[error("the list of packages in the commit's metadata: {0}")]
    List(PackagesError),
    /// The commit's list of advisories is none.
    #[error("the advisories in the commit's metadata: {0}")]
    Advisories(PackagesError),
    /// The commit's tree is elsewhere, and the commit lists no packages.
    #[error("commit `{commit}` lists no packages, and its tree is not here")]
    NotHere {
        /// The commit.
        commit: CommitId,
    },
    /// The commit cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Reads the database of a tree; `None` if it has none.
///
/// # Errors
/// [`DatabaseError`]; also if the only database is of a kind that is not read.
pub fn installed(tree: &Tree<'_>) -> Result<Option<Installed>, DatabaseError> {
    let debs = dpkg::installed(tree)?.map(|debs| {
        let packages = debs.into_iter().map(|deb| deb.package).collect();
        Installed::new(World::Dpkg, packages)
    });
    if let Some(debs) = &debs
        && !debs.packages.is_empty()
    {
        return Ok(Some(debs.clone()));
    }
    let rpms = rpmdb::installed(tree)?;
    Ok(match (debs, rpms) {
        (Some(debs), None) => Some(debs),
        (_, rpms) => rpms.map(|packages| Installed::new(World::Rpm, packages)),
    })
}

/// Says which packages a commit has: by the database in its tree, or by its metadata if the tree has none or is not here.
///
/// # Errors
/// [`DatabaseError::NotHere`] if neither says it.
pub fn installed_in_commit(repo: &Repo, id: CommitId) -> Result<Option<Installed>, DatabaseError> {
    let commit = repo.read_commit(id)?;
    let root = commit.tree;
    let without_list = match installed(&Tree::Commit { repo, root }) {
        Ok(None) => Ok(None),
        Err(DatabaseError::Tree { source, .. }) if source.is_absent_object() => {
            Err(DatabaseError::NotHere { commit: id })
        }
        found => return found,
    };
    let listed = pkglist::read(&commit.metadata).map_err(DatabaseError::List)?;
    match listed {
        None => without_list,
        listed => Ok(listed),
    }
}

/// Lists the advisories in a commit's metadata; `None` if there is no list.
///
/// # Errors
/// [`DatabaseError::Advisories`].
pub fn advisories_of_commit(
    repo: &Repo,
    id: CommitId,
) -> Result<Option<Vec<Advisory>>, DatabaseError> {
    let commit = repo.read_commit(id)?;
    let list = commit.metadata.get(advisories::ADVISORIES_KEY);
    let list = list.map(advisories::parse).transpose();
    list.map_err(DatabaseError::Advisories)
}

/// The absolute paths that a database may have, for whoever fetches no more of a tree.
#[must_use]
pub fn paths() -> Vec<String> {
    let debs = dpkg::PLACES.iter();
    let debs = debs.flat_map(|place| ["status", "status.d"].map(|name| format!("/{place}/{name}")));
    let rpms = rpmdb::PLACES.iter();
    let rpms = rpms.map(|place| format!("/{place}/{}", rpmdb::FILE));
    debs.chain(rpms).collect()
}

fn at(path: &str) -> impl FnOnce(TreeError) -> DatabaseError {
    let path = path.to_owned();
    move |source| DatabaseError::Tree { path, source }
}
