//! Placing an archive's entries into the tree.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use ostler_format::archive::{ArchiveEntry, EntryKind};
use ostler_format::{
    DirMeta, DirMetaId, FileHeader, FileId, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Xattrs,
};

use super::super::error::TreeError;
use super::super::metas::MetaCache;
use super::super::modifier::{Attributes, Modifier, XattrChanges};
use super::super::mutable::{MutableTree, NodeId};
use super::super::sizes::SizeLog;
use super::error::ArchiveTreeError;
use super::links::Links;
use super::path::TreePath;
use super::{ArchiveOptions, Entries};
use crate::progress::{Event, Phase, Sink};
use crate::transaction::Transaction;

/// The mode of directories that nothing describes.
const DEFAULT_MODE: u32 = 0o755;

/// What an overlay of an archive needs of the tree builder, and what it remembers on the way.
pub(in super::super) struct Import<'i> {
    transaction: &'i Transaction<'i>,
    sink: &'i dyn Sink,
    tree: &'i mut MutableTree,
    modifier: &'i mut Modifier,
    xattrs: &'i XattrChanges,
    sizes: Option<&'i SizeLog>,
    options: &'i ArchiveOptions,
    metas: MetaCache,
    links: Links,
    shared: HashMap<(u64, u64), SharedFile>,
    /// Directories that no entry has described.
    made: HashSet<NodeId>,
}

/// The names of one inode of a cpio archive.
struct SharedFile {
    names: Vec<(NodeId, Box<str>)>,
    /// What the content became, once it has come.
    id: Option<FileId>,
    /// What the first name said, for a file that has no content at all.
    header: FileHeader,
}

/// An entry on its way into the tree.
struct Placed {
    path: TreePath,
    parent: NodeId,
    name: Box<str>,
}

/// What a tree builder gives to an import.
pub(in super::super) struct Onto<'i> {
    pub(in super::super) transaction: &'i Transaction<'i>,
    pub(in super::super) sink: &'i dyn Sink,
    pub(in super::super) tree: &'i mut MutableTree,
    pub(in super::super) modifier: &'i mut Modifier,
    pub(in super::super) xattrs: &'i XattrChanges,
    pub(in super::super) sizes: Option<&'i SizeLog>,
    pub(in super::super) options: &'i ArchiveOptions,
}

type InArchive<'a> = &'a dyn Fn(ArchiveTreeError) -> TreeError;

impl<'i> Import<'i> {
    pub(in super::super) fn new(onto: Onto<'i>) -> Self {
        Self {
            transaction: onto.transaction,
            sink: onto.sink,
            tree: onto.tree,
            modifier: onto.modifier,
            xattrs: onto.xattrs,
            sizes: onto.sizes,
            options: onto.options,
            metas: MetaCache::default(),
            links: Links::default(),
            shared: HashMap::new(),
            made: HashSet::new(),
        }
    }

    /// Places all entries.
    pub(super) fn run(
        &mut self,
        entries: &mut dyn Entries,
        in_archive: InArchive<'_>,
    ) -> Result<(), TreeError> {
        let phase = Phase::Commit;
        self.sink.event(Event::Begin {
            phase,
            objects: None,
            bytes: None,
        });
        while let Some(entry) = entries.next_entry().map_err(|e| in_archive(e.into()))? {
            let bytes = entry.size;
            self.entry(entry, entries, in_archive)?;
            self.sink.event(Event::Advance {
                phase,
                objects: 1,
                bytes,
            });
        }
        self.place_shared()?;
        let links = std::mem::take(&mut self.links);
        links.place(self.transaction, self.tree, in_archive)?;
        if self.options.create_parents && self.tree.meta(NodeId::ROOT).is_none() {
            self.create_root()?;
        }
        self.sink.event(Event::End { phase });
        Ok(())
    }

    fn entry(
        &mut self,
        entry: ArchiveEntry,
        content: &mut dyn Entries,
        in_archive: InArchive<'_>,
    ) -> Result<(), TreeError> {
        let filter = self.options.filter.as_ref();
        let path = TreePath::parse(&entry.path, filter).map_err(in_archive)?;
        let found = Attributes {
            uid: entry.uid,
            gid: entry.gid,
            mode: file_type(&entry.kind) | entry.mode,
        };
        let Some(after) = self.modifier.apply(&path.absolute(), found) else {
            return Ok(());
        };
        if let EntryKind::Special(found) = entry.kind {
            let path = path.text();
            return Err(in_archive(ArchiveTreeError::Unsupported { path, found }));
        }
        let placed = self.parent(path, &entry, in_archive)?;
        if entry.kind == EntryKind::Directory {
            return self.directory(placed, &entry, after);
        }
        let Some(placed) = placed else {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            return Err(in_archive(ArchiveTreeError::FileAsRoot { path }));
        };
        self.links.replaced(&placed.path);
        if let EntryKind::HardLink(target) = &entry.kind {
            let target = TreePath::parse(target, filter).map_err(in_archive)?;
            self.links.add(placed.path, placed.parent, target);
            return Ok(());
        }
        let header = self.header(&placed.path, &entry, after, in_archive)?;
        if let EntryKind::SharedFile { inode } = entry.kind {
            return self.shared_file(inode, placed, header, content, entry.size);
        }
        let id = self.write(&header, content, entry.size)?;
        self.tree
            .replace_file(self.transaction, placed.parent, placed.name, id)
    }

    /// Finds or makes the directory that an entry is in; `None` for the root itself.
    fn parent(
        &mut self,
        path: TreePath,
        entry: &ArchiveEntry,
        in_archive: InArchive<'_>,
    ) -> Result<Option<Placed>, TreeError> {
        let Some((parents, name)) = path.split_last() else {
            return Ok(None);
        };
        let mut parent = NodeId::ROOT;
        let mut missing = false;
        for (depth, name) in parents.iter().enumerate() {
            match self.tree.dir(self.transaction, parent, name)? {
                Some(next) => parent = next,
                None if self.options.create_parents => {
                    missing = true;
                    break;
                }
                None => {
                    return Err(in_archive(ArchiveTreeError::NoParent {
                        path: path.text(),
                        missing: parents[..=depth].join("/"),
                    }));
                }
            }
        }
        if missing {
            parent = self.create_parents(parents, entry)?;
        }
        let name = name.into();
        Ok(Some(Placed { path, parent, name }))
    }

    /// Makes the directories on the way to an entry, owned as it is.
    ///
    /// As in libostree all of them get this owner and mode, those that were there already, too: the commit has the same id.
    fn create_parents(
        &mut self,
        names: &[Box<str>],
        entry: &ArchiveEntry,
    ) -> Result<NodeId, TreeError> {
        let attributes = Attributes {
            uid: entry.uid,
            gid: entry.gid,
            mode: DEFAULT_MODE,
        };
        let meta = self.write_meta("/", attributes, Xattrs::new())?;
        let mut node = NodeId::ROOT;
        self.describe(node, meta, &[]);
        for (depth, name) in names.iter().enumerate() {
            let names = &names[..=depth];
            let path = format!("/{}", names.join("/"));
            let meta = self.write_meta(&path, attributes, Xattrs::new())?;
            node = self.tree.ensure_dir(self.transaction, node, name)?;
            self.describe(node, meta, names);
        }
        Ok(node)
    }

    /// Gives a directory the metadata of made ones; tells a person if it had other.
    fn describe(&mut self, node: NodeId, meta: DirMetaId, names: &[Box<str>]) {
        let before = self.tree.meta(node);
        if before.is_none() {
            self.made.insert(node);
        } else if before != Some(meta) && !self.made.contains(&node) {
            self.sink.event(Event::Notice(format!(
                "the directory `/{}` gets the owner and mode of directories that are made in it, as libostree gives them",
                names.join("/")
            )));
        }
        self.tree.set_meta(node, meta);
    }

    /// The root of an archive that has none.
    fn create_root(&mut self) -> Result<(), TreeError> {
        let found = Attributes {
            uid: 0,
            gid: 0,
            mode: S_IFDIR | DEFAULT_MODE,
        };
        if let Some(after) = self.modifier.apply("/", found) {
            let meta = self.write_meta("/", after, Xattrs::new())?;
            self.tree.set_meta(NodeId::ROOT, meta);
        }
        Ok(())
    }

    fn directory(
        &mut self,
        placed: Option<Placed>,
        entry: &ArchiveEntry,
        attributes: Attributes,
    ) -> Result<(), TreeError> {
        let path = match &placed {
            None => "/".to_owned(),
            Some(placed) => placed.path.absolute(),
        };
        let meta = self.write_meta(&path, attributes, entry.xattrs.clone())?;
        let node = match placed {
            None => NodeId::ROOT,
            Some(placed) => {
                self.links.replaced(&placed.path);
                self.tree
                    .ensure_dir(self.transaction, placed.parent, &placed.name)?
            }
        };
        self.tree.set_meta(node, meta);
        self.made.remove(&node);
        Ok(())
    }

    fn write_meta(
        &mut self,
        path: &str,
        attributes: Attributes,
        found: Xattrs,
    ) -> Result<DirMetaId, TreeError> {
        let mode = S_IFDIR | (attributes.mode & !S_IFMT);
        let meta = DirMeta {
            uid: attributes.uid,
            gid: attributes.gid,
            mode,
            xattrs: self.xattrs.apply(|| path, mode, || Ok(found))?,
        };
        let unwritable = |source| TreeError::Unwritable {
            path: path.to_owned(),
            source,
        };
        self.metas
            .write(self.transaction, self.sizes, &meta, unwritable)
    }

    fn header(
        &self,
        path: &TreePath,
        entry: &ArchiveEntry,
        after: Attributes,
        in_archive: InArchive<'_>,
    ) -> Result<FileHeader, TreeError> {
        let symlink_target = match &entry.kind {
            EntryKind::Symlink(target) => String::from_utf8(target.clone()).map_err(|_| {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                in_archive(ArchiveTreeError::NotUtf8 { path })
            })?,
            _ => String::new(),
        };
        let mode = match &entry.kind {
            // Programs that write archives give symlinks any mode; a real symlink has but one.
            EntryKind::Symlink(_) if self.transaction.repo().mode().keeps_symlinks() => {
                S_IFLNK | 0o777
            }
            kind => file_type(kind) | (after.mode & !S_IFMT),
        };
        Ok(FileHeader {
            uid: after.uid,
            gid: after.gid,
            mode,
            symlink_target,
            xattrs: self
                .xattrs
                .apply(|| path.absolute(), mode, || Ok(entry.xattrs.clone()))?,
        })
    }

    fn write(
        &self,
        header: &FileHeader,
        content: &mut dyn Read,
        size: u64,
    ) -> Result<FileId, TreeError> {
        let (id, length) = if header.is_symlink() {
            let length = header.symlink_target.len() as u64;
            (self.transaction.write_symlink(header)?, length)
        } else {
            self.transaction.write_content(header, content, size)?
        };
        if let Some(sizes) = self.sizes {
            sizes.content(self.transaction, id, length)?;
        }
        Ok(id)
    }

    /// One of several names of a file; the content may be with any of them, cpio has it with the last.
    fn shared_file(
        &mut self,
        inode: (u64, u64),
        placed: Placed,
        header: FileHeader,
        content: &mut dyn Read,
        size: u64,
    ) -> Result<(), TreeError> {
        let id = match size {
            0 => None,
            _ => Some(self.write(&header, content, size)?),
        };
        let file = self.shared.entry(inode).or_insert_with(|| SharedFile {
            names: Vec::new(),
            id: None,
            header,
        });
        file.id = id.or(file.id);
        file.names.push((placed.parent, placed.name));
        Ok(())
    }

    fn place_shared(&mut self) -> Result<(), TreeError> {
        for file in std::mem::take(&mut self.shared).into_values() {
            let id = match file.id {
                Some(id) => id,
                None => self.write(&file.header, &mut std::io::empty(), 0)?,
            };
            for (parent, name) in file.names {
                self.tree.replace_file(self.transaction, parent, name, id)?;
            }
        }
        Ok(())
    }
}

fn file_type(kind: &EntryKind) -> u32 {
    match kind {
        EntryKind::Directory => S_IFDIR,
        EntryKind::Symlink(_) => S_IFLNK,
        _ => S_IFREG,
    }
}
