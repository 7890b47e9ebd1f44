//! A commit's tree as part of another tree, with modifiers.

use ostler_format::{
    CommitId, DirEntry, DirMeta, DirMetaId, DirTreeId, FileId, ObjectKind, ObjectName, S_IFDIR,
    S_IFMT,
};

use super::error::TreeError;
use super::from_dir::lost_bits;
use super::modifier::{Attributes, Modifier, XattrChanges};
use super::mutable::{MutableTree, NodeId};
use super::sizes::SizeLog;
use crate::error::StoreError;
use crate::progress::Sink;
use crate::transaction::Transaction;

/// What an overlay of a commit needs of the tree builder.
pub(super) struct Graft<'g> {
    pub(super) transaction: &'g Transaction<'g>,
    pub(super) tree: &'g mut MutableTree,
    pub(super) sizes: Option<&'g SizeLog>,
    pub(super) sink: &'g dyn Sink,
}

impl Graft<'_> {
    /// Overlays the commit as it is; directories that the tree does not have are not even read.
    pub(super) fn overlay(&mut self, commit: CommitId) -> Result<(), TreeError> {
        let (tree, meta) = root_of(self.transaction, commit)?;
        if self.tree.is_empty() {
            *self.tree = MutableTree::from_tree(tree, meta);
            return Ok(());
        }
        self.merge(NodeId::ROOT, tree, meta)
    }

    fn merge(&mut self, node: NodeId, tree: DirTreeId, meta: DirMetaId) -> Result<(), TreeError> {
        self.tree.set_meta(node, meta);
        let listing = self.transaction.read_dirtree(tree)?;
        for (name, id) in listing.files {
            self.tree.replace_file(self.transaction, node, name, id)?;
        }
        for dir in &listing.dirs {
            let (child, is_new) = self.tree.ensure_dir_from(self.transaction, node, dir)?;
            if !is_new {
                self.merge(child, dir.tree, dir.meta)?;
            }
        }
        Ok(())
    }

    /// Overlays the commit with everything in it modified.
    pub(super) fn overlay_modified(
        &mut self,
        commit: CommitId,
        modifier: &mut Modifier,
        xattrs: &XattrChanges,
    ) -> Result<(), TreeError> {
        let (tree, meta) = root_of(self.transaction, commit)?;
        let root = DirEntry {
            name: String::new(),
            tree,
            meta,
        };
        let mut walk = Walk {
            graft: self,
            modifier,
            xattrs,
        };
        walk.directory(None, &root, "/")
    }
}

struct Walk<'w, 'g> {
    graft: &'w mut Graft<'g>,
    modifier: &'w mut Modifier,
    xattrs: &'w XattrChanges,
}

impl Walk<'_, '_> {
    /// `parent` is `None` for the root; `path` has no slash at its end but the root's.
    fn directory(
        &mut self,
        parent: Option<NodeId>,
        dir: &DirEntry,
        path: &str,
    ) -> Result<(), TreeError> {
        let transaction = self.graft.transaction;
        let name = ObjectName::new(dir.meta.checksum(), ObjectKind::DirMeta);
        let bytes = transaction
            .read_metadata_optional(&name)?
            .ok_or(StoreError::ObjectMissing { name })?;
        let mut meta =
            DirMeta::parse(&bytes).map_err(|source| StoreError::Malformed { name, source })?;
        let found = Attributes {
            uid: meta.uid,
            gid: meta.gid,
            mode: meta.mode,
        };
        let sink = self.graft.sink;
        let after = match parent {
            None => self.modifier.apply(path, found),
            Some(_) => self
                .modifier
                .apply_to_subdirectory(path, found, || lost_bits(sink, path)),
        };
        let Some(after) = after else {
            return Ok(());
        };
        meta.uid = after.uid;
        meta.gid = after.gid;
        meta.mode = S_IFDIR | (after.mode & !S_IFMT);
        let found = std::mem::take(&mut meta.xattrs);
        meta.xattrs = self.xattrs.apply(|| path, meta.mode, || Ok(found))?;
        let node = match parent {
            None => NodeId::ROOT,
            Some(parent) => self.graft.tree.ensure_dir(transaction, parent, &dir.name)?,
        };
        let id = self.write_meta(&meta)?;
        self.graft.tree.set_meta(node, id);
        let listing = transaction.read_dirtree(dir.tree)?;
        let prefix = if path == "/" { "" } else { path };
        for (name, id) in listing.files {
            let path = format!("{prefix}/{name}");
            if let Some(id) = self.file(id, &path)? {
                self.graft.tree.replace_file(transaction, node, name, id)?;
            }
        }
        for child in &listing.dirs {
            let path = format!("{prefix}/{}", child.name);
            self.directory(Some(node), child, &path)?;
        }
        Ok(())
    }

    fn write_meta(&self, meta: &DirMeta) -> Result<DirMetaId, TreeError> {
        let bytes = meta.to_bytes()?;
        let checksum = self
            .graft
            .transaction
            .write_metadata(ObjectKind::DirMeta, &bytes)?;
        if let Some(sizes) = self.graft.sizes {
            let name = ObjectName::new(checksum, ObjectKind::DirMeta);
            sizes.metadata(name, bytes.len());
        }
        Ok(checksum.into())
    }

    /// Returns the id of the modified file, `None` if it is left out.
    fn file(&mut self, id: FileId, path: &str) -> Result<Option<FileId>, TreeError> {
        let transaction = self.graft.transaction;
        let mut object = transaction.open_file_object(id)?;
        let before = Attributes {
            uid: object.header.uid,
            gid: object.header.gid,
            mode: object.header.mode,
        };
        let Some(after) = self.modifier.apply(path, before) else {
            return Ok(None);
        };
        let found = object.header.xattrs.clone();
        let xattrs = self.xattrs.apply(|| path, after.mode, || Ok(found))?;
        let same_xattrs = xattrs == object.header.xattrs;
        let size = match object.is_symlink() {
            true => object.header.symlink_target.len() as u64,
            false => object.size,
        };
        let modified = if after == before && same_xattrs {
            transaction.count_known_content();
            id
        } else {
            let mut header = object.header.clone();
            (header.uid, header.gid, header.mode) = (after.uid, after.gid, after.mode);
            header.xattrs = xattrs;
            if header.is_symlink() {
                transaction.write_symlink(&header)?
            } else {
                let size = object.size;
                transaction.write_content(&header, &mut object, size)?.0
            }
        };
        if let Some(sizes) = self.graft.sizes {
            sizes.content(transaction, modified, size)?;
        }
        Ok(Some(modified))
    }
}

/// Reads which tree a commit is of.
pub(super) fn root_of(
    transaction: &Transaction<'_>,
    commit: CommitId,
) -> Result<(DirTreeId, DirMetaId), TreeError> {
    let commit = transaction.repo().read_commit(commit)?;
    Ok((commit.tree, commit.meta))
}
