//! Further names of files, which get their ids when the archive has been read.

use std::collections::{BTreeMap, HashMap};

use ostler_format::FileId;

use super::super::error::TreeError;
use super::super::mutable::{MutableTree, NodeId};
use super::error::ArchiveTreeError;
use super::path::TreePath;
use crate::transaction::Transaction;

/// Hardlinks by path.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_path: BTreeMap<TreePath, Link>,
}

#[derive(Debug)]
struct Link {
    parent: NodeId,
    target: TreePath,
}

impl Links {
    pub(super) fn add(&mut self, path: TreePath, parent: NodeId, target: TreePath) {
        self.by_path.insert(path, Link { parent, target });
    }

    /// Forgets the hardlink at a path that something else has now.
    pub(super) fn replaced(&mut self, path: &TreePath) {
        if !self.by_path.is_empty() {
            self.by_path.remove(path);
        }
    }

    /// Places all of them, those that lead to others after these.
    pub(super) fn place(
        self,
        transaction: &Transaction<'_>,
        tree: &mut MutableTree,
        in_archive: &dyn Fn(ArchiveTreeError) -> TreeError,
    ) -> Result<(), TreeError> {
        let mut waiting: HashMap<TreePath, Vec<(TreePath, NodeId)>> = HashMap::new();
        let mut ready = Vec::new();
        for (path, link) in self.by_path {
            match find(transaction, tree, &link.target)? {
                Found::File(id) => ready.push((path, link.parent, id)),
                Found::Nothing => {
                    let waiters = waiting.entry(link.target).or_default();
                    waiters.push((path, link.parent));
                }
                Found::Directory => {
                    return Err(in_archive(ArchiveTreeError::LinkToDirectory {
                        path: path.text(),
                        target: link.target.text(),
                    }));
                }
            }
        }
        while let Some((path, parent, id)) = ready.pop() {
            if let Some((_, name)) = path.split_last() {
                tree.replace_file(transaction, parent, name, id)?;
            }
            let waiters = waiting.remove(&path).unwrap_or_default();
            ready.extend(waiters.into_iter().map(|(path, parent)| (path, parent, id)));
        }
        // The first by name, so that the same archive gives the same message.
        let left = waiting
            .into_iter()
            .flat_map(|(target, links)| {
                links
                    .into_iter()
                    .map(move |(path, _)| (path, target.clone()))
            })
            .min();
        match left {
            None => Ok(()),
            Some((path, target)) => Err(in_archive(ArchiveTreeError::NoLinkTarget {
                path: path.text(),
                target: target.text(),
            })),
        }
    }
}

enum Found {
    File(FileId),
    Directory,
    Nothing,
}

fn find(
    transaction: &Transaction<'_>,
    tree: &mut MutableTree,
    path: &TreePath,
) -> Result<Found, TreeError> {
    let Some((parents, name)) = path.split_last() else {
        return Ok(Found::Directory);
    };
    let mut node = NodeId::ROOT;
    for parent in parents {
        match tree.dir(transaction, node, parent)? {
            Some(next) => node = next,
            None => return Ok(Found::Nothing),
        }
    }
    if let Some(id) = tree.file(transaction, node, name)? {
        return Ok(Found::File(id));
    }
    Ok(match tree.dir(transaction, node, name)? {
        Some(_) => Found::Directory,
        None => Found::Nothing,
    })
}
