//! Putting a tree together from several sources.

use std::path::Path;

use ostler_format::{CommitId, DirMetaId, DirTreeId, SizeEntry};

use super::error::TreeError;
use super::from_commit::{Graft, root_of};
use super::from_dir::{self, Consumed, Scan, Target};
use super::from_tar::{self, ArchiveOptions, ArchiveSource, Entries, Import};
use super::hardlinks::HardlinkMap;
use super::index::IndexUse;
use super::modifier::{Modifier, XattrChanges};
use super::mutable::MutableTree;
use super::sizes::SizeLog;
use crate::mode::RepoMode;
use crate::progress::Sink;
use crate::transaction::Transaction;

/// What is made of files that are hardlinks of the repository's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardlinks {
    /// They are read like all others.
    #[default]
    Read,
    /// They are not read; one whose owner, mode or xattrs the modifiers change is written again.
    Recognise,
    /// They are taken for the objects that they were, without modifiers and whatever may have become of them.
    Trust,
}

/// Whether sources are removed after the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// They stay.
    #[default]
    Keep,
    /// They are removed by [`Consumed::remove`]; until then their files may share inodes with objects.
    Consume,
}

/// How a tree is put together.
#[derive(Clone, Debug, Default)]
pub struct TreeOptions {
    /// Changes to what the sources have.
    pub modifier: Modifier,
    /// Hardlinks into the repository.
    pub hardlinks: Hardlinks,
    /// What becomes of source directories.
    pub sources: Sources,
    /// How archives are placed.
    pub archives: ArchiveOptions,
    /// Whether unchanged files are recognised.
    pub index: IndexUse,
    /// Whether the sizes of objects are gathered; only an archive has them.
    pub sizes: bool,
}

/// A tree that is in the transaction.
#[derive(Debug)]
pub struct BuiltTree {
    /// The root's listing.
    pub tree: DirTreeId,
    /// The root's owner, mode and xattrs.
    pub meta: DirMetaId,
    /// The sizes of the objects that were given to the transaction, if they were asked for and the mode has them.
    pub sizes: Option<Vec<SizeEntry>>,
    /// The sources to be removed once the commit is there.
    pub consumed: Vec<Consumed>,
}

/// Lays sources over each other: a file replaces a file, directories are united, the last owner and mode count.
pub struct TreeBuilder<'t> {
    transaction: &'t Transaction<'t>,
    sink: &'t dyn Sink,
    tree: MutableTree,
    options: TreeOptions,
    xattrs: XattrChanges,
    /// Whether a commit is overlaid without being looked at.
    commits_as_they_are: bool,
    sizes: Option<SizeLog>,
    hardlinks: Option<HardlinkMap>,
    consumed: Vec<Consumed>,
}

impl<'t> TreeBuilder<'t> {
    /// Begins with nothing.
    ///
    /// # Errors
    /// [`TreeError::Store`] if the objects cannot be listed, with [`Hardlinks`]; [`TreeError::LabelsNotKept`].
    pub fn new(
        transaction: &'t Transaction<'t>,
        mut options: TreeOptions,
        sink: &'t dyn Sink,
    ) -> Result<Self, TreeError> {
        let repo = transaction.repo();
        let is_archive = repo.mode() == RepoMode::Archive;
        let sizes = (options.sizes && is_archive).then(SizeLog::default);
        if repo.mode() == RepoMode::BareUserOnly {
            if options.modifier.labels.is_some() {
                return Err(TreeError::LabelsNotKept);
            }
            options.modifier.canonical_permissions = true;
        }
        let commits_as_they_are = options.modifier.is_identity() && sizes.is_none();
        let xattrs = options.modifier.xattr_changes(repo.config().disable_xattrs);
        let hardlinks = match options.hardlinks {
            Hardlinks::Read => None,
            Hardlinks::Recognise | Hardlinks::Trust => Some(HardlinkMap::scan(repo)?),
        };
        Ok(Self {
            transaction,
            sink,
            tree: MutableTree::new(),
            options,
            xattrs,
            commits_as_they_are,
            sizes,
            hardlinks,
            consumed: Vec::new(),
        })
    }

    /// Begins with a commit's tree; no modifier applies to it.
    ///
    /// # Errors
    /// [`TreeError::Store`] if the commit cannot be read.
    pub fn begin_with(&mut self, base: CommitId) -> Result<(), TreeError> {
        let (tree, meta) = root_of(self.transaction, base)?;
        self.tree = MutableTree::from_tree(tree, meta);
        Ok(())
    }

    /// Overlays a commit's tree.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn overlay_commit(&mut self, commit: CommitId) -> Result<(), TreeError> {
        let mut graft = Graft {
            transaction: self.transaction,
            tree: &mut self.tree,
            sizes: self.sizes.as_ref(),
            sink: self.sink,
        };
        if self.commits_as_they_are {
            graft.overlay(commit)
        } else {
            graft.overlay_modified(commit, &mut self.options.modifier, &self.xattrs)
        }
    }

    /// Overlays a directory on disk.
    ///
    /// # Errors
    /// [`TreeError`]; objects that were written stay in the transaction.
    pub fn overlay_dir(&mut self, path: &Path) -> Result<(), TreeError> {
        let scan = Scan {
            transaction: self.transaction,
            sink: self.sink,
            sizes: self.sizes.as_ref(),
            hardlinks: self.hardlinks.as_ref(),
            hardlinks_are_canonical: self.options.hardlinks == Hardlinks::Trust,
            consume: self.options.sources == Sources::Consume,
            use_index: self.options.index == IndexUse::WhereSafe,
            xattrs: &self.xattrs,
        };
        let target = Target {
            tree: &mut self.tree,
            modifier: &mut self.options.modifier,
        };
        self.consumed
            .extend(from_dir::overlay(&scan, target, path)?);
        Ok(())
    }

    /// Overlays a tar or cpio archive.
    ///
    /// # Errors
    /// [`TreeError`]; objects that were written stay in the transaction.
    pub fn overlay_archive(&mut self, from: &ArchiveSource) -> Result<(), TreeError> {
        from_tar::overlay(self.archive_import(), from)
    }

    /// Overlays entries that somebody makes; `name` is what they are called in errors.
    ///
    /// # Errors
    /// [`TreeError`]; objects that were written stay in the transaction.
    pub fn overlay_entries(
        &mut self,
        name: &Path,
        entries: &mut dyn Entries,
    ) -> Result<(), TreeError> {
        from_tar::overlay_entries(self.archive_import(), name, entries)
    }

    fn archive_import(&mut self) -> Import<'_> {
        Import::new(from_tar::Onto {
            transaction: self.transaction,
            sink: self.sink,
            tree: &mut self.tree,
            modifier: &mut self.options.modifier,
            xattrs: &self.xattrs,
            sizes: self.sizes.as_ref(),
            options: &self.options.archives,
        })
    }

    /// The tree as it is, for changes by hand.
    pub fn tree_mut(&mut self) -> &mut MutableTree {
        &mut self.tree
    }

    /// Writes the listings.
    ///
    /// # Errors
    /// [`TreeError::UnmatchedStatOverrides`], [`TreeError::UnmatchedSkipList`], [`TreeError::Empty`].
    pub fn finish(self) -> Result<BuiltTree, TreeError> {
        let paths = self.options.modifier.stat_overrides.unmatched();
        if !paths.is_empty() {
            return Err(TreeError::UnmatchedStatOverrides { paths });
        }
        let paths = self.options.modifier.skip_list.unmatched();
        if !paths.is_empty() {
            return Err(TreeError::UnmatchedSkipList { paths });
        }
        let (tree, meta) = self
            .tree
            .write_logged(self.transaction, self.sizes.as_ref())?;
        Ok(BuiltTree {
            tree,
            meta,
            sizes: self.sizes.map(SizeLog::into_entries),
            consumed: self.consumed,
        })
    }
}
