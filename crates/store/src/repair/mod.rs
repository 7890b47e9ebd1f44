//! Putting whole objects in the place of damaged and missing ones.
//!
//! ```text
//! sources, in the order given -> a staged copy, verified while it is made -> one rename over the damaged object
//! what no source has          -> extensions/ostler/quarantine/ID.KIND, out of the way and not lost
//! ```
//! No source is believed: what it gives has the object's checksum or is not taken. A crash leaves each object damaged, whole,
//! or in quarantine with its commits marked as partial.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ostler_format::{CommitId, ObjectName};
use ostler_fs::{Dir, Trusted};
use ostler_http::Url;

use crate::error::StoreError;
use crate::object::{ImportOptions, Importer, Trust};
use crate::pull::{NetworkOptions, stage_objects};
use crate::remote::Remote;
use crate::repo::Repo;
use crate::transaction::{Transaction, TransactionOptions};

/// Where objects are put that are damaged beyond repair.
pub const QUARANTINE: &str = "extensions/ostler/quarantine";

/// Where whole objects come from.
#[derive(Debug)]
pub enum RepairSource {
    /// Another repository on this machine.
    Repo(Repo),
    /// A remote. Signatures do not matter: the checksums are known.
    Remote {
        /// How it is reached.
        remote: Box<Remote>,
        /// How the network is used.
        network: NetworkOptions,
    },
    /// A tree that was checked out of a commit, such as a deployment; it has files and symlinks only.
    Tree {
        /// Its root.
        root: Dir,
        /// The commit.
        commit: CommitId,
        /// How it is called in reports.
        label: String,
    },
}

impl RepairSource {
    /// How it is called in reports.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Repo(repo) => repo.path().display().to_string(),
            Self::Remote { remote, .. } => format!("remote {}", remote.name),
            Self::Tree { label, .. } => label.clone(),
        }
    }
}

/// What was repaired, and what sources said of the rest.
#[derive(Debug, Default)]
pub(crate) struct Repaired {
    /// The objects that are whole now, with the labels of their sources.
    pub(crate) objects: BTreeMap<ObjectName, String>,
    /// Why a source could not help.
    pub(crate) complaints: Vec<Complaint>,
}

/// A source that could not help.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Complaint {
    /// The source's label.
    pub source: String,
    /// The object; `None` if the source failed altogether.
    pub object: Option<String>,
    /// One line.
    pub reason: String,
}

/// Repairs those of `names` that a source has whole. The caller holds the exclusive lock.
///
/// # Errors
/// [`StoreError`] if this repository cannot be written; sources that fail are in the result.
pub(crate) fn repair(
    repo: &Repo,
    sources: &[RepairSource],
    names: &BTreeSet<ObjectName>,
) -> Result<Repaired, StoreError> {
    let mut left = names.clone();
    let mut repaired = Repaired::default();
    for source in sources {
        if left.is_empty() {
            break;
        }
        let transaction = repo.begin(TransactionOptions::default())?;
        // An earlier command may have staged what it did not verify.
        transaction.forget_staged(&left)?;
        let label = source.label();
        let mut staged = BTreeSet::new();
        for (name, result) in stage(&transaction, source, &left) {
            match result {
                Ok(true) => {
                    staged.insert(name);
                }
                Ok(false) => {}
                Err(reason) => repaired.complaints.push(Complaint {
                    source: label.clone(),
                    object: Some(name.to_string()),
                    reason,
                }),
            }
        }
        transaction.commit_replacing(&staged)?;
        for name in staged {
            left.remove(&name);
            repaired.objects.insert(name, label.clone());
        }
    }
    Ok(repaired)
}

/// Whether a verified copy of an object is staged now; the error says why a copy that the source has is not taken.
type Staged = Vec<(ObjectName, Result<bool, String>)>;

fn stage(
    transaction: &Transaction<'_>,
    source: &RepairSource,
    names: &BTreeSet<ObjectName>,
) -> Staged {
    match source {
        RepairSource::Repo(repo) => stage_from_repo(transaction, repo, names),
        RepairSource::Remote { remote, network } => match local_path(remote) {
            Some(path) => match Repo::open(path) {
                Ok(repo) => stage_from_repo(transaction, &repo, names),
                Err(error) => all_failed(names, &error.to_string()),
            },
            None => match stage_objects(transaction, remote, network, names) {
                Ok(results) => results
                    .into_iter()
                    .map(|(name, result)| (name, told(result)))
                    .collect(),
                Err(error) => all_failed(names, &error.to_string()),
            },
        },
        RepairSource::Tree { root, commit, .. } => tree::stage(transaction, root, *commit, names)
            .unwrap_or_else(|error| all_failed(names, &error.to_string())),
    }
}

fn all_failed(names: &BTreeSet<ObjectName>, reason: &str) -> Staged {
    let failed = names.iter().map(|name| (*name, Err(reason.to_owned())));
    failed.collect()
}

fn told<E: std::fmt::Display>(result: Result<bool, E>) -> Result<bool, String> {
    result.map_err(|error| error.to_string())
}

/// The path of a remote whose URL is one of this machine.
fn local_path(remote: &Remote) -> Option<PathBuf> {
    let url = remote
        .url
        .as_deref()
        .filter(|url| url.starts_with("file:"))?;
    Url::parse(url).ok()?.to_file_path().ok()
}

fn stage_from_repo(
    transaction: &Transaction<'_>,
    source: &Repo,
    names: &BTreeSet<ObjectName>,
) -> Staged {
    let options = ImportOptions {
        trust: Trust::Verify,
        ..ImportOptions::default()
    };
    let mut importer = match Importer::new(transaction, source, options) {
        Ok(importer) => importer,
        Err(error) => return all_failed(names, &error.to_string()),
    };
    let mut stage = |name: &ObjectName| match importer.stage_copy(*name) {
        Ok(()) => Ok(true),
        Err(StoreError::ObjectMissing { .. }) => Ok(false),
        Err(error) => Err(error.to_string()),
    };
    names.iter().map(|name| (*name, stage(name))).collect()
}

/// Moves a damaged object out of `objects/`; false if the repository itself has none of that name.
///
/// # Errors
/// [`StoreError::Fs`].
pub(crate) fn quarantine(repo: &Repo, name: ObjectName) -> Result<bool, StoreError> {
    let path = name.loose_path(repo.mode().storage_form());
    if !repo.objects().exists(Trusted(&path))? {
        return Ok(false);
    }
    let dir = repo.dir().create_dir_all(QUARANTINE, 0o700)?;
    let file = path.replacen('/', "", 1);
    // Of two damaged objects of one name the last is kept.
    dir.remove_all(&file)?;
    repo.objects().rename(Trusted(&path), &dir, &file)?;
    Ok(true)
}
