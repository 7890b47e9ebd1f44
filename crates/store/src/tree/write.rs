//! Writing a tree's listings, the deepest first, on all processors.

use std::thread;

use ostler_format::{DirMetaId, DirTreeId, ObjectKind, ObjectName};

use super::error::TreeError;
use super::mutable::{MutableTree, NodeId};
use super::sizes::SizeLog;
use crate::transaction::Transaction;

/// Below this many directories of one height a second thread costs more than it saves.
const PARALLEL_DIRS: usize = 128;

impl MutableTree {
    /// Writes the listings that the repository lacks, and returns the root.
    ///
    /// # Errors
    /// [`TreeError::Empty`] if a directory has no metadata.
    pub fn write(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(DirTreeId, DirMetaId), TreeError> {
        self.write_logged(transaction, None)
    }

    pub(super) fn write_logged(
        &self,
        transaction: &Transaction<'_>,
        sizes: Option<&SizeLog>,
    ) -> Result<(DirTreeId, DirMetaId), TreeError> {
        let meta = self.meta(NodeId::ROOT).ok_or(TreeError::Empty)?;
        let mut ids = vec![None; self.len()];
        for level in self.levels() {
            let written = self.write_level(transaction, &level, &ids, sizes)?;
            for (node, id) in level.into_iter().zip(written) {
                ids[node.index()] = Some(id);
            }
        }
        let tree = ids[NodeId::ROOT.index()].expect("the root is in the last level");
        Ok((tree, meta))
    }

    /// Directories by height: the first level has no subdirectories, the last is the root.
    fn levels(&self) -> Vec<Vec<NodeId>> {
        let mut order = vec![NodeId::ROOT];
        let mut parents = vec![usize::MAX];
        let mut next = 0;
        while next < order.len() {
            for child in self.loaded_children(order[next]) {
                order.push(child);
                parents.push(next);
            }
            next += 1;
        }
        let mut heights = vec![0_usize; order.len()];
        let mut levels: Vec<Vec<NodeId>> = Vec::new();
        for at in (0..order.len()).rev() {
            let height = heights[at];
            if let Some(parent) = heights.get_mut(parents[at]) {
                *parent = (*parent).max(height + 1);
            }
            if levels.len() <= height {
                levels.resize(height + 1, Vec::new());
            }
            levels[height].push(order[at]);
        }
        levels
    }

    fn write_level(
        &self,
        transaction: &Transaction<'_>,
        level: &[NodeId],
        ids: &[Option<DirTreeId>],
        sizes: Option<&SizeLog>,
    ) -> Result<Vec<DirTreeId>, TreeError> {
        let write = |nodes: &[NodeId]| -> Result<Vec<DirTreeId>, TreeError> {
            nodes
                .iter()
                .map(|node| self.write_node(transaction, *node, ids, sizes))
                .collect()
        };
        if level.len() < PARALLEL_DIRS {
            return write(level);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let shares: Vec<_> = level
                .chunks(level.len().div_ceil(threads))
                .map(|share| scope.spawn(move || write(share)))
                .collect();
            let mut written = Vec::with_capacity(level.len());
            for share in shares {
                written.extend(share.join().expect("writing a listing does not panic")?);
            }
            Ok(written)
        })
    }

    fn write_node(
        &self,
        transaction: &Transaction<'_>,
        node: NodeId,
        ids: &[Option<DirTreeId>],
        sizes: Option<&SizeLog>,
    ) -> Result<DirTreeId, TreeError> {
        if let Some(id) = self.untouched(node) {
            return Ok(id);
        }
        let tree = self.to_dirtree(node, |child| {
            ids[child.index()].expect("subdirectories are in lower levels")
        })?;
        let bytes = tree.to_bytes()?;
        let checksum = ostler_format::Checksum::of(&bytes);
        if self.loaded_from(node) == Some(checksum.into()) {
            return Ok(checksum.into());
        }
        let name = ObjectName::new(checksum, ObjectKind::DirTree);
        transaction.write_metadata_named(name, &bytes)?;
        if let Some(sizes) = sizes {
            sizes.metadata(name, bytes.len());
        }
        Ok(checksum.into())
    }
}
