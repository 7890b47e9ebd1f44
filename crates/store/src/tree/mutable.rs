//! A tree of directories that is being changed.
//!
//! Directories that come from the repository are read only when something beneath them is touched; untouched ones keep their
//! id and cost nothing. Nothing is written before [`MutableTree::write`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ostler_format::{DirEntry, DirMetaId, DirTree, DirTreeId, FileId};

use super::error::TreeError;
use crate::transaction::Transaction;

/// A directory in a [`MutableTree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The root directory.
    pub const ROOT: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Directories, files and their metadata, by name.
#[derive(Clone, Debug)]
pub struct MutableTree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    meta: Option<DirMetaId>,
    contents: Contents,
    /// What the repository had here before changes.
    loaded: Option<DirTreeId>,
}

#[derive(Clone, Debug)]
enum Contents {
    /// As this object says; not read yet.
    InRepository(DirTreeId),
    Here(Listing),
}

impl Default for Contents {
    fn default() -> Self {
        Self::Here(Listing::default())
    }
}

#[derive(Clone, Debug, Default)]
struct Listing {
    files: BTreeMap<Box<str>, FileId>,
    dirs: BTreeMap<Box<str>, NodeId>,
}

impl Default for MutableTree {
    fn default() -> Self {
        Self::new()
    }
}

impl MutableTree {
    /// Makes a root directory without metadata and content.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Begins with a tree of the repository.
    #[must_use]
    pub fn from_tree(tree: DirTreeId, meta: DirMetaId) -> Self {
        Self {
            nodes: vec![Node::in_repository(tree, meta)],
        }
    }

    /// Whether the root has neither metadata nor content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let root = &self.nodes[0];
        root.meta.is_none()
            && matches!(&root.contents, Contents::Here(l) if l.files.is_empty() && l.dirs.is_empty())
    }

    /// Gives a directory its metadata.
    pub fn set_meta(&mut self, node: NodeId, meta: DirMetaId) {
        self.nodes[node.index()].meta = Some(meta);
    }

    /// Returns a directory's metadata.
    #[must_use]
    pub fn meta(&self, node: NodeId) -> Option<DirMetaId> {
        self.nodes[node.index()].meta
    }

    /// Returns the subdirectory `name`, which is made (without metadata) if it is not there.
    ///
    /// # Errors
    /// [`TreeError::DirectoryOverFile`]; [`TreeError::Store`] if reading the directory fails.
    pub fn ensure_dir(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        name: &str,
    ) -> Result<NodeId, TreeError> {
        // First of all: reading a directory makes nodes of its subdirectories.
        self.load(transaction, node)?;
        let next = self.next_id();
        let listing = self.load(transaction, node)?;
        if listing.files.contains_key(name) {
            return Err(TreeError::DirectoryOverFile { name: name.into() });
        }
        match listing.dirs.entry(name.into()) {
            Entry::Occupied(found) => Ok(*found.get()),
            Entry::Vacant(free) => {
                free.insert(next);
                self.nodes.push(Node::default());
                Ok(next)
            }
        }
    }

    /// Returns the subdirectory `name` as in [`MutableTree::ensure_dir`]; one that is new takes over a tree of the repository.
    ///
    /// The second value tells whether it is new.
    ///
    /// # Errors
    /// As [`MutableTree::ensure_dir`].
    pub fn ensure_dir_from(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        dir: &DirEntry,
    ) -> Result<(NodeId, bool), TreeError> {
        self.load(transaction, node)?;
        let before = self.nodes.len();
        let child = self.ensure_dir(transaction, node, &dir.name)?;
        let is_new = self.nodes.len() > before;
        if is_new {
            self.nodes[child.index()] = Node::in_repository(dir.tree, dir.meta);
        }
        Ok((child, is_new))
    }

    /// Puts a file or symlink into a directory, over one that has the name.
    ///
    /// # Errors
    /// [`TreeError::FileOverDirectory`]; [`TreeError::Store`] if reading the directory fails.
    pub fn replace_file(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        name: impl Into<Box<str>>,
        id: FileId,
    ) -> Result<(), TreeError> {
        let name = name.into();
        let listing = self.load(transaction, node)?;
        if listing.dirs.contains_key(&name) {
            return Err(TreeError::FileOverDirectory { name: name.into() });
        }
        listing.files.insert(name, id);
        Ok(())
    }

    /// Returns the file `name` of a directory.
    ///
    /// # Errors
    /// [`TreeError::Store`] if reading the directory fails.
    pub fn file(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        name: &str,
    ) -> Result<Option<FileId>, TreeError> {
        Ok(self.load(transaction, node)?.files.get(name).copied())
    }

    /// Returns the subdirectory `name` of a directory.
    ///
    /// # Errors
    /// [`TreeError::Store`] if reading the directory fails.
    pub fn dir(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        name: &str,
    ) -> Result<Option<NodeId>, TreeError> {
        Ok(self.load(transaction, node)?.dirs.get(name).copied())
    }

    /// Removes a file or a directory with all that it holds; returns whether something had the name.
    ///
    /// # Errors
    /// [`TreeError::Store`] if reading the directory fails.
    pub fn remove(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
        name: &str,
    ) -> Result<bool, TreeError> {
        let listing = self.load(transaction, node)?;
        Ok(listing.files.remove(name).is_some() | listing.dirs.remove(name).is_some())
    }

    fn next_id(&self) -> NodeId {
        NodeId(
            u32::try_from(self.nodes.len())
                .expect("four thousand million directories do not fit in memory"),
        )
    }

    /// Reads a directory from the repository if that has not been done.
    fn load(
        &mut self,
        transaction: &Transaction<'_>,
        node: NodeId,
    ) -> Result<&mut Listing, TreeError> {
        if let Contents::InRepository(id) = self.nodes[node.index()].contents {
            let tree = transaction.read_dirtree(id)?;
            let mut listing = Listing {
                files: tree
                    .files
                    .into_iter()
                    .map(|(name, id)| (name.into_boxed_str(), id))
                    .collect(),
                dirs: BTreeMap::new(),
            };
            for dir in tree.dirs {
                let child = self.next_id();
                self.nodes.push(Node::in_repository(dir.tree, dir.meta));
                listing.dirs.insert(dir.name.into_boxed_str(), child);
            }
            self.nodes[node.index()].contents = Contents::Here(listing);
        }
        match &mut self.nodes[node.index()].contents {
            Contents::Here(listing) => Ok(listing),
            Contents::InRepository(_) => unreachable!("it has just been read"),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The subdirectories of a directory that has been read; none for one that has not.
    pub(super) fn loaded_children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let dirs = match &self.nodes[node.index()].contents {
            Contents::Here(listing) => Some(listing.dirs.values().copied()),
            Contents::InRepository(_) => None,
        };
        dirs.into_iter().flatten()
    }

    /// The id that the directory has if nothing in it was touched.
    pub(super) fn untouched(&self, node: NodeId) -> Option<DirTreeId> {
        match &self.nodes[node.index()].contents {
            Contents::InRepository(id) => Some(*id),
            Contents::Here(_) => None,
        }
    }

    /// The id under which the repository has the directory as it was before changes.
    pub(super) fn loaded_from(&self, node: NodeId) -> Option<DirTreeId> {
        self.nodes[node.index()].loaded
    }

    /// The listing as an object; `tree_of` knows the subdirectories.
    pub(super) fn to_dirtree(
        &self,
        node: NodeId,
        tree_of: impl Fn(NodeId) -> DirTreeId,
    ) -> Result<DirTree, TreeError> {
        let mut tree = DirTree::default();
        let Contents::Here(listing) = &self.nodes[node.index()].contents else {
            return Ok(tree);
        };
        tree.files.reserve_exact(listing.files.len());
        for (name, id) in &listing.files {
            tree.files.push((name.to_string(), *id));
        }
        for (name, child) in &listing.dirs {
            let meta = self.meta(*child).ok_or(TreeError::Empty)?;
            tree.dirs.push(DirEntry {
                name: name.to_string(),
                tree: tree_of(*child),
                meta,
            });
        }
        Ok(tree)
    }
}

impl Node {
    fn in_repository(tree: DirTreeId, meta: DirMetaId) -> Self {
        Self {
            meta: Some(meta),
            contents: Contents::InRepository(tree),
            loaded: Some(tree),
        }
    }
}
