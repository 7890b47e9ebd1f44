//! A directory on disk as part of a tree.
//!
//! ```text
//! walker (this thread)   lists, stats, applies the modifiers, asks the index, writes dirmeta objects
//!    | large files first, then directories in batches, bounded
//! workers (one a processor)   look known objects up; open, read, hash and write the rest, in one pass
//!    | ids
//! this thread   puts them into the mutable tree, and what was learnt into the index
//! ```
//! The walker is far ahead of the workers, so that the large files are known and begun early: no processor is left alone
//! with one at the end. What waits is bounded by [`QUEUED_BATCHES`] batches of [`BATCH_FILES`] files.
//!
//! Files are opened beneath the handle of the source's root and never through a symlink; what is not a regular file or
//! symlink by then is refused.

mod consume;
mod entry;
mod learn;
mod read;
mod walker;
mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use ostler_fs::Dir;

use super::error::TreeError;
use super::hardlinks::HardlinkMap;
use super::index::Index;
use super::modifier::{Modifier, XattrChanges};
use super::mutable::MutableTree;
use super::sizes::SizeLog;
use crate::progress::{Event, Phase, Sink};
use crate::transaction::Transaction;
pub use consume::Consumed;
use entry::Batch;
use learn::Learnt;
pub(super) use walker::lost_bits;
use worker::Answer;

/// Files in one batch, at most.
const BATCH_FILES: usize = 64;
/// Batches that wait for a worker, at most.
const QUEUED_BATCHES: usize = 1024;
/// Large files that wait for a worker before they wait like all others.
const QUEUED_LARGE: usize = 4096;

/// What a scan needs of the tree builder.
pub(super) struct Scan<'s> {
    pub(super) transaction: &'s Transaction<'s>,
    pub(super) sink: &'s dyn Sink,
    pub(super) sizes: Option<&'s SizeLog>,
    pub(super) hardlinks: Option<&'s HardlinkMap>,
    /// Whether a hardlinked file is taken for the object that it was, whatever the modifiers say.
    pub(super) hardlinks_are_canonical: bool,
    pub(super) consume: bool,
    pub(super) use_index: bool,
    pub(super) xattrs: &'s XattrChanges,
}

/// What all threads of a scan share.
struct Shared<'s> {
    scan: &'s Scan<'s>,
    root: Dir,
    failed: AtomicBool,
}

impl Shared<'_> {
    /// Makes all threads end soon.
    fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Where the walker puts what it finds.
struct Queues {
    large: Sender<Batch>,
    small: Sender<Batch>,
}

/// What the workers say.
type Answers = Receiver<Result<Answer, TreeError>>;

/// What a scan changes.
pub(super) struct Target<'t> {
    pub(super) tree: &'t mut MutableTree,
    pub(super) modifier: &'t mut Modifier,
}

/// Overlays the directory at `path`; returns what can be removed once the commit is there, with `consume`.
pub(super) fn overlay(
    scan: &Scan<'_>,
    target: Target<'_>,
    path: &Path,
) -> Result<Option<Consumed>, TreeError> {
    let root = open_source(path)?;
    let index = open_index(scan, &root, target.modifier)?;
    let shared = Shared {
        scan,
        root,
        failed: AtomicBool::new(false),
    };
    scan.sink.event(Event::Begin {
        phase: Phase::Commit,
        objects: None,
        bytes: None,
    });
    let learnt = run(&shared, target, index)?;
    scan.sink.event(Event::End {
        phase: Phase::Commit,
    });
    learnt.finish(scan.consume.then_some(path))
}

fn open_index(
    scan: &Scan<'_>,
    root: &Dir,
    modifier: &Modifier,
) -> Result<Option<Index>, TreeError> {
    // A file that is consumed is not seen again.
    if !scan.use_index || scan.consume {
        return Ok(None);
    }
    let rule = format!("{} {}", modifier.index_key(), scan.xattrs.index_key());
    let stat = root.self_metadata()?;
    Ok(Index::open(scan.transaction.repo(), root, &stat, &rule))
}

/// Walks with the workers at work, and takes their last answers.
fn run(shared: &Shared<'_>, target: Target<'_>, index: Option<Index>) -> Result<Learnt, TreeError> {
    let (large, large_out) = bounded(QUEUED_LARGE);
    let (small, small_out) = bounded(QUEUED_BATCHES);
    let (answers_in, answers) = unbounded();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (large, small, answers) =
                (large_out.clone(), small_out.clone(), answers_in.clone());
            scope.spawn(move || worker::run(shared, &large, &small, &answers));
        }
        drop((large_out, small_out, answers_in));
        let Target { tree, modifier } = target;
        let walk_target = Target {
            tree: &mut *tree,
            modifier,
        };
        let queues = Queues { large, small };
        let walked = walker::walk(shared, walk_target, queues, &answers, index);
        let mut learnt = walked.inspect_err(|_| shared.fail())?;
        for answer in answers {
            answer?.put_into(shared.scan.transaction, tree, &mut learnt)?;
        }
        Ok(learnt)
    })
}

/// Opens a source directory; a symlink in its place is refused unless a slash follows it.
fn open_source(path: &Path) -> Result<Dir, TreeError> {
    let failed = |reason: String| TreeError::Source {
        path: path.to_owned(),
        reason,
    };
    let is_symlink = std::fs::symlink_metadata(path).is_ok_and(|stat| stat.is_symlink());
    if is_symlink && !path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(failed("Not a directory".into()));
    }
    Dir::open_ambient(path).map_err(|error| failed(reason(&error)))
}

fn reason(error: &ostler_fs::FsError) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "No such file or directory".into(),
        std::io::ErrorKind::NotADirectory => "Not a directory".into(),
        _ => error.io().to_string(),
    }
}
