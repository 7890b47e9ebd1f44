//! What a scan learns beside the tree: states of files for the index, and what may be removed afterwards.

use std::collections::HashMap;
use std::path::Path;

use ostler_fs::{Dir, Metadata};

use super::super::error::TreeError;
use super::super::index::{FileRecord, Index, Place, Records};
use super::consume::{ConsumeLog, Consumed};
use super::entry::{Entry, SourceDir};

/// Gathered by the thread that walks.
pub(super) struct Learnt {
    index: Option<Index>,
    consume: Option<ConsumeLog>,
    pending: HashMap<Place, Pending>,
}

/// A directory whose files are not all answered for.
#[derive(Default)]
struct Pending {
    before: Records,
    files: Vec<FileRecord>,
    sent: usize,
    answered: usize,
}

impl Learnt {
    pub(super) fn new(index: Option<Index>, consume: Option<ConsumeLog>) -> Self {
        Self {
            index,
            consume,
            pending: HashMap::new(),
        }
    }

    /// Names a directory for the index; `None` if it is not to be remembered.
    pub(super) fn place(&mut self, dir: &Dir, stat: &Metadata) -> Option<Place> {
        self.index.as_mut()?.place(dir, stat)
    }

    /// What is known of a directory's files.
    pub(super) fn known(&mut self, place: Place) -> Records {
        self.index
            .as_mut()
            .map(|index| index.records(place))
            .unwrap_or_default()
    }

    /// Notes that a file has been handed to the workers.
    pub(super) fn sent(&mut self, dir: &SourceDir, entry: &Entry) {
        if let Some(log) = &mut self.consume {
            log.file(&entry.name, &entry.stat);
        }
        if let Some(place) = dir.place {
            self.pending.entry(place).or_default().sent += 1;
        }
    }

    /// Notes that a directory is entered; its files follow.
    pub(super) fn entered(&mut self, dir: &SourceDir) {
        if let Some(log) = &mut self.consume {
            log.dir(&dir.path);
        }
    }

    /// Notes that all of a directory's files have been handed over; `before` is what was known of them.
    pub(super) fn listed(&mut self, place: Place, before: Records) {
        self.pending.entry(place).or_default().before = before;
        self.settle(place);
    }

    /// Notes a path that is not committed, but consumed all the same.
    pub(super) fn leave_out(&mut self, path: &str) {
        if let Some(log) = &mut self.consume {
            log.leave_out(path);
        }
    }

    /// Takes the answer for `answered` files of a directory.
    pub(super) fn answer(&mut self, place: Place, answered: usize, files: Vec<FileRecord>) {
        let pending = self.pending.entry(place).or_default();
        pending.answered += answered;
        pending.files.extend(files);
        self.settle(place);
    }

    /// Hands a directory over to the index if it is complete and something in it is new.
    fn settle(&mut self, place: Place) {
        let complete = self
            .pending
            .get(&place)
            .is_some_and(|pending| pending.answered == pending.sent);
        if !complete {
            return;
        }
        if let (Some(pending), Some(index)) = (self.pending.remove(&place), &mut self.index) {
            let after = Records::from_files(pending.files);
            if after != pending.before {
                index.replace(place, after);
            }
        }
    }

    /// Saves the index, and gives out what can be removed of the source at `consume`.
    pub(super) fn finish(self, consume: Option<&Path>) -> Result<Option<Consumed>, TreeError> {
        if let Some(index) = self.index {
            index.save();
        }
        match (self.consume, consume) {
            (Some(log), Some(path)) => log.into_consumed(path).map(Some),
            _ => Ok(None),
        }
    }
}
