//! The verb `commit`: a new commit of directories, archives and other commits, and the branch that moves to it.
//!
//! # Metadata
//! Keys come in libostree's order: strings, values, keys kept from the parent, `ostree.ref-binding` (sorted, with
//! duplicates), `ostree.collection-binding`. With [`CommitRequest::bootable`] `ostree.bootable` and `ostree.linux` join them,
//! with [`CommitRequest::composefs`] the digest of the tree's image, and all of them come in the order of GLib's hash table.
//! `ostree.sizes` is always last.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_format::{Commit, CommitId, DirTreeId, Metadata, SIZES_KEY, Value, sizes_to_value};

use crate::bindings::{COLLECTION_BINDING, REF_BINDING};
use crate::composefs::{self, ComposefsError, Verity};
use crate::error::StoreError;
use crate::progress::Sink;
use crate::refs::RefKey;
use crate::repo::Repo;
use crate::sign::{self, SignError, Signer};
use crate::transaction::{Transaction, TransactionOptions, TransactionStats};
use crate::tree::{ArchiveSource, BuiltTree, TreeBuilder, TreeError, TreeOptions};

/// Metadata key that marks a commit with a kernel, `b`.
pub const BOOTABLE: &str = "ostree.bootable";
/// Metadata key of the kernel's release, `s`.
pub const LINUX: &str = "ostree.linux";

/// One thing that is laid over what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory on disk.
    Dir(PathBuf),
    /// A tar or cpio archive.
    Archive(ArchiveSource),
    /// A commit's tree.
    Commit(CommitId),
}

/// The commit before the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parent {
    /// What the branch points to, if it exists.
    #[default]
    Branch,
    /// None.
    None,
    /// This one, which need not be here.
    Commit(CommitId),
}

/// To which refs the commit says it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bindings {
    /// To none, and to no collection.
    None,
    /// To the branch, these others, and the repository's collection.
    BranchAnd(Vec<String>),
}

impl Default for Bindings {
    fn default() -> Self {
        Self::BranchAnd(Vec::new())
    }
}

/// What is to be committed, and how.
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// The ref that moves to the commit; `None` moves none.
    pub branch: Option<RefKey>,
    /// The commit before it.
    pub parent: Parent,
    /// One line.
    pub subject: String,
    /// More lines.
    pub body: String,
    /// Seconds since 1970-01-01 UTC; one before that as two's complement, as libostree writes it.
    pub timestamp: u64,
    /// A commit to begin with, without modifiers.
    pub base: Option<CommitId>,
    /// What is laid over it, in order.
    pub sources: Vec<Source>,
    /// How the tree is put together.
    pub tree: TreeOptions,
    /// Metadata that the id covers.
    pub metadata: Metadata,
    /// Keys of the parent's metadata that are taken over.
    pub keep_metadata: Vec<String>,
    /// Metadata beside the commit.
    pub detached_metadata: Metadata,
    /// Who signs it; the signatures are part of the detached metadata.
    pub signers: Vec<Arc<dyn Signer>>,
    /// Refs that the commit names itself by.
    pub bindings: Bindings,
    /// Marks it as bootable and records its kernel's release.
    pub bootable: bool,
    /// Records the fs-verity digest of the tree's composefs image.
    pub composefs: bool,
    /// Makes no commit if the tree is the parent's.
    pub skip_if_unchanged: bool,
    /// How written data is made durable.
    pub durability: TransactionOptions,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The new commit; with `skip_if_unchanged`, the parent if nothing had changed.
    pub id: CommitId,
    /// Whether the parent's tree was the same, and no commit was made.
    pub unchanged: bool,
    /// What was written.
    pub stats: TransactionStats,
    /// Files of consumed sources that stay because they changed after they were read.
    pub sources_kept: u64,
}

/// A commit that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The repository failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It could not be signed.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The tree could not be put together.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// The tree has no composefs image.
    #[error("making the composefs image: {0}")]
    Composefs(#[from] ComposefsError),
    /// Keys are to be kept of a parent that there is not.
    #[error("either a branch that exists or a parent must be named to keep metadata of")]
    NoParent,
    /// The parent lacks a key that is to be kept.
    #[error("missing metadata key `{key}` in commit {parent}")]
    MissingKey {
        /// The key.
        key: String,
        /// The parent.
        parent: CommitId,
    },
    /// A bootable tree lacks a directory.
    #[error("No such file or directory: {path}")]
    NoModules {
        /// The first part of `/usr/lib/modules` that is absent.
        path: String,
    },
    /// A bootable tree has no kernel.
    #[error("no kernel found in /usr/lib/modules")]
    NoKernel,
    /// A bootable tree has several kernels.
    #[error("multiple kernels found in /usr/lib/modules: `{first}` and `{second}`")]
    SeveralKernels {
        /// The release of one.
        first: String,
        /// The release of another.
        second: String,
    },
}

impl CommitError {
    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::Sign(error) => error.hint(),
            Self::NoModules { .. } | Self::NoKernel => {
                Some("a bootable tree has one kernel, /usr/lib/modules/RELEASE/vmlinuz".into())
            }
            Self::SeveralKernels { .. } => {
                Some("leave all but one out: --skip-list with /usr/lib/modules/RELEASE".into())
            }
            _ => None,
        }
    }
}

/// Makes the commit.
///
/// When it returns, the commit is complete and durable (as far as `durability` says), and the branch points to it. A crash
/// before that leaves the branch as it was, and sources that were to be consumed whole.
///
/// # Errors
/// [`CommitError`]; what was written by then is taken up by the next transaction of this boot.
pub fn commit(
    repo: &Repo,
    request: CommitRequest,
    sink: &dyn Sink,
) -> Result<Committed, CommitError> {
    let parent = find_parent(repo, &request)?;
    let mut metadata = request.metadata.clone();
    keep_metadata(repo, parent, &request.keep_metadata, &mut metadata)?;
    let transaction = repo.begin(request.durability)?;
    let built = build_tree(&transaction, &request, sink)?;
    if let Some(parent) = parent.filter(|_| request.skip_if_unchanged)
        && is_tree_of(repo, parent, &built)?
    {
        let stats = transaction.stats();
        // Published, not dropped: a parent that is partial may lack what is about to be consumed.
        transaction.commit()?;
        return finish(parent, true, stats, built);
    }
    let metadata = complete_metadata(&transaction, &request, metadata, &built, sink)?;
    let commit = Commit {
        metadata,
        parent,
        related: Vec::new(),
        subject: request.subject,
        body: request.body,
        timestamp: request.timestamp,
        tree: built.tree,
        meta: built.meta,
    };
    let mut detached = request.detached_metadata;
    let signers = request.signers.iter().map(AsRef::as_ref);
    // Before anything of the commit is written: without its signatures it is not to be seen.
    sign::commit::add(
        &commit.to_bytes().map_err(StoreError::from)?,
        &mut detached,
        signers,
    )?;
    let id = transaction.write_commit(&commit)?;
    if !detached.is_empty() {
        transaction.write_detached_metadata(id, &detached)?;
    }
    if let Some(branch) = request.branch {
        transaction.set_ref(branch, Some(id));
    }
    let stats = transaction.commit()?;
    finish(id, false, stats, built)
}

/// Removes what was to be consumed.
fn finish(
    id: CommitId,
    unchanged: bool,
    stats: TransactionStats,
    built: BuiltTree,
) -> Result<Committed, CommitError> {
    let mut sources_kept = 0;
    for source in built.consumed {
        sources_kept += source.remove()?;
    }
    Ok(Committed {
        id,
        unchanged,
        stats,
        sources_kept,
    })
}

fn find_parent(repo: &Repo, request: &CommitRequest) -> Result<Option<CommitId>, StoreError> {
    match (request.parent, &request.branch) {
        (Parent::None, _) | (Parent::Branch, None) => Ok(None),
        (Parent::Commit(id), _) => Ok(Some(id)),
        (Parent::Branch, Some(branch)) => repo.read_ref(branch),
    }
}

fn keep_metadata(
    repo: &Repo,
    parent: Option<CommitId>,
    keys: &[String],
    metadata: &mut Metadata,
) -> Result<(), CommitError> {
    if keys.is_empty() {
        return Ok(());
    }
    let parent = parent.ok_or(CommitError::NoParent)?;
    let kept = repo.read_commit(parent)?.metadata;
    for key in keys {
        let value = kept.get(key).ok_or_else(|| CommitError::MissingKey {
            key: key.clone(),
            parent,
        })?;
        metadata.push(key.clone(), value.clone());
    }
    Ok(())
}

fn build_tree(
    transaction: &Transaction<'_>,
    request: &CommitRequest,
    sink: &dyn Sink,
) -> Result<BuiltTree, TreeError> {
    let mut builder = TreeBuilder::new(transaction, request.tree.clone(), sink)?;
    if let Some(base) = request.base {
        builder.begin_with(base)?;
    }
    for source in &request.sources {
        match source {
            Source::Dir(path) => builder.overlay_dir(path)?,
            Source::Archive(from) => builder.overlay_archive(from)?,
            Source::Commit(id) => builder.overlay_commit(*id)?,
        }
    }
    builder.finish()
}

fn is_tree_of(repo: &Repo, commit: CommitId, built: &BuiltTree) -> Result<bool, StoreError> {
    let commit = repo.read_commit(commit)?;
    Ok((commit.tree, commit.meta) == (built.tree, built.meta))
}

fn complete_metadata(
    transaction: &Transaction<'_>,
    request: &CommitRequest,
    mut metadata: Metadata,
    built: &BuiltTree,
    sink: &dyn Sink,
) -> Result<Metadata, CommitError> {
    if let Bindings::BranchAnd(others) = &request.bindings {
        let mut refs = others.clone();
        refs.extend(request.branch.iter().map(ToString::to_string));
        refs.sort_unstable();
        metadata.push(REF_BINDING, Value::strings(refs));
        if let Some(collection) = &transaction.repo().config().collection_id {
            metadata.push(COLLECTION_BINDING, Value::from(collection.as_str()));
        }
    }
    if request.bootable {
        metadata.push(BOOTABLE, true);
        metadata.push(LINUX, kernel_release(transaction, built.tree)?);
    }
    if request.composefs {
        let root = (built.tree, built.meta);
        let image = composefs::image(transaction, root, Verity::Digests, sink)?;
        let digest = composefs::digest(&image);
        metadata.push(composefs::DIGEST_KEY, digest.as_bytes().to_vec());
    }
    if request.bootable || request.composefs {
        metadata = metadata.into_hash_order();
    }
    if let Some(sizes) = &built.sizes {
        metadata.push(SIZES_KEY, sizes_to_value(sizes.clone()));
    }
    Ok(metadata)
}

/// The one directory of `/usr/lib/modules` that has a `vmlinuz`.
fn kernel_release(transaction: &Transaction<'_>, root: DirTreeId) -> Result<String, CommitError> {
    let mut tree = transaction.read_dirtree(root)?;
    let mut path = String::new();
    for part in ["usr", "lib", "modules"] {
        path = format!("{path}/{part}");
        let dir = tree.dirs.iter().find(|dir| dir.name == part);
        let dir = dir.ok_or(CommitError::NoModules { path: path.clone() })?;
        tree = transaction.read_dirtree(dir.tree)?;
    }
    let mut found: Option<String> = None;
    for dir in tree.dirs {
        let listing = transaction.read_dirtree(dir.tree)?;
        if !listing.files.iter().any(|(name, _)| name == "vmlinuz") {
            continue;
        }
        if let Some(first) = found {
            return Err(CommitError::SeveralKernels {
                first,
                second: dir.name,
            });
        }
        found = Some(dir.name);
    }
    found.ok_or(CommitError::NoKernel)
}
