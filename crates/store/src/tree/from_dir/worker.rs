//! One of the threads that look up, read, hash and write.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, TryRecvError, select};
use ostler_format::{FileHeader, FileId, ObjectName, S_IFLNK, S_IFMT};
use ostler_fs::Dir;

use super::super::error::TreeError;
use super::super::index::{FileRecord, Place};
use super::super::mutable::{MutableTree, NodeId};
use super::Shared;
use super::entry::{Batch, Entry, Known, SourceDir};
use super::learn::Learnt;
use super::read::{Reader, committed_xattrs};
use crate::object::MAX_XATTRS;
use crate::progress::{Event, Phase};
use crate::transaction::Transaction;

/// What became of a batch.
pub(super) struct Answer {
    node: NodeId,
    place: Option<Place>,
    files: Vec<(Box<str>, FileId)>,
    records: Vec<FileRecord>,
}

impl Answer {
    /// Puts the ids into the tree, and what was learnt to the rest.
    pub(super) fn put_into(
        self,
        transaction: &Transaction<'_>,
        tree: &mut MutableTree,
        learnt: &mut Learnt,
    ) -> Result<(), TreeError> {
        if let Some(place) = self.place {
            learnt.answer(place, self.files.len(), self.records);
        }
        for (name, id) in self.files {
            tree.replace_file(transaction, self.node, name, id)?;
        }
        Ok(())
    }
}

/// Works until the walker has nothing more; large files come first.
pub(super) fn run(
    shared: &Shared<'_>,
    large: &Receiver<Batch>,
    small: &Receiver<Batch>,
    answers: &Sender<Result<Answer, TreeError>>,
) {
    let mut reader = Reader::new(shared.scan);
    while let Some(batch) = next(large, small) {
        if shared.failed.load(Ordering::Relaxed) {
            continue;
        }
        let answer = work(shared, &mut reader, batch);
        if answer.is_err() {
            shared.fail();
        }
        // Whoever collects the answers may have left with an error.
        let _ = answers.send(answer);
    }
}

fn next(large: &Receiver<Batch>, small: &Receiver<Batch>) -> Option<Batch> {
    match large.try_recv() {
        Ok(batch) => return Some(batch),
        Err(TryRecvError::Disconnected) => return small.recv().ok(),
        Err(TryRecvError::Empty) => {}
    }
    select! {
        recv(large) -> batch => batch.ok().or_else(|| small.recv().ok()),
        recv(small) -> batch => batch.ok().or_else(|| large.recv().ok()),
    }
}

fn work(shared: &Shared<'_>, reader: &mut Reader<'_>, batch: Batch) -> Result<Answer, TreeError> {
    let count = batch.entries.len();
    let mut answer = Answer {
        node: batch.node,
        place: batch.dir.place,
        files: Vec::with_capacity(count),
        records: Vec::new(),
    };
    let mut opened = Opened {
        shared,
        source: &batch.dir,
        dir: None,
        // Earlier than any read: what is settled then is settled at each of them.
        began: SystemTime::now(),
    };
    let mut bytes = 0;
    for entry in batch.entries {
        if shared.has_failed() {
            break;
        }
        let (id, record) = opened.file(reader, &entry)?;
        answer.records.extend(record);
        bytes += entry.stat.size;
        answer
            .files
            .push((entry.committed_name.unwrap_or(entry.name), id));
    }
    shared.scan.sink.event(Event::Advance {
        phase: Phase::Commit,
        objects: count as u64,
        bytes,
    });
    Ok(answer)
}

/// The directory of a batch, opened when a file of it must be.
struct Opened<'o, 's> {
    shared: &'o Shared<'s>,
    source: &'o SourceDir,
    dir: Option<Dir>,
    began: SystemTime,
}

impl Opened<'_, '_> {
    /// Finds the id of a file, writing the object if need be; the record is for the index.
    fn file(
        &mut self,
        reader: &mut Reader<'_>,
        entry: &Entry,
    ) -> Result<(FileId, Option<FileRecord>), TreeError> {
        let transaction = self.shared.scan.transaction;
        match &entry.known {
            Known::Hardlinked(id) => {
                transaction.count_cache_hit();
                self.log_size(*id, entry)?;
                return Ok((*id, None));
            }
            Known::Indexed(id) if transaction.has(&ObjectName::from(*id))? => {
                transaction.count_known_content();
                self.log_size(*id, entry)?;
                let record = FileRecord::new(&entry.stat, entry.attributes, *id);
                return Ok((*id, Some(record)));
            }
            _ => {}
        }
        let (id, record) = self.read(reader, entry)?;
        self.log_size(id, entry)?;
        Ok((id, record))
    }

    fn log_size(&self, id: FileId, entry: &Entry) -> Result<(), TreeError> {
        match self.shared.scan.sizes {
            Some(sizes) => Ok(sizes.content(self.shared.scan.transaction, id, entry.stat.size)?),
            None => Ok(()),
        }
    }

    fn read(
        &mut self,
        reader: &mut Reader<'_>,
        entry: &Entry,
    ) -> Result<(FileId, Option<FileRecord>), TreeError> {
        let began = self.began;
        let transaction = self.shared.scan.transaction;
        let header = match &entry.known {
            Known::Header(header) => Some((**header).clone()),
            _ => None,
        };
        if let Some(header) = header.as_ref().filter(|header| header.is_symlink()) {
            return Ok((transaction.write_symlink(header)?, None));
        }
        if entry.stat.is_symlink() {
            let header = self.symlink_header(entry)?;
            let id = transaction.write_symlink(&header)?;
            let record = reader.record_symlink(self.dir()?, entry, id, began)?;
            return Ok((id, record));
        }
        if matches!(entry.known, Known::Whiteout) {
            let header = self.named_header(entry)?;
            return Ok((transaction.write_content_bytes(&header, b"")?, None));
        }
        let source = self.source;
        reader.regular(self.dir()?, source, entry, header, began)
    }

    fn dir(&mut self) -> Result<&Dir, TreeError> {
        if self.dir.is_none() {
            let path = match self.source.path.as_str() {
                "" => ".",
                path => path,
            };
            self.dir = Some(self.shared.root.open_dir_beneath(path)?);
        }
        Ok(self.dir.as_ref().expect("it has just been opened"))
    }

    fn symlink_header(&mut self, entry: &Entry) -> Result<FileHeader, TreeError> {
        let target = self.dir()?.read_link(&*entry.name)?;
        let symlink_target = String::from_utf8(target).map_err(|_| TreeError::SymlinkTarget {
            path: self.source.path_of(&entry.name),
            reason: "its target is not UTF-8",
        })?;
        Ok(FileHeader {
            symlink_target,
            ..self.named_header(entry)?
        })
    }

    /// The header of something that is not opened, with its xattrs.
    fn named_header(&mut self, entry: &Entry) -> Result<FileHeader, TreeError> {
        let attributes = entry.attributes;
        let mode = match entry.stat.is_symlink() {
            // A stat override may add bits to a symlink's mode, but never change its type.
            true => S_IFLNK | (attributes.mode & !S_IFMT),
            false => attributes.mode,
        };
        let source = self.source;
        let xattrs = self.shared.scan.xattrs.apply(
            || source.absolute(&entry.name),
            mode,
            || {
                let pairs = self.dir()?.xattrs(&*entry.name, MAX_XATTRS)?;
                committed_xattrs(pairs, || source.path_of(&entry.name))
            },
        )?;
        Ok(FileHeader {
            uid: attributes.uid,
            gid: attributes.gid,
            mode,
            symlink_target: String::new(),
            xattrs,
        })
    }
}
