//! Lists the source and decides what becomes of each entry.

use std::sync::Arc;

use crossbeam_channel::TrySendError;
use ostler_format::{DirMeta, DirMetaId, S_IFDIR, S_IFMT, S_IFREG};
use ostler_fs::{Dir, Entries, EntryRef, FileType, MAX_DEPTH, Metadata, xattr};

use super::super::error::TreeError;
use super::super::index::{Index, Records};
use super::super::metas::MetaCache;
use super::super::modifier::{Attributes, Modifier};
use super::super::mutable::{MutableTree, NodeId};
use super::consume::ConsumeLog;
use super::entry::{Batch, Entry, Known, SourceDir};
use super::learn::Learnt;
use super::read::committed_xattrs;
use super::{Answers, BATCH_FILES, Queues, Shared, Target};
use crate::mode::RepoMode;
use crate::object::MAX_XATTRS;
use crate::progress::{Event, Phase, Sink};
use crate::transaction::SMALL_CONTENT;

/// What quoted overlayfs whiteouts are named by.
const WHITEOUT_PREFIX: &str = ".ostree-wh.";
/// The longest file name of every file system here.
const MAX_NAME: usize = 255;

struct Walker<'w, 's> {
    shared: &'w Shared<'s>,
    queues: Queues,
    answers: &'w Answers,
    tree: &'w mut MutableTree,
    modifier: &'w mut Modifier,
    learnt: Learnt,
    metas: MetaCache,
    files: u64,
    bytes: u64,
}

/// A directory whose subdirectories are being visited.
struct Level {
    dir: Dir,
    node: NodeId,
    /// With a slash before and after: `/`, `/usr/`.
    path: String,
    subdirs: std::vec::IntoIter<Box<str>>,
}

/// Visits everything; workers may still be busy when it returns.
pub(super) fn walk<'w>(
    shared: &'w Shared<'_>,
    target: Target<'w>,
    queues: Queues,
    answers: &'w Answers,
    index: Option<Index>,
) -> Result<Learnt, TreeError> {
    let log = shared.scan.consume.then(ConsumeLog::default);
    let root = shared.root.open_dir_beneath(".")?;
    let stat = root.self_metadata()?;
    let mut walker = Walker {
        shared,
        queues,
        answers,
        tree: target.tree,
        modifier: target.modifier,
        learnt: Learnt::new(index, log),
        metas: MetaCache::default(),
        files: 0,
        bytes: 0,
    };
    walker.run(root, stat)?;
    shared.scan.sink.event(Event::Total {
        phase: Phase::Commit,
        objects: walker.files,
        bytes: walker.bytes,
    });
    Ok(walker.learnt)
}

impl Walker<'_, '_> {
    fn run(&mut self, root: Dir, stat: Metadata) -> Result<(), TreeError> {
        let Some(attributes) = self.modifier.apply("/", attributes(&stat)) else {
            return Ok(());
        };
        let top = self.enter(root, stat, attributes, NodeId::ROOT, "/".into())?;
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            if self.shared.has_failed() {
                return Ok(());
            }
            let Some(name) = level.subdirs.next() else {
                levels.pop();
                continue;
            };
            let next = self.descend(level, &name)?;
            if let Some(next) = next {
                if levels.len() >= MAX_DEPTH {
                    return Err(too_deep(&next.dir));
                }
                levels.push(next);
            }
        }
        Ok(())
    }

    /// Enters a subdirectory unless it has vanished or is left out.
    fn descend(&mut self, level: &Level, name: &str) -> Result<Option<Level>, TreeError> {
        let Some(dir) = level.dir.open_dir_optional(name)? else {
            return Ok(None);
        };
        let stat = dir.self_metadata()?;
        let mut path = format!("{}{name}", level.path);
        let sink = self.shared.scan.sink;
        let after = self
            .modifier
            .apply_to_subdirectory(&path, attributes(&stat), || lost_bits(sink, &path));
        let Some(attributes) = after else {
            self.learnt.leave_out(&path);
            return Ok(None);
        };
        let node = self
            .tree
            .ensure_dir(self.shared.scan.transaction, level.node, name)?;
        path.push('/');
        self.enter(dir, stat, attributes, node, path).map(Some)
    }

    /// Writes the directory's metadata, hands its files over, and returns what is to be visited below it.
    fn enter(
        &mut self,
        dir: Dir,
        stat: Metadata,
        attributes: Attributes,
        node: NodeId,
        path: String,
    ) -> Result<Level, TreeError> {
        let meta = self.write_meta(&dir, attributes, &path)?;
        self.tree.set_meta(node, meta);
        let place = self.learnt.place(&dir, &stat);
        let source = Arc::new(SourceDir {
            path: path.trim_matches('/').to_owned(),
            place,
        });
        let records = place
            .map(|place| self.learnt.known(place))
            .unwrap_or_default();
        self.learnt.entered(&source);
        let mut listing = Entries::new();
        dir.entries_into(&mut listing)?;
        let mut subdirs = Vec::new();
        let mut batch = Vec::new();
        for found in listing.iter() {
            let name = utf8(&found, &source)?;
            if found.file_type.is_dir() {
                subdirs.push(Box::from(name));
                continue;
            }
            let Some(entry) = self.look(&dir, &source, &path, name, &records)? else {
                continue;
            };
            self.files += 1;
            self.bytes += entry.stat.size;
            self.learnt.sent(&source, &entry);
            let entry = match self.send_if_large(&source, node, entry) {
                Some(entry) => entry,
                None => continue,
            };
            batch.push(entry);
            if batch.len() == BATCH_FILES {
                self.send(&source, node, std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            self.send(&source, node, batch);
        }
        if let Some(place) = place {
            self.learnt.listed(place, records);
        }
        self.take_answers()?;
        Ok(Level {
            dir,
            node,
            path,
            subdirs: subdirs.into_iter(),
        })
    }

    /// Takes what the workers have answered so far, so that answers do not pile up.
    fn take_answers(&mut self) -> Result<(), TreeError> {
        while let Ok(answer) = self.answers.try_recv() {
            answer?.put_into(self.shared.scan.transaction, self.tree, &mut self.learnt)?;
        }
        Ok(())
    }

    /// Finds out what an entry is; `None` if it has vanished or is left out.
    fn look(
        &mut self,
        dir: &Dir,
        source: &SourceDir,
        parent: &str,
        name: &str,
        records: &Records,
    ) -> Result<Option<Entry>, TreeError> {
        let Some(stat) = dir.metadata_optional(name)? else {
            return Ok(None);
        };
        let scan = self.shared.scan;
        let linked = match scan.hardlinks {
            Some(links) if stat.is_file() || stat.is_symlink() => links.get(stat.dev, stat.ino),
            _ => None,
        };
        let mut entry = Entry {
            name: name.into(),
            committed_name: None,
            stat,
            attributes: attributes(&stat),
            known: Known::Nothing,
        };
        if let (Some(id), true) = (linked, scan.hardlinks_are_canonical) {
            entry.known = Known::Hardlinked(id);
            return Ok(Some(entry));
        }
        let mut header = None;
        if let (Some(id), false) = (linked, scan.transaction.repo().mode() == RepoMode::Bare) {
            // The object's own owner and mode are not those of its inode.
            let object = scan.transaction.open_file_object(id)?.header;
            entry.attributes = Attributes {
                uid: object.uid,
                gid: object.gid,
                mode: object.mode,
            };
            header = Some(object);
        }
        let before = entry.attributes;
        let path = format!("{parent}{name}");
        let Some(after) = self.modifier.apply(&path, before) else {
            self.learnt.leave_out(&path);
            return Ok(None);
        };
        entry.attributes = after;
        match stat.file_type {
            FileType::Regular | FileType::Symlink => {}
            FileType::CharDevice if stat.rdev == 0 => {
                quote_whiteout(&mut entry, source)?;
                return Ok(Some(entry));
            }
            found => {
                return Err(TreeError::NotAFile {
                    path: source.path_of(name),
                    found,
                });
            }
        }
        entry.known = match (linked, header) {
            (Some(id), _) if after == before && scan.xattrs.keeps_all() => Known::Hardlinked(id),
            (_, Some(mut header)) => {
                (header.uid, header.gid, header.mode) = (after.uid, after.gid, after.mode);
                let found = std::mem::take(&mut header.xattrs);
                header.xattrs = scan.xattrs.apply(|| &path, header.mode, || Ok(found))?;
                Known::Header(Box::new(header))
            }
            _ => records
                .find(&stat, after)
                .map_or(Known::Nothing, Known::Indexed),
        };
        Ok(Some(entry))
    }

    fn write_meta(
        &mut self,
        dir: &Dir,
        attributes: Attributes,
        path: &str,
    ) -> Result<DirMetaId, TreeError> {
        let scan = self.shared.scan;
        let unwritable = |source| TreeError::Unwritable {
            path: path.to_owned(),
            source,
        };
        let mode = S_IFDIR | (attributes.mode & !S_IFMT);
        let labelled = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        let xattrs = scan.xattrs.apply(
            || labelled,
            mode,
            || committed_xattrs(xattr::all(dir, MAX_XATTRS)?, || path.to_owned()),
        )?;
        let meta = DirMeta {
            uid: attributes.uid,
            gid: attributes.gid,
            mode,
            xattrs,
        };
        self.metas
            .write(scan.transaction, scan.sizes, &meta, unwritable)
    }

    /// Queues a large file ahead of the others; gives it back if it is none, or that queue is full.
    fn send_if_large(&self, source: &Arc<SourceDir>, node: NodeId, entry: Entry) -> Option<Entry> {
        let is_large = entry.stat.is_file() && entry.stat.size > SMALL_CONTENT as u64;
        if !is_large || !matches!(entry.known, Known::Nothing | Known::Header(_)) {
            return Some(entry);
        }
        let batch = Batch {
            dir: source.clone(),
            node,
            entries: vec![entry],
        };
        match self.queues.large.try_send(batch) {
            Ok(()) => None,
            Err(TrySendError::Full(mut batch) | TrySendError::Disconnected(mut batch)) => {
                batch.entries.pop()
            }
        }
    }

    fn send(&self, source: &Arc<SourceDir>, node: NodeId, entries: Vec<Entry>) {
        let batch = Batch {
            dir: source.clone(),
            node,
            entries,
        };
        // The workers end only when this side does, so that nothing is lost here.
        let _ = self.queues.small.send(batch);
    }
}

/// Tells a person of an override that does nothing.
pub(in super::super) fn lost_bits(sink: &dyn Sink, path: &str) {
    sink.event(Event::Notice(format!(
        "statoverride: no bits are added to the directory `{path}`, as libostree adds none; set its mode with `=`"
    )));
}

fn attributes(stat: &Metadata) -> Attributes {
    Attributes {
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode,
    }
}

/// Makes a whiteout the regular file that stands for it.
fn quote_whiteout(entry: &mut Entry, source: &SourceDir) -> Result<(), TreeError> {
    let bytes = WHITEOUT_PREFIX.len() + entry.name.len();
    if bytes > MAX_NAME {
        return Err(TreeError::WhiteoutName {
            path: source.path_of(&entry.name),
            bytes,
        });
    }
    entry.committed_name = Some(format!("{WHITEOUT_PREFIX}{}", entry.name).into());
    entry.attributes.mode = S_IFREG | (entry.attributes.mode & !S_IFMT);
    entry.known = Known::Whiteout;
    Ok(())
}

fn utf8<'n>(entry: &EntryRef<'n>, source: &SourceDir) -> Result<&'n str, TreeError> {
    entry.str_name().ok_or_else(|| TreeError::NameNotUtf8 {
        dir: format!("/{}", source.path),
        name: String::from_utf8_lossy(entry.name()).into_owned(),
    })
}

fn too_deep(dir: &Dir) -> TreeError {
    TreeError::Source {
        path: dir.shown_path(),
        reason: format!("the tree is more than {MAX_DEPTH} levels deep"),
    }
}
