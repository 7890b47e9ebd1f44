//! What the walker knows of a file before anybody has read it.

use std::sync::Arc;

use ostler_format::{FileHeader, FileId};
use ostler_fs::Metadata;

use super::super::index::Place;
use super::super::modifier::Attributes;
use super::super::mutable::NodeId;

/// A directory of the source.
#[derive(Debug)]
pub(super) struct SourceDir {
    /// From the source's root, without a slash at either end; empty for the root.
    pub(super) path: String,
    /// Where what is learnt of its files goes.
    pub(super) place: Option<Place>,
}

impl SourceDir {
    /// The path of an entry in the tree, with a slash before it.
    pub(super) fn absolute(&self, name: &str) -> String {
        format!("/{}", self.path_of(name))
    }

    /// The path of an entry, for messages.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }
}

/// Files of one directory.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) dir: Arc<SourceDir>,
    pub(super) node: NodeId,
    pub(super) entries: Vec<Entry>,
}

/// A regular file, symlink or whiteout.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    /// The name in the tree if it is another one: a quoted whiteout.
    pub(super) committed_name: Option<Box<str>>,
    pub(super) stat: Metadata,
    /// What the modifiers made of owner and mode.
    pub(super) attributes: Attributes,
    pub(super) known: Known,
}

/// What is known of a file's content.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing: it must be read.
    Nothing,
    /// The index says that it is this object, if the repository still has it.
    Indexed(FileId),
    /// It shares its inode with this object, and is committed as that.
    Hardlinked(FileId),
    /// It shares its inode with an object, but is committed with this header.
    Header(Box<FileHeader>),
    /// It is an overlayfs whiteout, committed as an empty file.
    Whiteout,
}
