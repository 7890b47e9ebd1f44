//! Deltas over HTTP: superblocks in memory, parts through files that outlive a kill.

use std::io::Read;

use crossbeam_channel::{Receiver, Sender, select, unbounded};
use ostler_format::delta::{DeltaIndex, DeltaName, PartHeader, Superblock};
use ostler_format::{Checksum, CommitId, MAX_METADATA_SIZE, ObjectKind, ObjectName};
use ostler_http::{
    Batch, BodyStart, FetchError, FetchFault, Priority, Request, Resume, Sink, SinkFault, Validator,
};

use super::super::fetch::object_path;
use super::super::origin::Origin;
use super::super::receive;
use super::kept::{self, PartFile};
use super::local::of_commit;
use super::{Apply, DeltaSource, PullError};
use crate::delta::{DeltaError, on_threads};
use crate::error::StoreError;
use crate::transaction::Intake;

/// Parts that are fetched, wait to be applied, or are applied: each takes its size on the disk.
const PARTS_AT_ONCE: usize = 6;

/// The deltas of a remote.
pub(crate) struct NetworkDeltas<'o> {
    pub(crate) origin: &'o Origin,
    /// Whether each commit's deltas are listed in a file of their own.
    pub(crate) indexed: bool,
    /// What the summary lists; `None` without a summary.
    pub(crate) listed: Option<Vec<(DeltaName, Checksum)>>,
    pub(crate) intake: Intake,
}

impl NetworkDeltas<'_> {
    fn document(&self, path: &str) -> Result<Option<Vec<u8>>, PullError> {
        self.origin
            .optional(&self.origin.content, path, MAX_METADATA_SIZE)
    }
}

impl DeltaSource for NetworkDeltas<'_> {
    fn to(&self, commit: CommitId) -> Result<Option<Vec<(DeltaName, Checksum)>>, PullError> {
        let listed = self.listed.as_ref();
        let listed = listed.map(|listed| of_commit(listed, commit));
        if !self.indexed {
            return Ok(listed);
        }
        let index = self.document(&DeltaIndex::path(commit))?;
        // One that is not as it should be lists nothing: objects can be had anyway.
        let index = index.and_then(|bytes| DeltaIndex::parse(&bytes).ok());
        Ok(Some(match index {
            Some(index) => of_commit(&index.deltas, commit),
            None => listed.unwrap_or_default(),
        }))
    }

    fn superblock(
        &self,
        name: &DeltaName,
        expected: Option<Checksum>,
    ) -> Result<Option<Vec<u8>>, PullError> {
        let kept = expected.and_then(|expected| kept::superblock(&self.intake, expected));
        if kept.is_some() {
            return Ok(kept);
        }
        let bytes = self.document(&name.superblock_path())?;
        if let (Some(bytes), Some(expected)) = (&bytes, expected)
            && Checksum::of(bytes) == expected
        {
            kept::keep_superblock(&self.intake, expected, bytes);
        }
        Ok(bytes)
    }

    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        // Signatures come from where the refs do, whatever serves the content.
        self.origin
            .optional(&self.origin.metadata, &object_path(name), MAX_METADATA_SIZE)
    }

    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &Apply<'_>,
    ) -> Result<(), PullError> {
        let work = |part: Ready| match part {
            Ready::Inline(number) => {
                let inline = superblock.inline_part(number).map_err(DeltaError::from)?;
                let (compression, rest) = inline.expect("it was seen to lie in the superblock");
                apply(number, &mut (&[compression.byte()][..]).chain(rest))
            }
            Ready::File(number, mut file) => {
                let read = file.read();
                let read = read.map_err(|error| StoreError::io("reading a part", error))?;
                apply(number, read)?;
                file.remove();
                Ok(())
            }
        };
        on_threads(work, |jobs, applied| {
            let (sender, fetched) = unbounded();
            let run = Run {
                deltas: self,
                superblock,
                batch: self.origin.fetcher.batch(),
                jobs,
                sender,
                running: 0,
            };
            run.run(wanted, &fetched, applied)
        })
    }
}

/// A part that is here.
enum Ready {
    /// In the superblock.
    Inline(usize),
    File(usize, PartFile),
}

type Fetched = (usize, Result<PartFile, FetchError>);

/// The leader of those who apply: it has parts fetched while others are applied.
struct Run<'r, 'o> {
    deltas: &'r NetworkDeltas<'o>,
    superblock: &'r Superblock,
    batch: Batch,
    jobs: Sender<Ready>,
    sender: Sender<Fetched>,
    /// Parts that are on their way, or being applied.
    running: usize,
}

impl Run<'_, '_> {
    fn run(
        mut self,
        wanted: &[usize],
        fetched: &Receiver<Fetched>,
        applied: &Receiver<Result<(), PullError>>,
    ) -> Result<(), PullError> {
        let mut queue = wanted.iter().copied();
        let mut failure = None;
        loop {
            while failure.is_none() && self.running < PARTS_AT_ONCE {
                let Some(number) = queue.next() else {
                    break;
                };
                self.begin(number)?;
            }
            if self.running == 0 {
                return failure.map_or(Ok(()), Err);
            }
            // What is under way is still applied after a failure: the next pull need not fetch it again.
            let result = select! {
                recv(fetched) -> message => match message.expect("a sender is here") {
                    (number, Ok(file)) => {
                        self.apply(Ready::File(number, file));
                        continue;
                    }
                    (_, Err(error)) => Err(cause(error)),
                },
                recv(applied) -> result => result.expect("the threads wait for more"),
            };
            self.running -= 1;
            if let Err(error) = result {
                failure.get_or_insert(error);
            }
        }
    }

    fn apply(&self, part: Ready) {
        // The threads receive until this end is dropped.
        let _ = self.jobs.send(part);
    }

    /// Has a part fetched, or applied if it is here.
    fn begin(&mut self, number: usize) -> Result<(), PullError> {
        self.running += 1;
        let inline = self.superblock.inline_part(number);
        if inline.map_err(DeltaError::from)?.is_some() {
            self.apply(Ready::Inline(number));
            return Ok(());
        }
        let head = &self.superblock.parts[number];
        let mut file = PartFile::open(&self.deltas.intake, number, head)?;
        if file.length == head.compressed_size {
            if file.checksum() == head.checksum {
                self.apply(Ready::File(number, file));
                return Ok(());
            }
            let emptied = file.empty();
            emptied.map_err(|error| StoreError::io("emptying a part", error))?;
        }
        let request = self.request(number, head, file.length);
        let sink = PartSink {
            intake: self.deltas.intake.clone(),
            number,
            head: head.clone(),
            file,
            taken: 0,
        };
        let sender = self.sender.clone();
        self.batch.submit(request, sink, move |sink, result| {
            let _ = sender.send((number, result.map(|_| sink.into_file())));
        });
        Ok(())
    }

    fn request(&self, number: usize, head: &PartHeader, have: u64) -> Request {
        let path = self.superblock.name.part_path(number);
        let size = head.compressed_size;
        // The superblock has the checksum: parts of the file may come from several mirrors, as those of an object.
        let mut request = Request::new(self.deltas.origin.content.clone(), path, size);
        request.priority = Priority::Delta;
        request.size_hint_bytes = Some(size);
        request.resume = (have > 0).then_some(Resume {
            offset: have,
            validator: Validator::TotalBytes(size),
        });
        request
    }
}

/// A wrong part and a fault on this side are told as what they are.
fn cause(error: FetchError) -> PullError {
    let FetchError {
        url,
        attempts,
        fault,
    } = error;
    let fault = match fault {
        FetchFault::Wrong(cause) => match cause.downcast::<DeltaError>() {
            Ok(source) => return (*source).into(),
            Err(cause) => FetchFault::Wrong(cause),
        },
        FetchFault::Sink(cause) => match cause.downcast::<StoreError>() {
            Ok(source) => return (*source).into(),
            Err(cause) => FetchFault::Sink(cause),
        },
        other => other,
    };
    PullError::Fetch(FetchError {
        url,
        attempts,
        fault,
    })
}

/// Receives a part's file, and checks it, so that another mirror may be asked for one that is wrong.
struct PartSink {
    intake: Intake,
    number: usize,
    head: PartHeader,
    file: PartFile,
    /// Room that was taken for what came.
    taken: u64,
}

impl PartSink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.intake.take_space(bytes.len() as u64)?;
        self.taken += bytes.len() as u64;
        self.file
            .put(bytes)
            .map_err(|error| StoreError::io("writing a part", error))
    }

    fn empty(&mut self) -> Result<(), StoreError> {
        self.intake.give_space_back(std::mem::take(&mut self.taken));
        self.file
            .empty()
            .map_err(|error| StoreError::io("emptying a part", error))
    }

    /// The file, whose room counts as free again: it goes when the part has been applied.
    fn into_file(self) -> PartFile {
        self.intake.give_space_back(self.taken);
        self.file
    }
}

impl Sink for PartSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        match start.resumed_at {
            0 => self.empty().map_err(receive::fault),
            _ => Ok(()),
        }
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.put(bytes).map_err(receive::fault)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        let (length, actual) = (self.file.length, self.file.checksum());
        let checked = DeltaError::check_part(self.number, &self.head, length, actual);
        let Err(error) = checked else {
            return Ok(());
        };
        // The next attempt, of this pull or of a later one, begins anew.
        self.empty().map_err(receive::fault)?;
        Err(SinkFault::Wrong(Box::new(error)))
    }
}
